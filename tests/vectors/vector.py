"""A vector: the files that a verifier is given, their names, and the verdict that they must get."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from tests.vectors.parties import ISSUING, ROOT, Party
from tests.vectors.revocation_data import CRLS
from tests.vectors.tokens import DATA, GEN_TIME, Token

RIGHT = Token()
NOT_JUDGED = "could not be judged"


@dataclass(frozen=True)
class Vector:
    """A token and the material to judge it by; `moment` is genTime, for programs that need a time of judgement."""

    token: bytes
    data: bytes = DATA
    anchors: tuple[bytes, ...] = (ROOT.certificate,)
    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = CRLS
    ocsps: tuple[bytes, ...] = ()
    query: bytes | None = None
    moment: str = GEN_TIME

    def files(self) -> dict[str, bytes]:
        """The files by name; a file without octets is left out, except the token."""
        found = {
            "token.tsr": self.token,
            "data": self.data,
            "ca.pem": pem(self.anchors),
            "certs.pem": pem(self.certificates),
        }
        found |= {f"{at}.crl": each for at, each in enumerate(self.crls, 1)}
        found |= {f"{at}.ocsp": each for at, each in enumerate(self.ocsps, 1)}
        found |= {"query.tsq": b"" if self.query is None else self.query}
        return {name: octets for name, octets in found.items() if octets or name == "token.tsr"}

    def store(self, folder: Path) -> None:
        """Write the files into a new folder."""
        folder.mkdir(parents=True)
        for name, octets in self.files().items():
            (folder / name).write_bytes(octets)


def by(
    party: Party,
    parts: Token = RIGHT,
    *,
    above: tuple[Party, ...] = (ISSUING,),
    anchors: tuple[Party, ...] = (ROOT,),
    crls: tuple[bytes, ...] = CRLS,
    ocsps: tuple[bytes, ...] = (),
    moment: str = GEN_TIME,
) -> Vector:
    """A good token by *party*, with its certificate and the certificates *above* it; *parts* gives the other fields."""
    embedded = tuple(sorted(each.certificate for each in (party, *above)))
    token = replace(parts, info=replace(parts.info, gen_time=moment), party=party, certificates=embedded)
    return Vector(
        token.response(), anchors=tuple(each.certificate for each in anchors), crls=crls, ocsps=ocsps, moment=moment
    )


def pem(certificates: tuple[bytes, ...]) -> bytes:
    """A bundle of certificates."""
    return b"".join(armoured(each, "CERTIFICATE") for each in certificates)


def armoured(octets: bytes, label: str) -> bytes:
    """PEM (RFC 7468)."""
    text = base64.b64encode(octets)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\n".join((f"-----BEGIN {label}-----".encode(), *lines, f"-----END {label}-----\n".encode()))


@dataclass(frozen=True)
class Maker:
    """The function that makes a vector, a sentence about the vector, and the verdict that it must get."""

    name: str
    room: str
    sentence: str
    verdict: str
    stored: bool
    make: Callable[[], Vector]


MAKERS: dict[str, Maker] = {}
Make = TypeVar("Make", bound=Callable[[], Token | Vector | bytes])


def register(
    make: Callable[[], Token | Vector | bytes], verdict: str, *, name: str = "", sentence: str = "", stored: bool = True
) -> None:
    """Enter a maker; without *name* and *sentence* it takes the name and the docstring of the function."""
    called = name or make.__name__.replace("_", "-")
    said = sentence or " ".join((make.__doc__ or "").split())
    assert called not in MAKERS, f"two vectors named {called}"
    assert said.endswith("."), f"{called} lacks its sentence"
    MAKERS[called] = Maker(called, make.__module__, said, verdict, stored, lambda: _vector(make()))


def _vector(made: Token | Vector | bytes) -> Vector:
    if isinstance(made, Token):
        made = made.response()
    return Vector(made) if isinstance(made, bytes) else made


def fails(step: int, *, stored: bool = True) -> Callable[[Make], Make]:
    """A vector that is not proved, at that step; a vector too large to keep is not `stored`, but made when judged."""
    return _decorator(f"not proved, step {step}", stored=stored)


def proves(warning: str | None = None, *, stored: bool = True) -> Callable[[Make], Make]:
    """A vector that is proved: without any warning, or with a warning that has those words."""
    return _decorator("proved" if warning is None else f"proved, with a warning: {warning}", stored=stored)


def unjudged() -> Callable[[Make], Make]:
    """A vector that allows no verdict."""
    return _decorator(NOT_JUDGED)


def _decorator(verdict: str, *, stored: bool = True) -> Callable[[Make], Make]:
    def enter(make: Make) -> Make:
        register(make, verdict, stored=stored)
        return make

    return enter
