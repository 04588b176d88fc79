"""DER by slices: what is written reads back, and nothing that is not DER is read (X.690 8 and 10.1)."""

import pytest
from asn1crypto import core
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support import der as by_hand
from tests.support.shapes import oids
from tsa.protocol import der
from tsa.protocol.errors import MalformedRequest

SIZES = [0, 1, 127, 128, 255, 256, 1023, 1024, 1025, 65535, 65536]


@pytest.mark.parametrize("size", SIZES)
def test_lengths_are_minimal_and_read_back(size: int) -> None:
    content = bytes(size)
    element = der.tlv(der.OCTET_STRING, content)
    assert element == core.OctetString(content).dump()
    start, end = der.read(element, 0, len(element), der.OCTET_STRING, "it")
    assert element[start:end] == content


@pytest.mark.parametrize("size", SIZES)
def test_a_sequence_is_an_element_like_any_other(size: int) -> None:
    assert der.sequence(bytes(size)) == der.tlv(der.SEQUENCE, bytes(size))


def test_a_set_of_is_in_the_order_of_its_encodings() -> None:
    first, second, third = der.integer(5), der.integer(700), der.oid("2.999")
    assert der.set_of(third, second, first) == der.tlv(der.SET, first, second, third)


@given(st.integers(-(2**600), 2**600))
@example(0)
@example(127)
@example(128)
@example(-128)
@example(-129)
@example(2**64 - 1)
def test_integers_are_those_of_another_encoder(value: int) -> None:
    assert der.integer(value) == core.Integer(value).dump()


@given(oids())
@example("0.0")
@example("0.39")
@example("1.39.128")
@example("2.0")
@example("2.40")
@example("2.47")
@example("2.48")
@example("2.999.16384")
def test_object_identifiers_go_there_and_back(dotted: str) -> None:
    encoded = der.oid(dotted)
    assert encoded == by_hand.oid(dotted)
    assert der.dotted(encoded[2:]) == dotted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "sha256",
        "1.2.",
        ".1.2",
        "1..2",
        "3.1",
        "-1.2",
        "1.40",
        "0.40",
        "1.2.-3",
        "2.-1",
        "1.2.3,4",
        "1.2 .3",
        "1_0.2",
        "1.٢",
        "1.02",
        "2.1" + "0" * 100,
    ],
)
def test_what_is_no_object_identifier_is_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="is not an object identifier") as fault:
        der.oid(text)
    assert repr(text) in str(fault.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "empty or cut short"),
        ("2a86", "empty or cut short"),
        ("8837", None),
        ("808837", "padded arc"),
        ("2a8001", "padded arc"),
        ("2a80", "padded arc"),
    ],
)
def test_object_identifiers_are_read_strictly(content: str, sentence: str | None) -> None:
    if sentence is None:
        assert der.dotted(bytes.fromhex(content)) == "2.999"
        return
    with pytest.raises(MalformedRequest, match=sentence):
        der.dotted(bytes.fromhex(content))


def test_an_object_identifier_of_thousands_of_digits_is_not_read() -> None:
    with pytest.raises(MalformedRequest, match="octets"):
        der.dotted(b"\x2a" + b"\xff" * 4000 + b"\x7f")


@pytest.mark.parametrize(
    ("octets", "sentence"),
    [
        ("", "ends where the thing should stand"),
        ("30", "ends where the thing should stand"),
        ("3100", r"Found tag 0x31 where the thing \(0x30\) should stand, octet 0"),
        ("3080", "not definite and minimal"),
        ("30800000", "not definite and minimal"),
        ("308101", "not definite and minimal"),
        ("30810100", "not definite and minimal"),
        ("30817f" + "00" * 127, "not definite and minimal"),
        ("3082ff", "not definite and minimal"),
        ("30820080" + "00" * 128, "not definite and minimal"),
        ("3084000000010000", "not definite and minimal"),
        ("30ff" + "01" * 200, "reaches past its end"),
        ("3001", "reaches past its end"),
        ("308180" + "00" * 127, "reaches past its end"),
        ("3084ffffffff00", "reaches past its end"),
    ],
)
def test_lengths_that_are_not_der_are_refused(octets: str, sentence: str) -> None:
    data = bytes.fromhex(octets)
    with pytest.raises(MalformedRequest, match=sentence):
        der.read(data, 0, len(data), der.SEQUENCE, "the thing")


@pytest.mark.parametrize("element", [der.integer(2**40), der.tlv(4, bytes(200))])
def test_an_element_may_not_reach_past_the_one_around_it(element: bytes) -> None:
    data = element + bytes(10)
    for end in range(len(element)):
        with pytest.raises(MalformedRequest):
            der.read(data, 0, end, element[0], "the thing")
    assert der.read(data, 0, len(element), element[0], "the thing")[1] == len(element)


@given(st.binary(max_size=300))
def test_any_octets_are_read_as_another_strict_reader_reads_them(data: bytes) -> None:
    try:
        expected = by_hand.read(data).contents
    except ValueError:
        expected = None
    try:
        start, end = der.read(data, 0, len(data), data[0] if data else 0x30, "it")
    except MalformedRequest:
        assert expected is None
    else:
        assert (data[start:end] if end == len(data) else None) == expected or data[0] & 0x1F == 0x1F
