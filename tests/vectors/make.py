"""Makes the vectors anew, the same octets in every run: `python -m tests.vectors.make` writes stored/ and INDEX.md.

A vector is a function in one of `ROOMS`: its docstring is its sentence, its decorator the verdict that it must get.
"""

import shutil
from pathlib import Path

from tests.vectors import (
    anchors,
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
from tests.vectors.vector import MAKERS, STORE, Maker

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
INDEX = Path(__file__).parent / "INDEX.md"
HEAD = """# Time-stamp tokens, right and wrong

Written by `python -m tests.vectors.make` from the functions in the files named below; do not edit it.

A folder of `stored/` is what a verifier is given: the token (`token.tsr`), the file (`data`), the anchors (`ca.pem`),
and where there are any, certificates given aside (`certs.pem`), CRLs and OCSP responses in DER (`1.crl`, `1.ocsp`, …)
and the TimeStampReq (`query.tsq`). The steps are those of `tsa/verify/verifier.py`. A name in *italics* is not stored,
but made when it is judged. "proved" means without any warning. The keys are derived from their names
(`tests/vectors/keys.py`), so everybody has them: trust nothing that they sign.
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


def write() -> None:
    """Write all of it, in place of what is there."""
    shutil.rmtree(STORE, ignore_errors=True)
    for maker in MAKERS.values():
        if maker.stored:
            maker.make().store(STORE / maker.name)
    INDEX.write_text(index())


if __name__ == "__main__":
    write()
