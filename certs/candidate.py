"""A certificate as those who verify ask of it: read once, with its names, its validity, its key and its extensions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from certs.der import BIT_STRING, INTEGER, SEQUENCE, Malformed, Reader, printable
from certs.extensions import find_extension

MAX_OCTETS = 1 << 16  # of what is kept from token to token

_T = TypeVar("_T")
_E = TypeVar("_E", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A certificate that may be the signer's or one above it: its DER, and what is asked of it for every token.

    `name` is the subject for people (RFC 4514), `start` and `end` are its validity (UTC), `issuer` and `subject` Names
    in DER, `serial_number` a whole INTEGER, `key_octets` the contents of subjectPublicKey; `key` is None where it is of
    no kind that is known, `extensions` where they cannot be read.
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
    # No signature covers these two, and those who follow paths are not strict with them (RFC 5280 4.1.1.2, 4.1.1.3).
    if (
        outer.element(SEQUENCE, "signatureAlgorithm") != algorithm
        or outer.content(BIT_STRING, "signature")[:1] != b"\0"
    ):
        raise Malformed("signatureAlgorithm as in the TBSCertificate, and a signature of whole octets", "others")
    key, extensions = _tried(certificate.public_key), _tried(lambda: certificate.extensions)
    # The issuer's name is asked for later, by those who count on its being readable.
    name, _ = (printable(each.rfc4514_string()) for each in (certificate.subject, certificate.issuer))
    return Candidate(
        octets=octets,
        certificate=certificate,
        name=name,
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
    except Exception:  # cryptography raises all kinds of things on what it cannot read
        return None


def extension(certificate: Candidate, kind: type[_E]) -> _E | None:
    """The value of an extension; None where it is not there, or where the extensions cannot be read."""
    found = None if certificate.extensions is None else find_extension(certificate.extensions, kind)
    return None if found is None else found.value


def _same(name: bytes, other: bytes) -> bool:
    """Whether two Names match: octet for octet, or by RFC 5280 7.1, whatever kinds of strings they are made of."""
    if name == other:
        return True
    try:
        return bool(asn1_x509.Name.load(name, strict=True) == asn1_x509.Name.load(other))
    except Exception:  # asn1crypto raises all kinds of things on what it cannot read
        return False


def is_name_of(general_name: bytes, certificate: Candidate) -> bool:
    """Whether a GeneralName is the subject of the certificate or among its alternative names (RFC 3161 2.4.2)."""
    reader = Reader(general_name)
    if reader.tag == 0xA4 and _same(reader.into(0xA4, "directoryName").rest(), certificate.subject):
        return True
    names = extension(certificate, x509.SubjectAlternativeName)
    encoded = None if names is None else _tried(names.public_bytes)
    return encoded is not None and general_name in Reader(encoded).into(SEQUENCE, "subjectAltName").elements("names")
