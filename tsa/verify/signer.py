"""Who signed: the signed attributes, the certificates that they name, and what a certificate allows its key to sign."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from tsa.verify.algorithms import AlgorithmIdentifier
from tsa.verify.reading import BIT_STRING, INTEGER, OCTET_STRING, SEQUENCE, SET, Malformed, Reader, printable
from tsa.verify.signed_data import SignerInfo

MAX_OCTETS = 1 << 16  # of what is kept from token to token

CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.12", "1.2.840.113549.1.9.16.2.47"
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


Attributes = dict[str, list[bytes]]


def read_attributes(content: bytes) -> Attributes:
    """The values of each signed attribute (RFC 5652 5.3), which must be a SET OF in DER. Raises Malformed."""
    found: Attributes = {}
    elements = Reader(content).elements("signedAttrs")
    if elements != sorted(elements):
        raise Malformed("signedAttrs in the order of a DER SET OF", "another order")
    for element in elements:
        fields = Reader(element).into(SEQUENCE, "a signed attribute")
        kind = fields.oid("the type of a signed attribute")
        if kind in found:
            raise Malformed("each signed attribute once", f"{kind} twice")
        found[kind] = _values(fields.into(SET, f"the values of {kind}"))
        fields.ends(f"the attribute {kind}")
    return found


def _values(reader: Reader) -> list[bytes]:
    values = reader.elements("the values of an attribute")
    if values != sorted(values):
        raise Malformed("the values of an attribute in the order of a DER SET OF", "another order")
    return values


def single(attributes: Attributes, kind: str, what: str) -> bytes:
    """The value of an attribute that has exactly one. Raises Malformed."""
    values = attributes.get(kind, [])
    if len(values) != 1:
        raise Malformed(f"one {what} attribute with one value", f"{len(values)}")
    return values[0]


@dataclass(frozen=True, slots=True)
class EssCertId:
    """ESSCertID (RFC 2634 5.4.1) or ESSCertIDv2 (RFC 5035 4); `issuers` are Names, None without issuerSerial."""

    hash_algorithm: str
    cert_hash: bytes
    issuers: tuple[bytes, ...] | None
    serial_number: bytes

    @classmethod
    def read(cls, fields: Reader, *, v1: bool) -> EssCertId:
        """The fields of one. Raises Malformed."""
        algorithm = "sha1" if v1 else "sha256"
        if not v1 and fields.tag == SEQUENCE:
            algorithm = AlgorithmIdentifier.read(fields, "hashAlgorithm").hash_name("the hashAlgorithm of ESSCertIDv2")
        cert_hash = fields.content(OCTET_STRING, "certHash")
        issuers, serial_number = None, b""
        if fields.tag == SEQUENCE:
            issuer_serial = fields.into(SEQUENCE, "issuerSerial")
            issuers = _directory_names(issuer_serial.into(SEQUENCE, "the issuer of issuerSerial"))
            serial_number = issuer_serial.element(INTEGER, "serialNumber")
        fields.ends("ESSCertID")
        return cls(algorithm, cert_hash, issuers, serial_number)

    def __str__(self) -> str:
        return f"{self.hash_algorithm} {self.cert_hash[:64].hex()}" + (" and its issuerSerial" if self.issuers else "")

    def is_of(self, certificate: Candidate) -> bool:
        """Whether it names that certificate."""
        return self.hashes(certificate.octets) and (
            self.issuers is None
            or (certificate.issuer in self.issuers and self.serial_number == certificate.serial_number)
        )

    def hashes(self, octets: bytes) -> bool:
        """Whether its certHash is that of these octets."""
        return hmac.compare_digest(hashlib.new(self.hash_algorithm, octets).digest(), self.cert_hash)


def _directory_names(names: Reader) -> tuple[bytes, ...]:
    found = names.elements("names")
    return tuple(Reader(each).content(0xA4, "directoryName") for each in found if each[0] == 0xA4)


def ess_cert_ids(attributes: Attributes) -> list[tuple[EssCertId, ...]]:
    """The ESSCertIDs of each signing certificate attribute that is there, of which the first names the signer.

    RFC 5035 has the two kinds of attribute evaluated independently where both are there. Raises Malformed.
    """
    found = []
    for kind, v1 in ((SIGNING_CERTIFICATE, True), (SIGNING_CERTIFICATE_V2, False)):
        if kind in attributes:
            found.append(_ids(single(attributes, kind, "signingCertificate"), v1))
    if not found or not all(found):
        raise Malformed("signingCertificate or signingCertificateV2 with an ESSCertID", "none")
    return found


@lru_cache(maxsize=64)
def _ids(value: bytes, v1: bool) -> tuple[EssCertId, ...]:
    if len(value) > MAX_OCTETS:
        raise Malformed(f"a signing certificate attribute of at most {MAX_OCTETS} octets (our limit)", str(len(value)))
    certs = Reader(value).into(SEQUENCE, "SigningCertificate").into(SEQUENCE, "certs").elements("certs")
    return tuple(EssCertId.read(Reader(each).into(SEQUENCE, "an ESSCertID"), v1=v1) for each in certs)


def is_named_by(signer: SignerInfo, certificate: Candidate) -> bool:
    """Whether the SignerIdentifier names that certificate (RFC 5652 5.3)."""
    if not signer.key_identifier:
        return signer.sid == certificate.issuer + certificate.serial_number
    identifier = extension(certificate, x509.SubjectKeyIdentifier)
    return identifier is not None and identifier.digest == signer.sid


def extension(certificate: Candidate, kind: type[_E]) -> _E | None:
    """The value of an extension; None where it is not there, or where the extensions cannot be read."""
    extensions = certificate.extensions
    try:
        return None if extensions is None else extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def allowed_above(
    certificates: Sequence[Candidate], ids: Sequence[Sequence[EssCertId]], others: Sequence[bytes]
) -> list[Candidate]:
    """The certificates that may stand between the signer's and the anchor.

    ESSCertIDs after the first limit them (RFC 5035 5.4), unless they name attribute certificates among `others`, which
    limit something else. No signature covers what `others` are called, so a certificate is none, whatever its tag.
    """
    others = [each for each in others if candidate(each) is None]
    for each in ids:
        limiting = [named for named in each[1:] if not any(map(named.hashes, others))]
        if limiting:
            certificates = [one for one in certificates if any(named.is_of(one) for named in limiting)]
    return list(certificates)


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
