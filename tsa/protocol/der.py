"""DER (X.690) by slices: the few shapes that a time-stamp needs, without an object per element."""

from __future__ import annotations

import re

from tsa.protocol.errors import MalformedRequest

BOOLEAN = 0x01
INTEGER = 0x02
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
SEQUENCE = 0x30
SET = 0x31
NULL = b"\x05\x00"

# Arcs have no upper end in X.660, but the time to write one in decimal grows with the square of its length.
MAX_OID_OCTETS = 255

_DOTTED = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,99}))+")


def length(size: int) -> bytes:
    """The definite, minimal length octets of `size` content octets (X.690 10.1)."""
    if size < 0x80:
        return size.to_bytes(1, "big")
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return (0x80 | len(octets)).to_bytes(1, "big") + octets


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element: `tag`, then the length of the joined parts, then the parts."""
    content = b"".join(parts)
    return tag.to_bytes(1, "big") + length(len(content)) + content


# A TSTInfo is written for every stamp, so the heads of short SEQUENCEs are made once.
_SEQUENCE_HEADS = [SEQUENCE.to_bytes(1, "big") + length(size) for size in range(1024)]


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE of already encoded parts."""
    content = b"".join(parts)
    size = len(content)
    return _SEQUENCE_HEADS[size] + content if size < 1024 else tlv(SEQUENCE, content)


def explicit(number: int, *parts: bytes) -> bytes:
    """Context-specific constructed tag `[number]` around already encoded parts."""
    return tlv(0xA0 | number, *parts)


def set_of(*elements: bytes) -> bytes:
    """SET OF in DER order: ascending by encoding (X.690 11.6)."""
    return tlv(SET, *sorted(elements))


def integer(value: int) -> bytes:
    """INTEGER, minimal two's complement (X.690 8.3.2)."""
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return tlv(INTEGER, value.to_bytes(size, "big", signed=True))


def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER from its dotted form (X.690 8.19).

    Raises ValueError when `dotted` is not an object identifier.
    """
    if not _DOTTED.fullmatch(dotted):
        raise ValueError(f"{dotted!r} is not an object identifier such as 1.3.6.1.4.1")
    first, second, *rest = map(int, dotted.split("."))
    if first < 2 and second > 39:
        raise ValueError(f"{dotted!r} is not an object identifier: its first arcs must be 0-1.0-39 or 2.n")
    return tlv(OBJECT_IDENTIFIER, *(_base128(arc) for arc in (first * 40 + second, *rest)))


def dotted(content: bytes) -> str:
    """The dotted form of an OBJECT IDENTIFIER's content octets.

    Raises MalformedRequest when an arc is cut short or padded (X.690 8.19.2), and on more than 255 octets (our limit).
    """
    if len(content) > MAX_OID_OCTETS:
        raise MalformedRequest(
            f"An OBJECT IDENTIFIER in the request has {len(content)} octets: send at most {MAX_OID_OCTETS}."
        )
    arcs, value, start = [], 0, True
    for octet in content:
        if start and octet == 0x80:
            raise MalformedRequest("An OBJECT IDENTIFIER in the request has a padded arc: encode it in DER.")
        value = value << 7 | octet & 0x7F
        start = octet < 0x80
        if start:
            arcs.append(value)
            value = 0
    if not arcs or not start:
        raise MalformedRequest("An OBJECT IDENTIFIER in the request is empty or cut short: encode it in DER.")
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def read(data: bytes, at: int, end: int, tag: int, what: str) -> tuple[int, int]:
    """Where the content of the element at `at` starts and ends; it must have `tag` and lie within `end`.

    Raises MalformedRequest, naming `what` was expected, on another tag, on an indefinite or non-minimal length
    (X.690 10.1), and on a length that reaches past `end`.
    """
    if at + 2 > end:
        raise MalformedRequest(f"The request ends where {what} should stand: send a complete TimeStampReq in DER.")
    if data[at] != tag:
        raise MalformedRequest(f"Found tag 0x{data[at]:02x} where {what} (0x{tag:02x}) should stand, octet {at}.")
    size = data[at + 1]
    start = at + 2
    if size >= 0x80:
        start += size & 0x7F
        octets = data[at + 2 : start]
        size = int.from_bytes(octets, "big")
        if not octets or start > end or length(size)[1:] != octets:
            raise MalformedRequest(f"The length of {what} is not definite and minimal as DER asks, octet {at + 1}.")
    if start + size > end:
        raise MalformedRequest(f"The length of {what} reaches past its end, octet {at + 1}: is the request truncated?")
    return start, start + size


def content(element: bytes) -> bytes:
    """The content octets of one whole element, such as read() has passed or these functions have made."""
    size = element[1]
    return element[2 if size < 0x80 else 2 + (size & 0x7F) :]


def _base128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(0x80 | arc & 0x7F)
    return bytes(reversed(octets))
