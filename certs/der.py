"""A strict reader of DER for octets of strangers: by slices, without an object per element and without recursion."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator
from functools import lru_cache

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OBJECT_IDENTIFIER = range(1, 7)
ENUMERATED, GENERALIZED_TIME, SEQUENCE, SET = 0x0A, 0x18, 0x30, 0x31

MAX_ELEMENTS = 64
MAX_DEPTH = 16
MAX_PIECES = 1024
MAX_INTEGER_OCTETS = 128
MAX_OID_OCTETS = 64

_NOTHING = -1  # the tag at the end
_CONSTRUCTED = 0x20
_CONSTRUCTED_OCTETS = _CONSTRUCTED | OCTET_STRING
_INDEFINITE = 0x80
_ARCS = re.compile(rb"[\x80-\xff]*[\x00-\x7f]")
_ARMOUR = re.compile(rb"-----BEGIN ([^-]+)-----([^-]*)-----END \1-----")


class Malformed(Exception):
    """The octets break the standard; `expected` and `found` are short phrases."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"Expected {expected}, found {found}.")
        self.expected = expected
        self.found = found


class Reader:
    """Reads the elements of `data` from `at` to `end` in their order; every method raises Malformed.

    All is DER: a tag of one octet, and a definite length of the fewest octets (X.690 10.1). `name` is that of the
    element in errors.
    """

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self._data, self._at, self._end = data, at, len(data) if end is None else end

    @property
    def tag(self) -> int:
        """The tag of the next element; -1 at the end."""
        return self._data[self._at] if self._at < self._end else _NOTHING

    def _take(self, tag: int, name: str) -> tuple[int, int, int]:
        """The start of the next element, of its contents, and of the octets after it."""
        at, end = self._at, self._end
        if at >= end or self._data[at] != tag:
            raise Malformed(f"{name} (tag {tag:02x})", _shown(self.tag))
        start, size = _length(self._data, at, end, name)
        if start + size > end:
            raise Malformed(f"the {size} octets of {name}", f"{end - start}: it is cut short")
        self._at = start + size
        return at, start, start + size

    def into(self, tag: int, name: str) -> Reader:
        """A reader of the next element's contents."""
        _, start, end = self._take(tag, name)
        return Reader(self._data, start, end)

    def content(self, tag: int, name: str) -> bytes:
        """The contents of the next element."""
        _, start, end = self._take(tag, name)
        return self._data[start:end]

    def element(self, tag: int, name: str) -> bytes:
        """The whole of the next element."""
        at, _, end = self._take(tag, name)
        return self._data[at:end]

    def rest(self) -> bytes:
        """All that is left."""
        at, self._at = self._at, self._end
        return self._data[at : self._end]

    def elements(self, name: str) -> list[bytes]:
        """All elements that are left, at most 64 (our limit), so that a token cannot take long to verify."""
        found = []
        while self.tag != _NOTHING:
            found.append(self.element(self.tag, name))
            if len(found) > MAX_ELEMENTS:
                raise Malformed(f"at most {MAX_ELEMENTS} of {name} (our limit)", "more")
        return found

    def ends(self, name: str) -> None:
        """Raise Malformed where more octets follow in `name`."""
        if self._at != self._end:
            raise Malformed(f"the end of {name}", f"{self._end - self._at} more octets")

    def integer(self, name: str, tag: int = INTEGER) -> int:
        """An INTEGER of the fewest octets (X.690 8.3.2), at most 128 (our limit)."""
        content = self.content(tag, name)
        if not 1 <= len(content) <= MAX_INTEGER_OCTETS:
            raise Malformed(f"{name} of 1 to {MAX_INTEGER_OCTETS} octets", f"{len(content)}")
        value = int.from_bytes(content, "big", signed=True)
        if len(content) > 1 and -(1 << 8 * len(content) - 9) <= value < 1 << 8 * len(content) - 9:
            raise Malformed(f"{name} as an INTEGER of the fewest octets", content.hex())
        return value

    def boolean(self, name: str) -> bool:
        """A BOOLEAN of 00 or FF (X.690 11.1)."""
        content = self.content(BOOLEAN, name)
        if content not in (b"\x00", b"\xff"):
            raise Malformed(f"{name} as 00 or ff", content[:8].hex() or "nothing")
        return content == b"\xff"

    def oid(self, name: str) -> str:
        """An OBJECT IDENTIFIER in its dotted form."""
        return dotted(self.content(OBJECT_IDENTIFIER, name))


def _shown(tag: int) -> str:
    return "nothing" if tag == _NOTHING else f"tag {tag:02x}"


