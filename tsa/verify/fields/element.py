"""ASN.1 octets taken apart as far as possible: for showing them, never for a verdict on them.

BER's indefinite lengths are read too; parts without a name in a structure, and unreadable parts, come out as octets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from certs.der import Malformed

Fields = dict[str, Any]

MAX_DEPTH = 32
MAX_ELEMENTS = 2000

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTF8_STRING, UTC_TIME, GENERALIZED_TIME, SEQUENCE, SET = 0x0C, 0x17, 0x18, 0x30, 0x31
CONSTRUCTED = 0x20


class Element(NamedTuple):
    """One element: its identifier octet, its contents octets, and the whole of it."""

    tag: int
    content: bytes
    raw: bytes

    def children(self) -> list[Element]:
        """The elements in it, at most 2000. Raises Malformed."""
        found: list[Element] = []
        for element, _ in _elements(self.content, 0, 0):
            if len(found) == MAX_ELEMENTS:
                raise Malformed(f"at most {MAX_ELEMENTS} elements", "more")
            found.append(element)
        return found

    def octets(self) -> bytes:
        """The contents of an OCTET STRING, joined where BER has cut it into pieces."""
        return b"".join(piece.content for piece in self.children()) if self.tag & CONSTRUCTED else self.content


class Field(NamedTuple):
    """A field of a structure: the standard's name, its identifier octets, and the function that shows it."""

    name: str
    tags: Sequence[int]
    show: Callable[[Element], Any]


class Several(dict[str, Any]):
    """An element that is shown as several fields of the structure around it."""


def read(octets: bytes) -> Element:
    """The only element in `octets`. Raises Malformed."""
    element, after = _element(octets, 0, 0)
    if after != len(octets):
        raise Malformed("one element", f"{len(octets) - after} octets behind it")
    return element


def group(element: Element, *fields: Field) -> Fields:
    """The elements in `element` by the names of `fields`, which are in order and all may be absent.

    Other elements are "unexpected", in hexadecimal. Raises Malformed.
    """
    found: Fields = {}
    unexpected: list[str] = []
    at = 0
    for child in element.children():
        place = next((number for number in range(at, len(fields)) if child.tag in fields[number].tags), None)
        if place is None:
            unexpected.append(child.raw.hex())
            continue
        at = place + 1
        value = tried(fields[place].show, child)
        found.update(value if isinstance(value, Several) else {fields[place].name: value})
    return {**found, "unexpected": unexpected} if unexpected else found


def tried(show: Callable[[Element], Any], element: Element) -> Any:
    """The element as `show` returns it, or its octets where `show` fails."""
    try:
        return show(element)
    except Exception:  # a broken element is shown too, and asn1crypto raises all kinds of exceptions
        return {"unreadable": element.raw.hex()}


def list_of(show: Callable[[Element], Any], element: Element) -> list[Any]:
    """The elements in this one, as `show` returns them. Raises Malformed."""
    return [tried(show, child) for child in element.children()]


def facts(readers: Mapping[str, Callable[[], Any]]) -> Fields:
    """The values that the readers return, without absent values: None, and empty lists and fields."""
    found = {name: _fact(reader) for name, reader in readers.items()}
    return {name: value for name, value in found.items() if value not in (None, [], {})}


def _fact(reader: Callable[[], Any]) -> Any:
    try:
        return reader()
    except Exception:  # as in tried()
        return "unreadable"


def _elements(data: bytes, at: int, depth: int) -> Iterator[tuple[Element, int]]:
    while at < len(data):
        element, at = _element(data, at, depth)
        yield element, at


def _element(data: bytes, at: int, depth: int) -> tuple[Element, int]:
    """The element at `at`, and its end."""
    if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
        raise Malformed("an element", data[at : at + 2].hex())
    size, start = data[at + 1], at + 2
    if size == 0x80:
        end = _end_of_contents(data, start, depth + 1)
        return Element(data[at], data[start:end], data[at : end + 2]), end + 2
    if size > 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[at + 2 : start], "big")
    if start + size > len(data):
        raise Malformed("a whole element", "one that is cut short")
    return Element(data[at], data[start : start + size], data[at : start + size]), start + size


def _end_of_contents(data: bytes, at: int, depth: int) -> int:
    """The place of the two zero octets that end an indefinite length (X.690 8.1.5)."""
    if depth > MAX_DEPTH:
        raise Malformed(f"at most {MAX_DEPTH} indefinite lengths in each other", "more")
    for element, after in _elements(data, at, depth):
        if element.raw == b"\0\0":
            return after - 2
    raise Malformed("a whole element", "one that is cut short")
