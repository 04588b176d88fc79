"""Makes the vectors anew, the same octets in every run: `python -m tests.vectors.make` writes archives and INDEX.md.

A vector is a function in one of `ROOMS`: its docstring is its sentence, its decorator the verdict that it must get.
The archive of a room is beside it: anchors.zip has the vectors of anchors.py. An archive of equal members is not
written again.
"""

from tests.vectors import (
    anchors,
    archive,
    attributes,
    contents,
    identifiers,
    imprints,
    parsing,
    paths,
    responders,
    revocations,
    signatures,
    signers,
    usages,
)
from tests.vectors.vector import MAKERS, Maker

__all__ = ["INDEX", "MAKERS", "ROOMS", "index", "members", "write"]

ROOMS = (
    parsing,
    contents,
    signers,
    identifiers,
    attributes,
    signatures,
    imprints,
    usages,
    paths,
    anchors,
    revocations,
    responders,
)
INDEX = archive.FOLDER / "INDEX.md"
HEAD = """# Time-stamp tokens, right and wrong

Written by `python -m tests.vectors.make` from the functions in the files named below; do not edit it.

The vectors of a file are in an archive beside it: those of `anchors.py` in `anchors.zip`. A folder of an archive is a
vector, with all that a verifier is given: the token (`token.tsr`), the file (`data`), the anchors (`ca.pem`), and where
there are any, certificates given aside (`certs.pem`), CRLs and OCSP responses in DER (`1.crl`, `1.ocsp`, …) and the
TimeStampReq (`query.tsq`). To take out a file, or a whole vector into a folder:

    unzip -p tests/vectors/anchors.zip other-anchor/token.tsr > token.tsr
    unzip tests/vectors/anchors.zip 'other-anchor/*' -d /tmp

`python -m tests.vectors.make` makes the archives anew from the files, the same octets in every run. An archive whose
members have not changed is not written again.

The steps are those of `tsa/verify/verifier.py`. A vector in *italics* is in no archive, but made when it is judged.
"proved" means without any warning. The keys are derived from their names (`tests/vectors/keys.py`), so everybody has
them: trust nothing that they sign.
"""


def index() -> str:
    """The text of INDEX.md."""
    parts = [HEAD]
    for room in ROOMS:
        makers = [each for each in MAKERS.values() if each.room == room.__name__]
        file = f"{room.__name__.rpartition('.')[2]}.py"
        parts.append(f"\n## {file}\n\n{room.__doc__}\n\n| vector | what it is | verdict |\n|---|---|---|\n")
        parts.extend(map(_row, makers))
    return "".join(parts)


def _row(maker: Maker) -> str:
    name = maker.name if maker.stored else f"*{maker.name}*"
    return f"| {name} | {maker.sentence} | {maker.verdict} |\n"


def members(room: str) -> dict[str, bytes]:
    """The members of a room's archive, as its functions make them."""
    makers = [maker for maker in MAKERS.values() if maker.room == room and maker.stored]
    return {f"{maker.name}/{name}": octets for maker in makers for name, octets in maker.make().files().items()}


def write() -> None:
    """Write the archives and INDEX.md, and remove an archive that no room has."""
    archives = {archive.path_of(room.__name__): room.__name__ for room in ROOMS}
    for stray in set(archive.FOLDER.glob("*.zip")) - archives.keys():
        stray.unlink()
    for path, room in archives.items():
        archive.keep(path, members(room))
    INDEX.write_text(index())


if __name__ == "__main__":
    write()
