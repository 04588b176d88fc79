"""`tsa evidence`: create, renew, verify."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsa.client import credentials
from tsa.commands import AsJson, note, tracked, visible
from tsa.commands.certificate_files import Ca, Cert, Crl, read_all, required, sentence_of
from tsa.commands.evidence_report import not_judged, not_proved, proved, tell
from tsa.commands.token_report import exit_code
from tsa.operate import evidence
from tsa.operate.evidence import Endpoint, Pair
from tsa.protocol.oids import HASHES
from tsa.verify import material
from tsa.verify.datum import FileDatum
from tsa.verify.evidence.record import BrokenEvidence
from tsa.verify.evidence.renewal import Due, prepare
from tsa.verify.proof import NotJudged
from tsa.verify.report import Report

if TYPE_CHECKING:
    from cryptography import x509

    from tsa.verify.evidence.verifier import EvidenceVerifier

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
    pairs = [evidence.pair_with_record(file, out) for file in dict.fromkeys(files)]
    evidence.refuse_overwriting(pairs)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    digests = [FileDatum(pair.data).digest(hash_name) for pair in tracked(pairs, "Hashing")]
    evidence.create(pairs, digests, hash_name, Endpoint(url, credentials(key_file)))
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
    for pair in tracked(evidence.pair_up(files), "Checking"):
        try:
            datum = FileDatum(pair.data) if hash_name else None
            found = prepare(evidence.read_octets(pair.record), hash_name, datum, certificates, crls)
            if verifier is not None:
                verifier.verify(found.record.encoded, datum)
        except (BrokenEvidence, NotJudged, OSError) as fault:
            note(visible(f"tsa: {pair.record} is not renewed. {sentence_of(fault)}"))
            whole = False
        else:
            due.setdefault(found.algorithm, []).append((pair, found))
    for algorithm, group in due.items():
        evidence.renew(group, algorithm, Endpoint(url, credentials(key_file)))
        print(f"{len(group):,} records renewed with one stamp, {algorithm}.")
    if due and not crls:
        note("No CRL was given, so none is kept with the tokens: give the newest one of their CA with --crl.")
    sys.exit(0 if whole else 1)


@app.command()
def verify(files: Files, ca: Ca = None, cert: Cert = None, crl: Crl = None, as_json: AsJson = False) -> None:
    """Verify files by their records, offline. Exit 0: all are proved; 1: one is not; 2: one could not be judged."""
    pairs = evidence.pair_up(files)
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
        return proved(pair, verifier.verify(evidence.read_octets(pair.record), FileDatum(pair.data)))
    except BrokenEvidence as fault:
        return not_proved(pair, fault)
    except (NotJudged, OSError) as fault:
        return not_judged(pair, fault)


def _verifier(ca: Ca, certificates: Sequence[x509.Certificate], crls: Sequence[bytes]) -> EvidenceVerifier:
    from tsa.verify.evidence.verifier import EvidenceVerifier  # certificate paths take a while to load

    return EvidenceVerifier(read_all(required(ca), material.certificates), certificates=certificates, crls=crls)
