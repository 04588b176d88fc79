"""The reader takes DER and nothing else, whatever the octets, and says what it expected and what it found."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.der import (
    INTEGER,
    MAX_DEPTH,
    MAX_INTEGER_OCTETS,
    MAX_PIECES,
    OCTET_STRING,
    SEQUENCE,
    Malformed,
    Reader,
    definite,
    dotted,
    printable,
    set_of,
    unarmoured,
)
from tests.support import der
from tests.vectors.vector import armoured as pem

END = b"\0\0"


def indefinite(tag: int, *parts: bytes) -> bytes:
    return bytes([tag, 0x80]) + b"".join(parts) + END


@given(st.binary(max_size=70_000))
def test_an_element_is_read_back(content: bytes) -> None:
    encoded = der.tlv(OCTET_STRING, content)
    reader = Reader(encoded + b"\x05\x00")
    assert reader.content(OCTET_STRING, "it") == content
    assert (reader.tag, reader.rest(), reader.tag) == (5, b"\x05\x00", -1)
    assert Reader(encoded).element(OCTET_STRING, "it") == encoded
    assert set_of(content) == der.tlv(der.SET, content)


@pytest.mark.parametrize(
    ("octets", "sentence"),
    [
        (b"", r"Expected it \(tag 30\), found nothing"),
        (b"\x31\x00", r"Expected it \(tag 30\), found tag 31"),
        (b"\x30", "the length of it, found nothing"),
        (b"\x30\x02\x00", "the 2 octets of it, found 1"),
        (b"\x30\x80\x00\x00", "definite and in the fewest octets, found 80"),
        (b"\x30\x81\x7f" + bytes(127), "definite and in the fewest octets, found 817f"),
        (b"\x30\x82\x00\x80" + bytes(128), "definite and in the fewest octets"),
        (b"\x30\x82\x01", "definite and in the fewest octets"),
        (b"\x30\x89" + b"\xff" * 9, "definite and in the fewest octets"),
        (b"\x30\x88" + b"\xff" * 8, "octets of it, found 0: it is cut short"),
    ],
)
def test_what_is_not_der_is_told(octets: bytes, sentence: str) -> None:
    with pytest.raises(Malformed, match=sentence):
        Reader(octets).into(SEQUENCE, "it")


def test_nothing_may_follow() -> None:
    reader = Reader(b"\x02\x01\x05\x05\x00")
    assert reader.integer("it") == 5
    with pytest.raises(Malformed, match="Expected the end of all, found 2 more octets"):
        reader.ends("all")


@given(st.integers(-(1 << 1000), 1 << 1000))
def test_an_integer_is_read_back(value: int) -> None:
    assert Reader(der.integer(value)).integer("it") == value


@pytest.mark.parametrize("content", [b"", b"\x00\x01", b"\xff\x80", bytes([1] * (MAX_INTEGER_OCTETS + 1))])
def test_an_integer_has_the_fewest_octets_and_not_too_many(content: bytes) -> None:
    with pytest.raises(Malformed):
        Reader(der.tlv(INTEGER, content)).integer("it")


def test_a_boolean_is_00_or_ff() -> None:
    assert [Reader(der.tlv(1, each)).boolean("it") for each in (b"\x00", b"\xff")] == [False, True]
    for content in (b"", b"\x01", b"\xff\xff"):
        with pytest.raises(Malformed):
            Reader(der.tlv(1, content)).boolean("it")


@pytest.mark.parametrize(
    "text", ["0.9.2342", "1.2.840.113549.1.9.16.1.4", "2.999.1", "2.16.840.1.101.3.4.2.10", "2.39"]
)
def test_an_object_identifier_is_read_back(text: str) -> None:
    assert dotted(der.read(der.oid(text)).contents) == text


@pytest.mark.parametrize("content", [b"", b"\x80\x01", b"\x2a\x86", b"\x2a\x80\x01", b"\x01" * 65])
def test_an_object_identifier_is_whole_and_minimal(content: bytes) -> None:
    with pytest.raises(Malformed, match="an OBJECT IDENTIFIER"):
        dotted(content)


def test_armour_is_taken_off() -> None:
    octets = der.sequence(der.integer(1) * 50)
    assert unarmoured(octets) == octets
    assert unarmoured(base64.encodebytes(octets)) == octets
    assert unarmoured(b"A note.\r\n" + pem(octets, "WHATEVER").replace(b"\n", b"\r\n")) == octets
    assert unarmoured(b"") == b"", "which is not DER either, but the reader says so"


@pytest.mark.parametrize("octets", [b"<html>", pem(b"x", "PKCS7")[:-20], pem(b"", "PKCS7"), b"TUl"])
def test_what_is_in_no_armour_is_told(octets: bytes) -> None:
    with pytest.raises(Malformed, match=f"DER, PEM or base64, found octets that begin with {octets[:8].hex()}"):
        unarmoured(octets)


def test_indefinite_lengths_become_definite() -> None:
    inner = der.sequence(der.integer(7))
    assert definite(indefinite(SEQUENCE, inner, indefinite(0xA0, inner))) == der.sequence(inner, der.tlv(0xA0, inner))
    long = der.tlv(OCTET_STRING, bytes(300))
    assert definite(indefinite(SEQUENCE, long)) == der.sequence(long)
    assert definite(indefinite(0x24, der.tlv(4, b"ab"), der.tlv(4, b"c"))) == der.tlv(4, b"abc")
    assert definite(der.sequence(indefinite(SEQUENCE))) == der.sequence(indefinite(SEQUENCE)), "from outside in only"
    assert definite(indefinite(SEQUENCE) + b"more") == der.sequence() + b"more"


@pytest.mark.parametrize(
    "octets",
    [
        b"\x30\x80",
        b"\x30\x80\x00",
        b"\x30\x80\x02\x05\x01\x00\x00",
        indefinite(0x24, der.integer(1)),
        b"\x30\x80" * (MAX_DEPTH + 2) + END * (MAX_DEPTH + 2),
        b"\x30\x80" * 500_000,
        indefinite(SEQUENCE, b"\x05\x00" * (MAX_PIECES + 1)),
    ],
    ids=lambda octets: octets[:8].hex(),
)
def test_an_indefinite_length_must_end_and_not_be_too_deep(octets: bytes) -> None:
    with pytest.raises(Malformed):
        definite(octets)


@given(st.binary())
def test_any_octets_are_definite_or_not(octets: bytes) -> None:
    with suppress(Malformed):
        assert Reader(definite(b"\x30\x80" + octets)).into(SEQUENCE, "it")


def test_what_cannot_be_printed_is_escaped() -> None:
    assert printable("CN=é\x1b[2J\n") == "CN=é\\1b[2J\\0a"
