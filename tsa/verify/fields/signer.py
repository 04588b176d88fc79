"""SignerInfo (RFC 5652 5.3) with all its attributes, also the unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asn1crypto import algos, cms
from asn1crypto import tsp as _tsp  # noqa: F401 - it gives the attributes of RFC 5035 their names

from tsa.verify.fields import values
from tsa.verify.fields.element import (
    INTEGER,
    OCTET_STRING,
    SEQUENCE,
    Element,
    Field,
    Fields,
    Several,
    group,
    list_of,
)

_SUBJECT_KEY_IDENTIFIER = 0x80


def signer_infos(element: Element) -> Several:
    """A single SignerInfo, as RFC 3161 asks, is SignerInfo; none or several are a list."""
    signers = list_of(_signer_info, element)
    return Several(SignerInfo=signers[0]) if len(signers) == 1 else Several(SignerInfos=signers)


def _signer_info(element: Element) -> Fields:
    return group(
        element,
        Field("version", (INTEGER,), values.number),
        Field("sid", (SEQUENCE, _SUBJECT_KEY_IDENTIFIER), _sid),
        Field("digestAlgorithm", (SEQUENCE,), lambda found: values.algorithm("digest", found)),
        Field("signedAttrs", (0xA0,), lambda found: _attributes("signedAttr", found)),
        Field("signatureAlgorithm", (SEQUENCE,), _signature_algorithm),
        Field("signature", (OCTET_STRING,), values.octets),
        Field("unsignedAttrs", (0xA1,), lambda found: _attributes("unsignedAttr", found)),
    )


def _signature_algorithm(element: Element) -> Several:
    return values.algorithm("signature", element, algos.SignedDigestAlgorithmId)


def _sid(element: Element) -> Fields:
    if element.tag == _SUBJECT_KEY_IDENTIFIER:
        return {"subjectKeyIdentifier": element.content.hex()}
    return group(element, Field("issuer", (SEQUENCE,), values.name), Field("serialNumber", (INTEGER,), values.octets))


def _attributes(prefix: str, element: Element) -> Several:
    """The names of all attributes, and then the attributes with their values."""
    found = list_of(_attribute, element)
    names = [str(fields.get("name") or fields.get("type") or "unreadable") for fields in found]
    return Several({f"{prefix}s": names, f"{prefix}Values": found})


def _attribute(element: Element) -> Fields:
    kind, contents, *rest = element.children()
    dotted = values.oid(kind)
    name = values.camel(cms.CMSAttributeType.map(dotted))
    fields: Fields = {"type": dotted, "name": name, "values": list_of(_SHOWN.get(name, values.whole), contents)}
    if name == dotted:
        del fields["name"]
    return fields | ({"unexpected": [other.raw.hex() for other in rest]} if rest else {})


def _signing_certificate(element: Element) -> Fields:
    """SigningCertificate or SigningCertificateV2 (RFC 5035 3, 4)."""
    return group(
        element,
        Field("certs", (SEQUENCE,), lambda certs: list_of(_ess_cert_id, certs)),
        Field("policies", (SEQUENCE,), values.whole),
    )


def _ess_cert_id(element: Element) -> Fields:
    """ESSCertID or ESSCertIDv2; SHA-256 is the DEFAULT of the latter, which is not written."""
    return group(
        element,
        Field("hashAlgorithm", (SEQUENCE,), lambda found: values.algorithm("hash", found)),
        Field("certHash", (OCTET_STRING,), values.octets),
        Field("issuerSerial", (SEQUENCE,), _issuer_serial),
    )


def _issuer_serial(element: Element) -> Fields:
    return group(
        element,
        Field("issuer", (SEQUENCE,), lambda names: list_of(values.general_name, names)),
        Field("serialNumber", (INTEGER,), values.octets),
    )


_SHOWN: dict[str, Callable[[Element], Any]] = {
    "contentType": values.oid,
    "messageDigest": values.octets,
    "signingTime": values.time,
    "signingCertificate": _signing_certificate,
    "signingCertificateV2": _signing_certificate,
    "counterSignature": _signer_info,
}
