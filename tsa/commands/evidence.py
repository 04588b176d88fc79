"""`tsa evidence`: create, renew, verify."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import aiohttp
import typer

from signer.files import replace_file
from tsa.client import TIMEOUT_S, StampFault, ask, credentials, request_for
from tsa.commands import AsJson, note, tracked, visible
from tsa.commands.certificate_files import Ca, Cert, Crl, read_all, required, sentence_of
from tsa.commands.evidence_report import Pair, not_judged, not_proved, proved, tell
from tsa.commands.token_report import exit_code
from tsa.protocol.oids import HASHES
from tsa.verify import material
from tsa.verify.datum import FileDatum
from tsa.verify.evidence.record import MAX_OCTETS, ArchiveTimeStamp, BrokenEvidence, new_record, new_time_stamp
from tsa.verify.evidence.renewal import Due, prepare
from tsa.verify.evidence.tree import HashTree
from tsa.verify.message import Response
from tsa.verify.proof import NotJudged
from tsa.verify.report import Report

if TYPE_CHECKING:
    from cryptography import x509

    from tsa.verify.evidence.verifier import EvidenceVerifier

SUFFIX = ".er"

app = typer.Typer(help="Evidence for the long run: EvidenceRecords, RFC 4998.", no_args_is_help=True)


def _hash_name(name: str | None) -> str | None:
    if name not in (None, *HASHES):
        raise typer.BadParameter(f"{name!r} is no hash known here: use one of {', '.join(HASHES)}.")
    return name


Url = Annotated[str, typer.Option(help="The authority.")]
KeyFile = Annotated[Path | None, typer.Option(help="File with the application's APP_KEY; or the variable TSA_APP_KEY.")]
Files = Annotated[
    list[Path],
    typer.Argument(help="FILE.er, or FILE, or both; what is not named is looked for beside the other."),
]
LOCAL = "http://127.0.0.1:3161/"


@app.command()
def create(
    files: Annotated[list[Path], typer.Argument(help="Files to prove; FILE.er is written for each.")],
    url: Url = LOCAL,
    key_file: KeyFile = None,
    hash_name: Annotated[str, typer.Option("--hash", callback=_hash_name, help=f"One of {', '.join(HASHES)}.")] = (
        "sha256"
    ),
    out: Annotated[Path | None, typer.Option(help="The folder for the records; else each is beside its file.")] = None,
) -> None:
    """Prove that files exist now: however many they are, they cost one stamp. Only a hash is sent."""
    pairs = [Pair(file, (out or file.parent) / f"{file.name}{SUFFIX}") for file in dict.fromkeys(files)]
    _refuse_overwriting(pairs)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    digests = [FileDatum(pair.data).digest(hash_name) for pair in tracked(pairs, "Hashing")]
    stamps = _stamp(digests, hash_name, url, key_file)
    for pair, digest in zip(pairs, digests, strict=True):
        replace_file(pair.record, new_record(stamps(digest), hash_name).encoded)
    print(f"{len(pairs):,} records made with one stamp.")


@app.command()
def renew(
    files: Files,
    url: Url = LOCAL,
    key_file: KeyFile = None,
    hash_name: Annotated[
        str | None,
        typer.Option("--hash", callback=_hash_name, help="Renew with this hash, which reads the files anew."),
    ] = None,
    ca: Ca = None,
    cert: Cert = None,
    crl: Crl = None,
) -> None:
    """Renew records before certificates end (nothing else given), or before a hash grows weak (--hash).

    Certificates and CRLs given are put into the newest token first, so that it can be judged when nobody publishes
    them any more. With --ca a record is verified before it is renewed, else only its hashes are. Records renewed
    together cost one stamp.
    """
    certificates, crls = read_all(cert, material.certificates), read_all(crl, material.crls)
    verifier = _verifier(ca, certificates, crls) if ca else None
    due: dict[str, list[tuple[Pair, Due]]] = {}
    whole = True
    for pair in tracked(_pairs(files), "Checking"):
        try:
            datum = FileDatum(pair.data) if hash_name else None
            found = prepare(_read(pair.record), hash_name, datum, certificates, crls)
            if verifier is not None:
                verifier.verify(found.record.encoded, datum)
        except (BrokenEvidence, NotJudged, OSError) as fault:
            note(visible(f"tsa: {pair.record} is not renewed. {sentence_of(fault)}"))
            whole = False
        else:
            due.setdefault(found.algorithm, []).append((pair, found))
    for algorithm, group in due.items():
        stamps = _stamp([each.digest for _, each in group], algorithm, url, key_file, alone=hash_name is not None)
        for pair, each in group:
            replace_file(pair.record, each.renewed(stamps(each.digest)).encoded)
        print(f"{len(group):,} records renewed with one stamp, {algorithm}.")
    if due and not crls:
        note("No CRL was given, so none is kept with the tokens: give the newest one of their CA with --crl.")
    sys.exit(0 if whole else 1)


@app.command()
def verify(files: Files, ca: Ca = None, cert: Cert = None, crl: Crl = None, as_json: AsJson = False) -> None:
    """Verify files by their records, offline. Exit 0: all are proved; 1: one is not; 2: one could not be judged."""
    pairs = _pairs(files)
    try:
        verifier = _verifier(ca, read_all(cert, material.certificates), read_all(crl, material.crls))
    except (NotJudged, OSError) as fault:
        reports = [not_judged(pair, fault) for pair in pairs]
    else:
        reports = [_judge(verifier, pair) for pair in tracked(pairs, "Verifying")]
    tell(reports, as_json=as_json)
    sys.exit(exit_code([report["verdict"] for report in reports]))


def _judge(verifier: EvidenceVerifier, pair: Pair) -> Report:
    try:
        return proved(pair, verifier.verify(_read(pair.record), FileDatum(pair.data)))
    except BrokenEvidence as fault:
        return not_proved(pair, fault)
    except (NotJudged, OSError) as fault:
        return not_judged(pair, fault)


def _verifier(ca: Ca, certificates: Sequence[x509.Certificate], crls: Sequence[bytes]) -> EvidenceVerifier:
    from tsa.verify.evidence.verifier import EvidenceVerifier  # what builds paths takes a while to load

    return EvidenceVerifier(read_all(required(ca), material.certificates), certificates=certificates, crls=crls)


def _pairs(files: Sequence[Path]) -> list[Pair]:
    """Each FILE with its record: the one that follows, by its name, or else FILE.er; each record alone with FILE."""
    found: list[Pair] = []
    waiting: list[Path] = []
    for file in files:
        if file.suffix != SUFFIX:
            found += (Pair(each, each.with_name(f"{each.name}{SUFFIX}")) for each in waiting)
            waiting = [file]
        else:
            found.append(Pair(waiting.pop() if waiting else file.with_suffix(""), file))
    return found + [Pair(each, each.with_name(f"{each.name}{SUFFIX}")) for each in waiting]


def _refuse_overwriting(pairs: Sequence[Pair]) -> None:
    targets: set[Path] = set()
    for pair in pairs:
        if pair.record in targets:
            raise StampFault(f"Two of the files would have the record {pair.record}: give them in two goes.")
        if pair.record.exists():
            raise StampFault(f"{pair.record} is there already: renew it (tsa evidence renew), or move it away.")
        targets.add(pair.record)


def _stamp(
    digests: Sequence[bytes], algorithm: str, url: str, key_file: Path | None, *, alone: bool = False
) -> Callable[[bytes], ArchiveTimeStamp]:
    """Have the root of a tree over the digests stamped; what it is for each. Raises StampFault or OSError."""
    tree = HashTree(digests, algorithm)
    response = asyncio.run(_ask(request_for(HASHES[algorithm], tree.root), url, credentials(key_file), len(digests)))
    token = Response.read(response).token
    return lambda digest: new_time_stamp(token, tree.reduced(digest, alone=alone), algorithm)


async def _ask(request: bytes, url: str, headers: dict[str, str], count: int) -> bytes:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        response, _ = await ask(session, url, request, f"{count:,} records")
        return response


def _read(file: Path) -> bytes:
    """A record; of a longer file enough to tell that it is none."""
    with file.open("rb") as content:
        return content.read(MAX_OCTETS + 1)
