"""Seeded damage to octets, and the quick look that tells whether an answer is a TimeStampResp."""

import random
from collections.abc import Iterator, Sequence

from tests.support import der
from tests.support.query import DIGEST_OIDS, NULL, Query, extension, imprint
from tests.support.token import FAILURES

GOOD = [
    *(Query(imprint=imprint(name, parameters=NULL)).encode() for name in DIGEST_OIDS),
    Query(cert_req=None, nonce=None).encode(),
    Query(cert_req=b"\0", nonce=b"\0").encode(),
    Query(nonce=b"\x7f" * 65, policy="2.999.3161.1").encode(),
    Query(policy="1.3.6.1.4.1.99999.1").encode(),
    Query(extensions=extension("2.999.1", critical=True)).encode(),
]
# Octets that mean something where they stand: tags, lengths, flags.
TELLING = bytes([0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x30, 0x31, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xA0, 0xFE, 0xFF])


def mutations(good: Sequence[bytes], seed: int, count: int) -> Iterator[bytes]:
    """`count` damaged copies of good octets: flipped, cut, grown, overwritten, spliced; one in ten is left whole."""
    chance = random.Random(seed)  # noqa: S311 - the same damage in every run
    for number in range(count):
        octets = bytearray(chance.choice(good))
        if number % 10:
            for _ in range(chance.choice((1, 1, 1, 2, 5))):
                _damage(octets, good, chance)
        yield bytes(octets)


def _damage(octets: bytearray, good: Sequence[bytes], chance: random.Random) -> None:
    at = chance.randint(0, len(octets))
    match chance.randrange(6):
        case 0 if at < len(octets):
            octets[at] ^= 1 << chance.randrange(8)
        case 1 if at < len(octets):
            octets[at] = chance.choice(TELLING)
        case 2:
            del octets[at:]
        case 3:
            del octets[at : at + chance.randint(1, 8)]
        case 4:
            octets[at:at] = chance.randbytes(chance.choice((1, 2, 8, 200)))
        case _:
            other = chance.choice(good)
            octets[at:] = other[chance.randint(0, len(other)) :]


def check_response(octets: bytes, request: bytes) -> bool:
    """Whether a TimeStampResp grants what was requested; raises where the octets are no such answer to the request."""
    status_info, *token = der.read(octets).of(der.SEQUENCE)
    status, *rest = status_info.of(der.SEQUENCE)
    if status.contents == b"\0":
        assert not rest
        [signed_data] = token
        _, content = signed_data.of(der.SEQUENCE)
        fields = content.of(0xA0)[0].of(der.SEQUENCE)
        info = der.read(fields[2].children()[1].of(0xA0)[0].contents).of(der.SEQUENCE)
        assert info[2].raw in request, "another imprint"
        return True
    assert status.contents == b"\2"
    assert not token
    [text, fail_info] = rest
    assert text.of(der.SEQUENCE)[0].contents
    bits = int.from_bytes(fail_info.contents[1:], "big") << 8 * (5 - len(fail_info.contents))
    assert 31 - (bits.bit_length() - 1) in FAILURES.values()
    assert bits.bit_count() == 1
    return False
