"""The signed attributes of a token, and the certificates that they name: the signer's, and those above it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509

from certs.candidate import MAX_OCTETS, Candidate, candidate, extension
from certs.der import INTEGER, OCTET_STRING, SEQUENCE, SET, Malformed, Reader
from certs.signatures import AlgorithmIdentifier
from tsa.verify.signed_data import SignerInfo

CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.12", "1.2.840.113549.1.9.16.2.47"


Attributes = dict[str, list[bytes]]


def read_attributes(content: bytes) -> Attributes:
    """The values of every signed attribute by its dotted type (RFC 5652 5.3); `content` is that of a SET OF in DER.

    Raises Malformed.
    """
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


def sole_value(attributes: Attributes, kind: str, name: str) -> bytes:
    """The value of an attribute that must have exactly one; `name` is that of the attribute. Raises Malformed."""
    values = attributes.get(kind, [])
    if len(values) != 1:
        raise Malformed(f"one {name} attribute with one value", f"{len(values)}")
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
        """The ESSCertID with these fields; `v1` tells it from an ESSCertIDv2. Raises Malformed."""
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
        """Whether it names the certificate."""
        return self.hashes(certificate.octets) and (
            self.issuers is None
            or (certificate.issuer in self.issuers and self.serial_number == certificate.serial_number)
        )

    def hashes(self, octets: bytes) -> bool:
        """Whether its certHash is that of these octets."""
        return hmac.compare_digest(hashlib.new(self.hash_algorithm, octets).digest(), self.cert_hash)


def _directory_names(names: Reader) -> tuple[bytes, ...]:
    found = names.elements("names")
    return tuple(Reader(name).content(0xA4, "directoryName") for name in found if name[0] == 0xA4)


def ess_cert_ids(attributes: Attributes) -> list[tuple[EssCertId, ...]]:
    """The ESSCertIDs of every signing certificate attribute; the first of an attribute names the signer.

    RFC 5035 has attributes of the two kinds evaluated independently where both are there. Raises Malformed.
    """
    found = []
    for kind, v1 in ((SIGNING_CERTIFICATE, True), (SIGNING_CERTIFICATE_V2, False)):
        if kind in attributes:
            found.append(_ids(sole_value(attributes, kind, "signingCertificate"), v1))
    if not found or not all(found):
        raise Malformed("signingCertificate or signingCertificateV2 with an ESSCertID", "none")
    return found


@lru_cache(maxsize=64)
def _ids(value: bytes, v1: bool) -> tuple[EssCertId, ...]:
    if len(value) > MAX_OCTETS:
        raise Malformed(f"a signing certificate attribute of at most {MAX_OCTETS} octets (our limit)", str(len(value)))
    certs = Reader(value).into(SEQUENCE, "SigningCertificate").into(SEQUENCE, "certs").elements("certs")
    return tuple(EssCertId.read(Reader(cert).into(SEQUENCE, "an ESSCertID"), v1=v1) for cert in certs)


def is_named_by(signer: SignerInfo, certificate: Candidate) -> bool:
    """Whether the SignerIdentifier names the certificate (RFC 5652 5.3)."""
    if not signer.key_identifier:
        return signer.sid == certificate.issuer + certificate.serial_number
    identifier = extension(certificate, x509.SubjectKeyIdentifier)
    return identifier is not None and identifier.digest == signer.sid


def allowed_above(
    certificates: Sequence[Candidate], ids: Sequence[Sequence[EssCertId]], others: Sequence[bytes]
) -> list[Candidate]:
    """The certificates that may stand between the signer's and the anchor.

    ESSCertIDs after the first of an attribute limit them (RFC 5035 5.4), except those that name an attribute
    certificate among `others`: they limit attributes. No signature covers the tags of `others`, so that an X.509
    certificate among them is no attribute certificate, whatever its tag.
    """
    others = [octets for octets in others if candidate(octets) is None]
    for _, *further in ids:
        limiting = [named for named in further if not any(map(named.hashes, others))]
        if limiting:
            certificates = [found for found in certificates if any(named.is_of(found) for named in limiting)]
    return list(certificates)
