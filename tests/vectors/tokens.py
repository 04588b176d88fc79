"""TimeStampResp and TimeStampToken in DER by hand, from parts that a vector can replace."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support import der
from tests.support.query import DIGEST_OIDS, digest, imprint
from tests.vectors.keys import Scheme, algorithm, usual
from tests.vectors.parties import ISSUING, TSU, Party, key_identifier

DATA = b"The quick brown fox jumps over the lazy dog.\n"
GEN_TIME = "20250601120000Z"
EMBEDDED = tuple(sorted((TSU.certificate, ISSUING.certificate)))
POLICY = "2.999.3161.1"
ID_DATA, SIGNED_DATA, TST_INFO = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME = (f"1.2.840.113549.1.9.{arc}" for arc in (3, 4, 5))
SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.12", "1.2.840.113549.1.9.16.2.47"
Edit = Callable[[bytes], bytes]


def octet_string(octets: bytes) -> bytes:
    """OCTET STRING."""
    return der.tlv(der.OCTET_STRING, octets)


def set_of(*elements: bytes, tag: int = der.SET) -> bytes:
    """SET OF in DER order (X.690 11.6)."""
    return der.tlv(tag, *sorted(elements))


def accuracy(seconds: int | None = 1, millis: int | None = None, micros: int | None = None) -> bytes:
    """Accuracy (RFC 3161 2.4.2), also with numbers out of range."""
    numbers = ((der.INTEGER, seconds), (0x80, millis), (0x81, micros))
    return der.sequence(*(der.tlv(tag, der.integer(each)[2:]) for tag, each in numbers if each is not None))


@dataclass(frozen=True)
class TstInfo:
    """TSTInfo (RFC 3161 2.4.2); a field of type bytes is encoded already."""

    version: int = 1
    policy: str = POLICY
    imprint: bytes = field(default_factory=lambda: imprint("sha256", digest("sha256", DATA)))
    serial: int = 0x65A1
    gen_time: str = GEN_TIME
    accuracy: bytes = field(default_factory=accuracy)
    ordering: bytes = b""
    nonce: int | None = None
    tsa: bytes = b""
    extensions: bytes = b""

    def encode(self) -> bytes:
        """The TSTInfo in DER."""
        return der.sequence(
            der.integer(self.version),
            der.oid(self.policy),
            self.imprint,
            der.integer(self.serial),
            der.tlv(der.GENERALIZED_TIME, self.gen_time.encode()),
            self.accuracy,
            self.ordering,
            b"" if self.nonce is None else der.integer(self.nonce),
            der.tlv(0xA0, self.tsa) if self.tsa else b"",
            self.extensions,
        )


def attribute(dotted: str, *values: bytes) -> bytes:
    """Attribute with those values."""
    return der.sequence(der.oid(dotted), set_of(*values))


def issuer_serial(party: Party, serial: int | None = None, issuer: bytes | None = None) -> bytes:
    """IssuerSerial of a certificate (RFC 5035 5), or a wrong one."""
    names = der.sequence(der.tlv(0xA4, issuer or party.issuer))
    return der.sequence(names, der.integer(party.serial if serial is None else serial))


def ess_v2(
    party: Party, name: str = "sha256", *, hashed: bytes | None = None, written: bool = False, more: bytes = b""
) -> bytes:
    """ESSCertIDv2 (RFC 5035 4); the DEFAULT hashAlgorithm is left out unless *written*; *more* is its issuerSerial."""
    shown = algorithm(DIGEST_OIDS[name]) if name != "sha256" or written else b""
    return der.sequence(shown, octet_string(hashed or digest(name, party.certificate)), more)


def ess_v1(party: Party, *, hashed: bytes | None = None) -> bytes:
    """ESSCertID (RFC 2634 5.4.1)."""
    return der.sequence(octet_string(hashed or digest("sha1", party.certificate)))


def signing_certificate_v2(*identifiers: bytes) -> bytes:
    """The attribute signingCertificateV2."""
    return attribute(SIGNING_CERTIFICATE_V2, der.sequence(der.sequence(*identifiers)))


def signing_certificate(*identifiers: bytes) -> bytes:
    """The attribute signingCertificate."""
    return attribute(SIGNING_CERTIFICATE, der.sequence(der.sequence(*identifiers)))


def issuer_and_serial(party: Party) -> bytes:
    """SignerIdentifier by issuer and serialNumber."""
    return der.sequence(party.issuer, der.integer(party.serial))


def subject_key(party: Party) -> bytes:
    """SignerIdentifier by subjectKeyIdentifier."""
    return der.tlv(0x80, key_identifier(party.key))


@dataclass(frozen=True)
class Token:
    """A TimeStampToken by TSU; a field that is None stands for the value of a right token."""

    info: TstInfo = field(default_factory=TstInfo)
    content: bytes | None = None
    content_type: str = SIGNED_DATA
    e_content_type: str = TST_INFO
    party: Party = TSU
    certificates: tuple[bytes, ...] = EMBEDDED
    crls: tuple[bytes, ...] = ()
    digest: str = "sha256"
    digests: tuple[str, ...] | None = None
    scheme: Scheme | None = None
    signer_version: int = 1
    sid: bytes | None = None
    identifier: bytes | None = None
    attributes: tuple[bytes, ...] | None = None
    unsigned: bytes = b""
    signer_infos: tuple[bytes, ...] | None = None
    stand_as: Edit = lambda octets: octets
    sign_over: Edit = lambda octets: octets
    signature: Edit = lambda octets: octets

    @property
    def e_content(self) -> bytes:
        """The octets that the eContent OCTET STRING holds."""
        return self.info.encode() if self.content is None else self.content

    def content_type_attribute(self) -> bytes:
        """The right contentType attribute."""
        return attribute(CONTENT_TYPE, der.oid(self.e_content_type))

    def message_digest(self) -> bytes:
        """The right messageDigest attribute."""
        return attribute(MESSAGE_DIGEST, octet_string(digest(self.digest, self.e_content)))

    def signing_certificate(self) -> bytes:
        """The attribute signingCertificateV2, with `identifier` as its ESSCertIDv2 unless that is None."""
        return signing_certificate_v2(self.identifier or ess_v2(self.party, more=issuer_serial(self.party)))

    def standard(self) -> tuple[bytes, ...]:
        """The required signed attributes, and no others."""
        return (self.content_type_attribute(), self.message_digest(), self.signing_certificate())

    def signer_info(self) -> bytes:
        """SignerInfo (RFC 5652 5.3); `stand_as` edits the contents of signedAttrs after the signature."""
        attributes = self.standard() if self.attributes is None else self.attributes
        as_signed = self.sign_over(set_of(*attributes) if attributes else self.e_content)
        scheme = self.scheme or usual(self.party.key)
        return der.sequence(
            der.integer(self.signer_version),
            self.sid or issuer_and_serial(self.party),
            algorithm(DIGEST_OIDS[self.digest]),
            der.tlv(0xA0, self.stand_as(b"".join(sorted(attributes)))) if attributes else b"",
            scheme.identifier,
            octet_string(self.signature(scheme.sign(self.party.key, as_signed))),
            self.unsigned,
        )

    def signed_data(self) -> bytes:
        """SignedData (RFC 5652 5.1)."""
        held = der.tlv(0xA0, octet_string(self.e_content))
        signers = (self.signer_info(),) if self.signer_infos is None else self.signer_infos
        return der.sequence(
            der.integer(3),
            set_of(*(algorithm(DIGEST_OIDS[each]) for each in self.digests or (self.digest,))),
            der.sequence(der.oid(self.e_content_type), held if self.content != b"" else b""),
            der.tlv(0xA0, *self.certificates) if self.certificates else b"",
            der.tlv(0xA1, *self.crls) if self.crls else b"",
            der.tlv(der.SET, *signers),
        )

    def encode(self) -> bytes:
        """The ContentInfo."""
        return der.sequence(der.oid(self.content_type), der.tlv(0xA0, self.signed_data()))

    def response(self) -> bytes:
        """The TimeStampResp that grants it."""
        return response(self.encode())


def response(token: bytes = b"", status: int = 0, *more: bytes) -> bytes:
    """TimeStampResp (RFC 3161 2.4.2) with that PKIStatus and, encoded, its statusString and failInfo."""
    return der.sequence(der.sequence(der.integer(status), *more), token)


def status_string(text: str) -> bytes:
    """PKIFreeText of one line."""
    return der.sequence(der.tlv(der.UTF8_STRING, text.encode()))
