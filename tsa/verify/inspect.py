"""Every field of a TimeStampReq, a TimeStampResp or a bare token, under the standard's names, and without a verdict.

Unusual parts are shown as far as possible: two SignerInfos, an unknown attribute, a field that cannot be read, which
is {"unreadable": its octets}. Octets are in hexadecimal.
"""

from __future__ import annotations

from collections.abc import Callable

from asn1crypto import tsp

from certs.der import Malformed, unarmoured, unpadded
from tsa.verify.fields import credentials, values
from tsa.verify.fields.element import (
    BIT_STRING,
    BOOLEAN,
    GENERALIZED_TIME,
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    SET,
    Element,
    Field,
    Fields,
    Several,
    group,
    list_of,
    read,
    tried,
)
from tsa.verify.fields.signer import signer_infos

_ID_SIGNED_DATA = "1.2.840.113549.1.7.2"


class Unreadable(Exception):
    """The octets are none of the messages of RFC 3161."""


def describe(octets: bytes) -> tuple[str, Fields]:
    """The type of the message (DER, PEM or base64), and its fields: text, numbers, lists or further fields.

    Raises Unreadable.
    """
    try:
        element = read(unpadded(unarmoured(octets)))
        kind, show = _kind(element)
        return kind, show(element)
    except Malformed:
        raise Unreadable("neither a TimeStampReq, a TimeStampResp nor a TimeStampToken in DER, PEM or base64") from None


def _kind(element: Element) -> tuple[str, Callable[[Element], Fields]]:
    """The type of a message, by its first elements alone. Raises Malformed where it is no message."""
    first, *rest = (element.tag == SEQUENCE and element.children()) or [element]
    if first.tag == INTEGER and rest and _begins(rest[0], SEQUENCE):
        return "TimeStampReq", _request
    if _begins(first, INTEGER) and (not rest or _is_signed_data(rest[0])):
        return "TimeStampResp", _response
    if _is_signed_data(element):
        return "TimeStampToken", _token
    raise Malformed("a message of RFC 3161", "another")


def _begins(element: Element, tag: int) -> bool:
    """Whether it is a SEQUENCE whose first element has this tag."""
    return element.tag == SEQUENCE and element.content[:1] == bytes([tag])


def _is_signed_data(element: Element) -> bool:
    """Whether it is a ContentInfo that claims to have SignedData (RFC 5652 3)."""
    return _begins(element, OID) and tried(values.oid, element.children()[0]) == _ID_SIGNED_DATA


def _request(element: Element) -> Fields:
    """TimeStampReq, RFC 3161 2.4.1; certReq is FALSE where it is absent."""
    fields = group(
        element,
        Field("version", (INTEGER,), values.number),
        Field("messageImprint", (SEQUENCE,), _imprint),
        Field("reqPolicy", (OID,), values.oid),
        Field("nonce", (INTEGER,), values.octets),
        Field("certReq", (BOOLEAN,), values.boolean),
        Field("extensions", (0xA0,), _extensions),
    )
    fields.setdefault("certReq", False)
    return fields


def _response(element: Element) -> Fields:
    """TimeStampResp, RFC 3161 2.4.2."""
    return group(element, Field("status", (SEQUENCE,), _status_info), Field("timeStampToken", (SEQUENCE,), _token))


def _status_info(element: Element) -> Several:
    fields = group(
        element,
        Field("status", (INTEGER,), lambda found: values.camel(str(tsp.PKIStatus.load(found.raw).native))),
        Field("statusString", (SEQUENCE,), lambda found: list_of(values.text, found)),
        Field("failInfo", (BIT_STRING,), _fail_info),
    )
    return Several(fields)


def _fail_info(element: Element) -> list[str]:
    return sorted(values.camel(str(name)) for name in tsp.PKIFailureInfo.load(element.raw).native)


def _token(element: Element) -> Fields:
    """ContentInfo (RFC 5652 3) with all its contents; the layers between are not shown as such."""
    return group(element, Field("contentType", (OID,), values.oid), Field("content", (0xA0,), _signed_data))


def _signed_data(element: Element) -> Several:
    """SignedData, RFC 5652 5.1."""
    [signed_data] = element.children()
    fields = group(
        signed_data,
        Field("version", (INTEGER,), values.number),
        Field("digestAlgorithms", (SET,), lambda found: list_of(values.digest_name, found)),
        Field("encapContentInfo", (SEQUENCE,), _content),
        Field("certificates", (0xA0,), credentials.certificates),
        Field("crls", (0xA1,), lambda found: list_of(credentials.revocation, found)),
        Field("SignerInfos", (SET,), signer_infos),
    )
    return Several(fields)


def _content(element: Element) -> Several:
    return Several(group(element, Field("eContentType", (OID,), values.oid), Field("TSTInfo", (0xA0,), _e_content)))


def _e_content(element: Element) -> Fields:
    [octet_string] = element.children()
    return _tst_info(read(octet_string.octets()))


def _tst_info(element: Element) -> Fields:
    """TSTInfo, RFC 3161 2.4.2; ordering is FALSE where it is absent."""
    fields = group(
        element,
        Field("version", (INTEGER,), values.number),
        Field("policy", (OID,), values.oid),
        Field("messageImprint", (SEQUENCE,), _imprint),
        Field("serialNumber", (INTEGER,), values.octets),
        Field("genTime", (GENERALIZED_TIME,), values.time),
        Field("accuracy", (SEQUENCE,), _accuracy),
        Field("ordering", (BOOLEAN,), values.boolean),
        Field("nonce", (INTEGER,), values.octets),
        Field("tsa", (0xA0,), lambda found: values.general_name(found.children()[0])),
        Field("extensions", (0xA1,), _extensions),
    )
    fields.setdefault("ordering", False)
    return fields


def _accuracy(element: Element) -> Fields:
    return group(
        element,
        Field("seconds", (INTEGER,), values.number),
        Field("millis", (0x80,), values.number),
        Field("micros", (0x81,), values.number),
    )


def _imprint(element: Element) -> Fields:
    return group(
        element,
        Field("hashAlgorithm", (SEQUENCE,), lambda found: values.algorithm("hash", found)),
        Field("hashedMessage", (OCTET_STRING,), values.octets),
    )


def _extensions(element: Element) -> Several:
    found = list_of(_extension, element)
    return Several(extensions=[fields.get("extnID", "unreadable") for fields in found], extensionValues=found)


def _extension(element: Element) -> Fields:
    fields = group(
        element,
        Field("extnID", (OID,), values.oid),
        Field("critical", (BOOLEAN,), values.boolean),
        Field("extnValue", (OCTET_STRING,), values.octets),
    )
    fields.setdefault("critical", False)
    return fields
