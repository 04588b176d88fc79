"""`tsa verify`: do these tokens prove what they are held against?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsa.commands import AsJson, note, tracked, visible
from tsa.commands.certificate_files import Ca, Cert, Crl, read_all, required, sentence_of
from tsa.commands.token_report import exit_code, print_line, print_report, print_sum
from tsa.verify import material
from tsa.verify.datum import Datum, DigestDatum, FileDatum
from tsa.verify.proof import NotJudged
from tsa.verify.report import Report, not_judged, verify_to_report

if TYPE_CHECKING:
    from tsa.verify.verifier import Verifier

TOKEN_SUFFIXES = {".tsr", ".tst", ".p7s", ".b64", ".pem"}
MAX_TOKEN = 4 << 20  # the verifier's own limit is below, and says so itself


@dataclass(frozen=True, slots=True)
class _Pair:
    """A token, and the data that it is to prove."""

    name: str
    token: Path
    datum: Datum


def verify(
    files: Annotated[
        list[Path],
        typer.Argument(help="FILE, or FILE and its token, each in turn; the token of a FILE alone is FILE.tsr."),
    ],
    ca: Ca = None,
    cert: Cert = None,
    crl: Crl = None,
    ocsp: Annotated[list[Path] | None, typer.Option(help="An OCSP response.")] = None,
    query: Annotated[Path | None, typer.Option(help="The TimeStampReq that the token is to answer.")] = None,
    digest: Annotated[str | None, typer.Option(help="The data's digest, hexadecimal, in place of FILE.")] = None,
    as_json: AsJson = False,
) -> None:
    """Verify time-stamps, offline. Exit 0: all are proved; 1: one is not; 2: one could not be judged.

    A token may be a TimeStampResp or the token alone, in DER, PEM or base64, of any authority: name its root with --ca.
    """
    pairs = _pairs(files, digest)
    if query is not None and len(pairs) > 1:
        raise typer.BadParameter("--query belongs to one token: verify it by itself.")
    try:
        verifier = _verifier(ca, cert, crl, ocsp)
        asked = _read(query) if query else None
    except (NotJudged, OSError) as error:
        fault = sentence_of(error)
        note(f"tsa: {visible(fault)}")
        reports: Iterable[Report] = [not_judged(fault)] * len(pairs)
    else:
        fault = ""
        reports = (_judge(verifier, pair, asked) for pair in pairs)
    sys.exit(_tell(pairs, reports, as_json=as_json, quiet=bool(fault)))


def _pairs(files: Sequence[Path], digest: str | None) -> list[_Pair]:
    """Each FILE with its token: the one that follows, by its name, or else FILE.tsr."""
    if digest is not None:
        if len(files) > 1:
            raise typer.BadParameter("With --digest there is no FILE: give the token alone.")
        return [_Pair(digest, files[0], DigestDatum(_octets(digest)))]
    pairs, at = [], 0
    while at < len(files):
        file, following = files[at], files[at + 1 : at + 2]
        beside = bool(following) and following[0].suffix.lower() in TOKEN_SUFFIXES
        token = following[0] if beside else file.with_name(f"{file.name}.tsr")
        pairs.append(_Pair(str(file), token, FileDatum(file)))
        at += 1 + beside
    return pairs


def _octets(digest: str) -> bytes:
    try:
        return bytes.fromhex(digest.replace(":", ""))
    except ValueError:
        raise typer.BadParameter(f"--digest: {digest!r} is not hexadecimal.") from None


def _verifier(ca: Ca, cert: Cert, crl: Crl, ocsp: list[Path] | None) -> Verifier:
    """A verifier with the files of the options. Raises NotJudged, or OSError where a file cannot be read."""
    from tsa.verify.verifier import Verifier  # certificate paths take a while to load

    return Verifier(
        read_all(required(ca), material.certificates),
        certificates=read_all(cert, material.certificates),
        crls=read_all(crl, material.crls),
        ocsps=read_all(ocsp, material.ocsps),
    )


def _judge(verifier: Verifier, pair: _Pair, query: bytes | None) -> Report:
    try:
        return verify_to_report(verifier, _read(pair.token), pair.datum, query)
    except OSError as error:
        return not_judged(sentence_of(error))


def _read(file: Path) -> bytes:
    with file.open("rb") as content:
        return content.read(MAX_TOKEN)


def _tell(pairs: Sequence[_Pair], reports: Iterable[Report], *, as_json: bool, quiet: bool) -> int:
    """Print every report as it comes, or all as JSON, or nothing; returns the exit code."""
    told, verdicts = [], []
    for pair, report in zip(tracked(pairs, "Verifying"), reports, strict=True):
        verdicts.append(report["verdict"])
        if as_json:
            told.append({"file": pair.name, "token": str(pair.token), **report})
        elif not quiet:
            (print_report if len(pairs) == 1 else print_line)(pair.name, report)
    if as_json:
        print(json.dumps(told[0] if len(told) == 1 else told, indent=2))
    elif not quiet:
        print_sum(verdicts)
    return exit_code(verdicts)
