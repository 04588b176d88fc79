"""The certificates (RFC 5280), CRLs and OCSP responses in a token."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from asn1crypto import crl, x509

from tsa.verify.fields import values
from tsa.verify.fields.element import OID, SEQUENCE, Element, Field, Fields, Several, facts, group, list_of

MAX_REVOKED = 20
_SPELT = {"keyIdentifier": "subjectKeyIdentifier", "authorityInformationAccess": "authorityInfoAccess"}
_OTHER_REVOCATION = 0xA1


def certificates(element: Element) -> Several:
    """CertificateSet (RFC 5652 10.2.3); other certificates than those of X.509 stand apart."""
    chosen = element.children()
    others = [found.raw.hex() for found in chosen if found.tag != SEQUENCE]
    known = Element(element.tag, b"".join(found.raw for found in chosen if found.tag == SEQUENCE), b"")
    return Several({"certificates": list_of(_certificate, known)} | ({"otherCertificates": others} if others else {}))


def _certificate(element: Element) -> Fields:
    certificate = x509.Certificate.load(element.raw, strict=True)
    body, extensions = certificate["tbs_certificate"], list(certificate["tbs_certificate"]["extensions"])
    validity = body["validity"]
    named = {_extension_name(found): found for found in extensions}
    readers: dict[str, Callable[[], Any]] = {
        "version": lambda: body["version"].native,
        "subject": lambda: certificate.subject.human_friendly,
        "issuer": lambda: certificate.issuer.human_friendly,
        "serialNumber": lambda: f"{certificate.serial_number:x}",
        "notBefore": lambda: validity["not_before"].native.isoformat(),
        "notAfter": lambda: validity["not_after"].native.isoformat(),
        "publicKey": lambda: _public_key(body["subject_public_key_info"]),
        "signatureAlgorithm": lambda: certificate["signature_algorithm"]["algorithm"].native,
        **{name: _reader(show, named[name]) for name, show in _EXTENSIONS.items() if name in named},
        "criticalExtensions": lambda: [name for name, found in named.items() if found["critical"].native],
        "otherExtensions": lambda: [name for name in named if name not in _EXTENSIONS],
        "sha256Fingerprint": lambda: certificate.sha256.hex(),
    }
    return facts(readers)


def _reader(show: Callable[[Any], Any], extension: Any) -> Callable[[], Any]:
    return lambda: show(extension["extn_value"].parsed)


def _extension_name(extension: Any) -> str:
    name = values.camel(extension["extn_id"].native)
    return _SPELT.get(name, name)


def _public_key(info: Any) -> str:
    """The algorithm, and its curve or the bits of its modulus."""
    kind = info.algorithm
    if kind == "ec":
        return f"ec {info.curve[1]}"
    return f"{kind} {info.bit_size} bits" if kind == "rsa" else str(kind)


def _names(found: Any) -> list[str]:
    return [values.shown_general_name(name) for name in found]


def _uses(found: Any) -> list[str]:
    return sorted(values.camel(use) for use in found.native)


def _points(found: Any) -> list[str]:
    return [name for point in found for name in _names(point["distribution_point"].chosen)]


def _access(found: Any) -> list[str]:
    return [
        f"{access['access_method'].native}: {values.shown_general_name(access['access_location'])}" for access in found
    ]


_EXTENSIONS: dict[str, Callable[[Any], Any]] = {
    "keyUsage": _uses,
    "extendedKeyUsage": lambda found: [values.camel(use) for use in found.native],
    "basicConstraints": lambda found: (
        {"cA": found["ca"].native}
        | ({"pathLenConstraint": length} if (length := found["path_len_constraint"].native) is not None else {})
    ),
    "subjectAltName": _names,
    "certificatePolicies": lambda found: [policy["policy_identifier"].dotted for policy in found],
    "crlDistributionPoints": _points,
    "authorityInfoAccess": _access,
    "privateKeyUsagePeriod": lambda found: {
        values.camel(name): str(moment) for name, moment in found.native.items() if moment is not None
    },
    "subjectKeyIdentifier": lambda found: found.native.hex(),
    "authorityKeyIdentifier": lambda found: found["key_identifier"].native.hex(),
}


def revocation(element: Element) -> Fields:
    """A CRL, or another choice in its place, such as an OCSP response (RFC 5652 10.2.1, RFC 5940 2.1)."""
    if element.tag == _OTHER_REVOCATION:
        return group(
            element, Field("otherRevInfoFormat", (OID,), values.oid), Field("otherRevInfo", range(256), values.whole)
        )
    loaded = crl.CertificateList.load(element.raw, strict=True)
    body = loaded["tbs_cert_list"]
    return facts(
        {
            "issuer": lambda: loaded.issuer.human_friendly,
            "thisUpdate": lambda: body["this_update"].native.isoformat(),
            "nextUpdate": lambda: body["next_update"].native.isoformat(),
            "signatureAlgorithm": lambda: loaded["signature_algorithm"]["algorithm"].native,
            "revoked": lambda: len(body["revoked_certificates"]),
            "revokedCertificates": lambda: [
                _revoked(entry) for entry in islice(body["revoked_certificates"], MAX_REVOKED)
            ],
        }
    )


def _revoked(entry: Any) -> Fields:
    reason = entry.crl_reason_value
    return {
        "serialNumber": f"{entry['user_certificate'].native:x}",
        "revocationDate": entry["revocation_date"].native.isoformat(),
    } | ({} if reason is None else {"reasonCode": values.camel(reason.native)})