def _length(data: bytes, at: int, end: int, name: str) -> tuple[int, int]:
    """The start of the contents of the element at `at`, and their length in octets as it is stated."""
    start = at + 2
    if start > end:
        raise Malformed(f"the length of {name}", "nothing")
    size = data[at + 1]
    if size < 0x80:
        return start, size
    start += size & 0x7F
    octets = data[at + 2 : min(start, end)]
    size = int.from_bytes(octets[:8], "big")
    if not octets or octets[0] == 0 or size < 0x80 or start > end or len(octets) > 8:
        raise Malformed(f"the length of {name} definite and in the fewest octets", data[at + 1 : at + 10].hex())
    return start, size


@lru_cache(maxsize=1024)
def dotted(content: bytes) -> str:
    """The dotted form of an OBJECT IDENTIFIER's content octets (X.690 8.19). Raises Malformed."""
    arcs = _ARCS.findall(content) if len(content) <= MAX_OID_OCTETS else []
    if not arcs or b"".join(arcs) != content or any(arc[0] == 0x80 for arc in arcs):
        raise Malformed("an OBJECT IDENTIFIER", content[: MAX_OID_OCTETS + 1].hex() or "nothing")
    values = [sum((octet & 0x7F) << 7 * place for place, octet in enumerate(reversed(arc))) for arc in arcs]
    first = min(values[0] // 40, 2)
    return ".".join(map(str, (first, values[0] - 40 * first, *values[1:])))


def unarmoured(octets: bytes) -> bytes:
    """The DER in octets that are DER, PEM with any label, or bare base64. Raises Malformed."""
    if octets[:1] == b"0":  # the tag of a SEQUENCE; its base64 begins with M
        return octets
    try:
        return next((content for _, content in armoured(octets)), None) or _base64(octets)
    except binascii.Error:
        raise Malformed("DER, PEM or base64", f"octets that begin with {octets[:8].hex() or 'nothing'}") from None


def armoured(octets: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The label and the contents of every PEM block (RFC 7468). Raises binascii.Error."""
    return ((found[1], _base64(found[2])) for found in _ARMOUR.finditer(octets))


def _base64(text: bytes) -> bytes:
    return b64decode(b"".join(text.split()), validate=True)


def printable(text: str) -> str:
    """A stranger's text, fit for a sentence and a terminal: unprintable characters are escaped (RFC 4514 2.4)."""
    return "".join(c if c.isprintable() else "".join(f"\\{octet:02x}" for octet in c.encode()) for c in text)


def definite(data: bytes) -> bytes:
    """The data with definite lengths in place of the indefinite (X.690 8.1.3.6), from the outermost element inwards.

    RFC 5652 allows SignedData in BER, and some TSAs write BER. The contents of an element of definite length stay as
    they are: certificates, and the OCTET STRING pieces of a TSTInfo. Raises Malformed.
    """
    if data[1:2] != bytes([_INDEFINITE]):
        return data
    element, end = _definite(data, 0, 0)
    return element + data[end:]


def unpadded(data: bytes) -> bytes:
    """The element in `data` without the 00 octets behind it, where nothing else is behind it; else `data` as it is.

    A signature dictionary of a PDF has room for more than its token, and fills the room with 00 (ISO 32000-2 12.8.1).
    """
    if not data.endswith(b"\0"):
        return data
    try:
        _, end = _definite(data, 0, 0)
    except Malformed:
        return data
    return data if data[end:].strip(b"\0") else data[:end]


def _definite(data: bytes, at: int, depth: int) -> tuple[bytes, int]:
    """The element at `at` with a definite length, and the start of the next element."""
    if depth > MAX_DEPTH:
        raise Malformed(f"at most {MAX_DEPTH} elements of indefinite length in each other (our limit)", "more")
    tag, size = data[at : at + 1], data[at + 1 : at + 2]
    if size != bytes([_INDEFINITE]):
        start, length = _length(data, at, len(data), "an element")
        end = start + length
        return data[at:end], end
    if not tag[0] & _CONSTRUCTED:
        raise Malformed("a primitive element of definite length (X.690 8.1.3.2)", f"tag {tag.hex()} of indefinite")
    parts, at = [], at + 2
    while data[at : at + 2] != b"\x00\x00":
        part, at = _definite(data, at, depth + 1)
        parts.append(part)
        if len(parts) > MAX_PIECES:
            raise Malformed(f"at most {MAX_PIECES} elements in one of indefinite length (our limit)", "more")
    if tag[0] == _CONSTRUCTED_OCTETS:
        parts = [Reader(part).content(OCTET_STRING, "a piece of an OCTET STRING") for part in parts]
        tag = bytes([OCTET_STRING])
    return _element(tag, b"".join(parts)), at + 2


def set_of(content: bytes) -> bytes:
    """A SET OF with these contents: signed attributes stand as [0], but are signed as a SET OF (RFC 5652 5.4)."""
    return _element(bytes([SET]), content)


def _element(tag: bytes, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return tag + bytes([size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return tag + bytes([0x80 | len(octets)]) + octets + content
