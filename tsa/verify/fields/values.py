"""The leaves of a message: numbers, octets, times, names, algorithms."""

from __future__ import annotations

from typing import Any

from asn1crypto import algos, core, x509

from tsa.protocol import der
from tsa.verify.fields.element import NULL, UTC_TIME, Element, Several

MAX_NUMBER_OCTETS = 32


def number(element: Element) -> int | str:
    """An INTEGER; in hexadecimal where it has more than 32 octets, or none."""
    if not 0 < len(element.content) <= MAX_NUMBER_OCTETS:
        return element.content.hex()
    return int.from_bytes(element.content, "big", signed=True)


def octets(element: Element) -> str:
    """The contents, in hexadecimal."""
    return element.content.hex()


def whole(element: Element) -> str:
    """The element with tag and length, in hexadecimal."""
    return element.raw.hex()


def text(element: Element) -> str:
    """A UTF8String; octets that are not UTF-8 are escaped."""
    return element.content.decode(errors="backslashreplace")


def boolean(element: Element) -> bool:
    """A BOOLEAN, TRUE by any octet but zero."""
    return element.content != b"\0"


def oid(element: Element) -> str:
    """An OBJECT IDENTIFIER, dotted."""
    return der.dotted(element.content)


def time(element: Element) -> str:
    """A GeneralizedTime or UTCTime in ISO 8601."""
    kind = core.UTCTime if element.tag == UTC_TIME else core.GeneralizedTime
    return str(kind.load(element.raw).native.isoformat().replace("+00:00", "Z"))


def name(element: Element) -> str:
    """A Name."""
    return str(x509.Name.load(element.raw).human_friendly)


def general_name(element: Element) -> str:
    """A GeneralName."""
    return shown_general_name(x509.GeneralName.load(element.raw, strict=True))


def shown_general_name(parsed: Any) -> str:
    """A GeneralName that asn1crypto has parsed."""
    return str(parsed.chosen.human_friendly if parsed.name == "directory_name" else parsed.native)


def algorithm(prefix: str, element: Element, names: Any = algos.DigestAlgorithmId) -> Several:
    """An AlgorithmIdentifier: its name in asn1crypto's table or its OID, and its parameters if there are any."""
    kind, *parameters = element.children()
    fields = Several({f"{prefix}Algorithm": names.map(oid(kind))})
    if parameters:
        fields[f"{prefix}Parameters"] = "NULL" if parameters[0].tag == NULL else parameters[0].raw.hex()
    return fields


def digest_name(element: Element) -> str:
    """The name of a digest algorithm, without parameters."""
    return str(algorithm("digest", element)["digestAlgorithm"])


def camel(name: str) -> str:
    """The standard's spelling of a name of asn1crypto."""
    first, *rest = name.split("_")
    spelt = first + "".join(word.capitalize() for word in rest)
    return "unacceptedExtension" if spelt == "unacceptedExtensions" else spelt
