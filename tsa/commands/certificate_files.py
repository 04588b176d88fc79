"""The options that name files with certificates and CRLs; how the files are read, and what is said of bad ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from tsa.verify.proof import NotJudged

MAX_OCTETS = 256 << 20  # there are CRLs of some 100 MB

_T = TypeVar("_T")
_Named = list[Path] | None

Ca = Annotated[_Named, typer.Option(help="A root you trust, PEM or DER; may be given several times.")]
Cert = Annotated[
    _Named, typer.Option(help="Certificates that may be missing in a token: the signer's, or of CAs between.")
]
Crl = Annotated[_Named, typer.Option(help="A CRL, PEM or DER: the newest there is.")]


def read_all(files: _Named, load: Callable[[bytes], list[_T]]) -> list[_T]:
    """Everything in the files; a fault names its file. Raises NotJudged or OSError."""
    found: list[_T] = []
    for file in files or ():
        if file.stat().st_size > MAX_OCTETS:
            raise NotJudged(f"{file} has more than {MAX_OCTETS:,} octets: is it the right one?")
        try:
            found += load(file.read_bytes())
        except NotJudged as fault:
            raise NotJudged(f"{file}: {fault}") from fault
    return found


def required(ca: _Named) -> list[Path]:
    """The files of roots. Raises NotJudged where none is named: whom to trust is not for us to say."""
    if not ca:
        raise NotJudged("No root is named: say with --ca which authority you trust, by its root certificate.")
    return ca


def sentence_of(fault: Exception) -> str:
    """The sentence of a fault, with the name of a file that cannot be read."""
    return f"{fault.filename}: {fault.strerror}." if isinstance(fault, OSError) else str(fault)
