"""Every octet of a good token changed, one at a time: not proved, or proved as before where nothing signs it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import der
from tests.support.judging import verifier_for
from tests.vectors.parties import STRANGER
from tests.vectors.tokens import Token, attribute, response, status_string
from tests.vectors.vector import Vector
from tsa.verify.datum import OctetsDatum
from tsa.verify.proof import NotProved

DIVERGENCES = Path(__file__).parents[2] / "docs" / "divergences.md"
BITS = tuple(1 << place for place in range(8))
UNSIGNED = der.tlv(0xA1, attribute("2.999.9", der.tlv(der.OCTET_STRING, b"Nobody signs this.")))
TEXT = status_string("Operation Okay")
GOOD = Token(unsigned=UNSIGNED)

# Paths of child numbers in the TimeStampResp, by which `place` finds the octets that nothing signs.
STATUS, FREE_TEXT = (0, 0), (0, 1)
SIGNED_DATA = (1, 1, 0)
VERSION, DIGEST_ALGORITHMS = (*SIGNED_DATA, 0), (*SIGNED_DATA, 1)


def place(octets: bytes, *path: int) -> range:
    """Where the element stands that is reached by those child numbers, its tag and length included."""
    start, element = 0, der.read(octets)
    for number in path:
        children = element.children()
        start += len(element.raw) - len(element.contents) + sum(len(each.raw) for each in children[:number])
        element = children[number]
    return range(start, start + len(element.raw))


def with_certificates() -> tuple[Vector, dict[str, range]]:
    """A token with its certificates, and a stranger's among them."""
    token = replace(GOOD, certificates=(*GOOD.certificates, STRANGER.certificate))
    octets = response(token.encode(), 0, TEXT)
    at = octets.index(STRANGER.certificate)
    signer_info = (*SIGNED_DATA, 4, 0)
    return Vector(octets), {
        **_around(octets, signer_info),
        "a certificate that is not on the path": range(at, at + len(STRANGER.certificate)),
    }


def without_certificates() -> tuple[Vector, dict[str, range]]:
    """A token without certificates, which are given aside."""
    octets = response(replace(GOOD, certificates=()).encode(), 0, TEXT)
    return Vector(octets, certificates=GOOD.certificates), _around(octets, (*SIGNED_DATA, 3, 0))


def _around(octets: bytes, signer_info: tuple[int, ...]) -> dict[str, range]:
    """The octets of both that nothing signs."""
    return {
        "PKIStatus": place(octets, *STATUS),
        "statusString": place(octets, *FREE_TEXT),
        "SignedData.version": place(octets, *VERSION),
        "SignedData.digestAlgorithms": place(octets, *DIGEST_ALGORITHMS),
        "SignerInfo.version": place(octets, *signer_info, 0),
        "unsignedAttrs": place(octets, *signer_info, 6),
    }


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # of a stranger's serial
@pytest.mark.parametrize(
    ("make", "changes"),
    [
        (with_certificates, (0x01, 0x80, 0xFF)),  # a path is looked for each time, which takes long
        (without_certificates, (*BITS, 0xFF, 0x5A)),
    ],
)
def test_a_changed_octet_proves_nothing_else(
    make: Callable[[], tuple[Vector, dict[str, range]]], changes: tuple[int, ...]
) -> None:
    vector, unsigned = make()
    verifier, datum = verifier_for(vector), OctetsDatum(vector.data)
    good = verifier.verify(vector.token, datum)
    still_proved = set()
    for at in range(len(vector.token)):
        for change in changes:
            changed = bytearray(vector.token)
            changed[at] ^= change
            try:
                proof = verifier.verify(bytes(changed), datum)
            except NotProved:
                continue
            assert replace(proof, warnings=()) == replace(good, warnings=()), f"another verdict by octet {at}"
            still_proved.add(at)
    where = {name: still_proved & set(places) for name, places in unsigned.items()}
    assert still_proved - set().union(*where.values()) == set(), "proved although what is signed was changed"
    assert [name for name, found in where.items() if not found] == [], "listed, yet every change there was noticed"


def test_what_nothing_signs_is_told() -> None:
    text = " ".join(DIVERGENCES.read_text().split())
    assert [name for name in with_certificates()[1] if name not in text] == []


def test_places_are_found() -> None:
    vector, unsigned = with_certificates()
    at = unsigned["unsignedAttrs"]
    assert vector.token[at.start : at.stop] == UNSIGNED
    at = unsigned["statusString"]
    assert vector.token[at.start : at.stop] == TEXT
