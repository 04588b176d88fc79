"""A certificate as a verification needs it: read once, with its names, validity, key and extensions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from certs.der import BIT_STRING, INTEGER, SEQUENCE, Malformed, Reader, printable
from certs.extensions import find_extension

MAX_OCTETS = 1 << 16  # of a certificate or an attribute that is kept from token to token

_T = TypeVar("_T")
_E = TypeVar("_E", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A certificate that may be the signer's or a CA's above it: its DER (`octets`), and the fields of every check.

    `name` is the subject for people (RFC 4514); `start` and `end` are the validity (UTC); `issuer` and `subject` are
    Names in DER; `serial_number` is a whole INTEGER in DER; `key_octets` are the contents of subjectPublicKey. `key` is
    None where its kind is not known, `extensions` is None where they cannot be read.
    """

    octets: bytes
    certificate: x509.Certificate
    name: str
    start: datetime
    end: datetime
    serial_number: bytes
    issuer: bytes
    subject: bytes
    key_octets: bytes
    key: PublicKeyTypes | None
    extensions: x509.Extensions | None


def candidate(octets: bytes) -> Candidate | None:
    """The certificate in these octets, at most 64 KiB (our limit); None where it cannot be read."""
    return _kept_candidate(octets) if len(octets) <= MAX_OCTETS else None


def readable(certificates: Iterable[bytes]) -> list[Candidate]:
    """The certificates in DER that can be read; the others are passed over."""
    return [found for found in map(candidate, certificates) if found is not None]


@lru_cache(maxsize=256)
def _kept_candidate(octets: bytes) -> Candidate | None:
    return _tried(lambda: _candidate(octets))


def _candidate(octets: bytes) -> Candidate:
    certificate = x509.load_der_x509_certificate(octets)
    outer = Reader(octets).into(SEQUENCE, "Certificate")
    fields = outer.into(SEQUENCE, "TBSCertificate")
    if fields.tag == 0xA0:
        fields.element(0xA0, "version")
    serial_number = fields.element(INTEGER, "serialNumber")
    algorithm, issuer, _, subject = (fields.element(SEQUENCE, "a field") for _ in range(4))
    key_info = fields.into(SEQUENCE, "subjectPublicKeyInfo")
    key_info.element(SEQUENCE, "algorithm")
    # No signature covers these two, and libraries that follow paths are not strict (RFC 5280 4.1.1.2, 4.1.1.3).
    if (
        outer.element(SEQUENCE, "signatureAlgorithm") != algorithm
        or outer.content(BIT_STRING, "signature")[:1] != b"\0"
    ):
        raise Malformed("signatureAlgorithm as in the TBSCertificate, and a signature of whole octets", "others")
    key, extensions = _tried(certificate.public_key), _tried(lambda: certificate.extensions)
    certificate.issuer.rfc4514_string()  # later checks rely on a name that can be read
    return Candidate(
        octets=octets,
        certificate=certificate,
        name=printable(certificate.subject.rfc4514_string()),
        start=certificate.not_valid_before_utc,
        end=certificate.not_valid_after_utc,
        serial_number=serial_number,
        issuer=issuer,
        subject=subject,
        key_octets=key_info.content(BIT_STRING, "subjectPublicKey")[1:],
        key=key,
        extensions=extensions,
    )


def _tried(read: Callable[[], _T]) -> _T | None:
    try:
        return read()
    except Exception:  # cryptography raises all kinds of exceptions on octets that it cannot read
        return None


def extension(certificate: Candidate, kind: type[_E]) -> _E | None:
    """The value of an extension; None without it, or where the extensions cannot be read."""
    found = None if certificate.extensions is None else find_extension(certificate.extensions, kind)
    return None if found is None else found.value


def _same(name: bytes, other: bytes) -> bool:
    """Whether two Names match: octet for octet, or by RFC 5280 7.1, which ignores the types of their strings."""
    if name == other:
        return True
    try:
        return bool(asn1_x509.Name.load(name, strict=True) == asn1_x509.Name.load(other))
    except Exception:  # asn1crypto raises all kinds of exceptions on octets that it cannot read
        return False


def is_name_of(general_name: bytes, certificate: Candidate) -> bool:
    """Whether a GeneralName in DER is the subject of the certificate, or an alternative name (RFC 3161 2.4.2).

    Raises Malformed where a directoryName is not in DER.
    """
    reader = Reader(general_name)
    if reader.tag == 0xA4 and _same(reader.into(0xA4, "directoryName").rest(), certificate.subject):
        return True
    names = extension(certificate, x509.SubjectAlternativeName)
    encoded = None if names is None else _tried(names.public_bytes)
    return encoded is not None and general_name in Reader(encoded).into(SEQUENCE, "subjectAltName").elements("names")
