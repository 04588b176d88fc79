"""The SignedData of RFC 5652 as a verifier reads it, from ContentInfo to SignerInfo; only its syntax is checked."""

from __future__ import annotations

from dataclasses import dataclass

from certs.der import OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET, Reader
from certs.signatures import AlgorithmIdentifier

_OCSP_RESPONSE = "1.3.6.1.5.5.7.16.2"


@dataclass(frozen=True, slots=True)
class SignerInfo:
    """SignerInfo (RFC 5652 5.3).

    `sid` is the DER of issuerAndSerialNumber's two fields or, where `key_identifier`, a subjectKeyIdentifier;
    `attributes` the contents of signedAttrs, None where they are absent.
    """

    sid: bytes
    key_identifier: bool
    digest_algorithm: AlgorithmIdentifier
    attributes: bytes | None
    signature_algorithm: AlgorithmIdentifier
    signature: bytes

    @classmethod
    def read(cls, reader: Reader) -> SignerInfo:
        """The next element. Raises Malformed."""
        fields = reader.into(SEQUENCE, "SignerInfo")
        fields.integer("the version of SignerInfo")
        key_identifier = fields.tag == 0x80
        sid = fields.content(0x80 if key_identifier else SEQUENCE, "the SignerIdentifier")
        digest_algorithm = AlgorithmIdentifier.read(fields, "digestAlgorithm")
        attributes = fields.content(0xA0, "signedAttrs") if fields.tag == 0xA0 else None
        signature_algorithm = AlgorithmIdentifier.read(fields, "signatureAlgorithm")
        signature = fields.content(OCTET_STRING, "the signature")
        if fields.tag == 0xA1:
            fields.element(0xA1, "unsignedAttrs")
        fields.ends("SignerInfo")
        return cls(sid, key_identifier, digest_algorithm, attributes, signature_algorithm, signature)


@dataclass(frozen=True, slots=True)
class SignedData:
    """SignedData (RFC 5652 5.1).

    `content` is None where there is no eContent. Certificates, attribute certificates, CRLs and OCSP responses
    (RFC 5940 2.1) are in DER; other choices are left out.
    """

    content_type: str
    content: bytes | None
    certificates: tuple[bytes, ...]
    attribute_certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]
    signers: tuple[SignerInfo, ...]

    @classmethod
    def read(cls, reader: Reader) -> SignedData:
        """The next element, to the end. Raises Malformed."""
        fields = reader.into(SEQUENCE, "SignedData")
        fields.integer("the version of SignedData")
        fields.element(SET, "digestAlgorithms")
        content_type, content = _encapsulated(fields.into(SEQUENCE, "encapContentInfo"))
        certificates, others = _certificates(fields)
        crls, ocsps = _revocations(fields)
        infos = fields.into(SET, "signerInfos")
        fields.ends("SignedData")
        signers = tuple(SignerInfo.read(Reader(octets)) for octets in infos.elements("signerInfos"))
        return cls(content_type, content, certificates, others, crls, ocsps, signers)


def content_info(octets: bytes) -> tuple[str, Reader]:
    """The contentType of a ContentInfo (RFC 5652 3), and a reader of its content. Raises Malformed."""
    outer = Reader(octets)
    fields = outer.into(SEQUENCE, "ContentInfo")
    outer.ends("the ContentInfo")
    content_type = fields.oid("contentType")
    content = fields.into(0xA0, "the content of ContentInfo")
    fields.ends("ContentInfo")
    return content_type, content


def _encapsulated(fields: Reader) -> tuple[str, bytes | None]:
    content_type = fields.oid("eContentType")
    content = None
    if fields.tag == 0xA0:
        holder = fields.into(0xA0, "eContent")
        content = holder.content(OCTET_STRING, "eContent as an OCTET STRING")
        holder.ends("eContent")
    fields.ends("encapContentInfo")
    return content_type, content


def _certificates(fields: Reader) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Certificates, and attribute certificates under the tag of the SEQUENCE that they are (RFC 5652 10.2.2)."""
    choices = fields.into(0xA0, "certificates").elements("certificates") if fields.tag == 0xA0 else []
    found = tuple(choice for choice in choices if choice[0] == SEQUENCE)
    others = tuple(bytes([SEQUENCE]) + choice[1:] for choice in choices if choice[0] != SEQUENCE)
    return found, others


def _revocations(fields: Reader) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """CRLs and OCSP responses among the RevocationInfoChoices (RFC 5652 10.2.1)."""
    choices = fields.into(0xA1, "crls").elements("crls") if fields.tag == 0xA1 else []
    ocsps = []
    for choice in choices:
        other = Reader(choice).into(choice[0], "revocation information")
        if (
            choice[0] != SEQUENCE
            and other.tag == OBJECT_IDENTIFIER
            and other.oid("otherRevInfoFormat") == _OCSP_RESPONSE
        ):
            ocsps.append(other.rest())
    return tuple(choice for choice in choices if choice[0] == SEQUENCE), tuple(ocsps)
