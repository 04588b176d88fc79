"""DER by hand: the tests build what they send and take apart what they get without any code of the server.

Builders return octets; `read` takes octets apart strictly (X.690 10.1: definite, minimal lengths, low tag numbers).
"""

from dataclasses import dataclass

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTF8_STRING, UTC_TIME, GENERALIZED_TIME, SEQUENCE, SET = 0x0C, 0x17, 0x18, 0x30, 0x31


def length(count: int) -> bytes:
    """The minimal definite length octets for *count* octets of contents (X.690 10.1)."""
    if count < 0x80:
        return bytes([count])
    octets = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element of *tag* whose contents are *parts* joined."""
    contents = b"".join(parts)
    return bytes([tag]) + length(len(contents)) + contents


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE of the given elements."""
    return tlv(SEQUENCE, *parts)


def integer(value: int) -> bytes:
    """INTEGER with minimal contents (X.690 8.3.2)."""
    return tlv(INTEGER, value.to_bytes((value + (value < 0)).bit_length() // 8 + 1, "big", signed=True))


def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return tlv(OID, *(_base128(arc) for arc in (40 * first + second, *rest)))


def _base128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.insert(0, 0x80 | arc & 0x7F)
    return bytes(octets)


@dataclass(frozen=True)
class Element:
    """One TLV: its identifier octet, contents, and the whole encoding."""

    tag: int
    contents: bytes
    raw: bytes

    def children(self) -> list["Element"]:
        """The elements inside; ValueError where the contents are not a row of elements."""
        found, offset = [], 0
        while offset < len(self.contents):
            found.append(_element_at(self.contents, offset))
            offset += len(found[-1].raw)
        return found

    def expect(self, tag: int) -> "Element":
        """This element, whose tag must be *tag*."""
        assert self.tag == tag, f"tag {self.tag:#04x} where {tag:#04x} was expected: {self.raw.hex()}"
        return self

    def of(self, tag: int) -> list["Element"]:
        """The children of an element that must have *tag*."""
        return self.expect(tag).children()

    def integer(self) -> int:
        """The value of an INTEGER, which must be minimal (X.690 8.3.2)."""
        self.expect(INTEGER)
        return integer_value(self.contents)


def integer_value(contents: bytes) -> int:
    """Two's complement value of INTEGER contents, which must be minimal (X.690 8.3.2)."""
    assert contents, "an INTEGER without contents"
    if len(contents) > 1:
        padded = (contents[0] == 0 and contents[1] < 0x80) or (contents[0] == 0xFF and contents[1] >= 0x80)
        assert not padded, f"an INTEGER that is not minimal: {contents.hex()}"
    return int.from_bytes(contents, "big", signed=True)


def read(data: bytes) -> Element:
    """The one element that *data* must be; ValueError for anything that is not DER framing or has trailing octets."""
    element = _element_at(data, 0)
    if len(element.raw) != len(data):
        raise ValueError(f"{len(data) - len(element.raw)} trailing octets")
    return element


def _element_at(data: bytes, offset: int) -> Element:
    if offset + 2 > len(data):
        raise ValueError("an element cut off in its header")
    tag, first = data[offset], data[offset + 1]
    if tag & 0x1F == 0x1F:
        raise ValueError("a high tag number")
    start, count = offset + 2, first
    if first >= 0x80:
        size = first & 0x7F
        start += size
        count = int.from_bytes(data[offset + 2 : start], "big")
        if not size or length(count) != data[offset + 1 : start]:
            raise ValueError(f"a length that is indefinite or not minimal at {offset}")
    end = start + count
    if end > len(data):
        raise ValueError(f"an element of {count} octets where {len(data) - start} are left")
    return Element(tag, data[start:end], data[offset:end])
