"""The tiny PKI of the vectors, in DER by hand: parties and their certificates, right and wrong."""

from dataclasses import dataclass, field
from hashlib import sha1

from tests.support import der
from tests.vectors.keys import Key, Scheme, ec_key, public_octets, usual

TIME_STAMPING, CODE_SIGNING, OCSP_SIGNING = "1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.3", "1.3.6.1.5.5.7.3.9"
DIGITAL_SIGNATURE, NON_REPUDIATION, KEY_ENCIPHERMENT, KEY_CERT_SIGN, CRL_SIGN = 0, 1, 2, 5, 6
TRUE = der.tlv(der.BOOLEAN, b"\xff")
Period = tuple[str, str]
VALID: Period = ("20250101000000Z", "20360101000000Z")


def name(common_name: str) -> bytes:
    """The Name with a country, the organisation of the vectors and a commonName."""
    parts = (
        ("2.5.4.6", 0x13, "ZZ"),
        ("2.5.4.10", der.UTF8_STRING, "Vectors"),
        ("2.5.4.3", der.UTF8_STRING, common_name),
    )
    rdns = (der.sequence(der.oid(kind), der.tlv(tag, text.encode())) for kind, tag, text in parts)
    return der.sequence(*(der.tlv(der.SET, rdn) for rdn in rdns))


def time(text: str) -> bytes:
    """Time (RFC 5280 4.1.2.5): UTCTime until 2049, GeneralizedTime after."""
    return der.tlv(der.UTC_TIME, text[2:].encode()) if text < "2050" else der.tlv(der.GENERALIZED_TIME, text.encode())


def bit_string(octets: bytes, unused: int = 0) -> bytes:
    """BIT STRING."""
    return der.tlv(der.BIT_STRING, bytes([unused]) + octets)


def extension(dotted: str, value: bytes, *, critical: bool = False) -> bytes:
    """Extension (RFC 5280 4.1) around an encoded value."""
    return der.sequence(der.oid(dotted), TRUE if critical else b"", der.tlv(der.OCTET_STRING, value))


def key_usage(*bits: int) -> bytes:
    """keyUsage, critical, with those named bits."""
    octet = sum(0x80 >> bit for bit in bits)
    return extension("2.5.29.15", bit_string(bytes([octet]), 7 - max(bits)), critical=True)


def extended_key_usage(*purposes: str, critical: bool = True) -> bytes:
    """extendedKeyUsage with those purposes."""
    return extension("2.5.29.37", der.sequence(*map(der.oid, purposes)), critical=critical)


def basic_constraints(*, ca: bool = True, path_length: int | None = None) -> bytes:
    """basicConstraints, critical."""
    limit = b"" if path_length is None else der.integer(path_length)
    return extension("2.5.29.19", der.sequence(TRUE if ca else b"", limit), critical=True)


def name_constraints(tag: int, subtree: bytes) -> bytes:
    """nameConstraints with one directoryName, permitted (0xA0) or excluded (0xA1)."""
    return extension("2.5.29.30", der.sequence(der.tlv(tag, der.sequence(der.tlv(0xA4, subtree)))), critical=True)


CA_EXTENSIONS = (basic_constraints(), key_usage(KEY_CERT_SIGN, CRL_SIGN))
TSU_EXTENSIONS = (key_usage(DIGITAL_SIGNATURE), extended_key_usage(TIME_STAMPING))


def key_bits(key: Key | bytes) -> bytes:
    """subjectPublicKey without its BIT STRING, of a key or of an encoded SubjectPublicKeyInfo."""
    encoded = key if isinstance(key, bytes) else public_octets(key)
    return der.read(encoded).children()[1].contents[1:]


def key_identifier(key: Key) -> bytes:
    """subjectKeyIdentifier by method (1) of RFC 5280 4.2.1.2."""
    return sha1(key_bits(key), usedforsecurity=False).digest()


def signed(scheme: Scheme, key: Key, to_be_signed: bytes, *more: bytes) -> bytes:
    """SIGNED of X.509: certificates, CRLs and BasicOCSPResponses have this form."""
    return der.sequence(to_be_signed, scheme.identifier, bit_string(scheme.sign(key, to_be_signed)), *more)


@dataclass(frozen=True)
class Party:
    """The holder of a key and a certificate."""

    subject: bytes
    key: Key
    serial: int
    issuer: bytes
    certificate: bytes = field(default=b"", repr=False)

    def issue(
        self,
        common_name: str,
        *,
        key: Key | None = None,
        serial: int = 0x1001,
        valid: Period = VALID,
        extensions: tuple[bytes, ...] = TSU_EXTENSIONS,
        scheme: Scheme | None = None,
        signing_key: Key | None = None,
    ) -> "Party":
        """A party with a certificate by this party; the *signing_key* of another party makes a forged certificate."""
        held = key or ec_key(common_name)
        chosen = scheme or usual(self.key)
        identifiers = (
            extension("2.5.29.14", der.tlv(der.OCTET_STRING, key_identifier(held))),
            extension("2.5.29.35", der.sequence(der.tlv(0x80, key_identifier(self.key)))),
        )
        to_be_signed = der.sequence(
            der.tlv(0xA0, der.integer(2)),
            der.integer(serial),
            chosen.identifier,
            self.subject,
            der.sequence(*map(time, valid)),
            name(common_name),
            public_octets(held),
            der.tlv(0xA3, der.sequence(*identifiers, *extensions)),
        )
        certificate = signed(chosen, signing_key or self.key, to_be_signed)
        return Party(name(common_name), held, serial, self.subject, certificate)


def self_signed(
    common_name: str, *, valid: Period = VALID, extensions: tuple[bytes, ...] = CA_EXTENSIONS, key: Key | None = None
) -> Party:
    """A party that certifies itself."""
    unsigned = Party(name(common_name), key or ec_key(common_name), 1, name(common_name))
    return unsigned.issue(common_name, key=unsigned.key, serial=1, valid=valid, extensions=extensions)


ROOT = self_signed("Root")
ISSUING = ROOT.issue("Issuing CA", serial=0x101, extensions=CA_EXTENSIONS)
TSU = ISSUING.issue("TSU")
STRANGER = self_signed("Stranger")


def under_a_root_of(path_length: int) -> tuple[Party, Party, Party]:
    """A TSU, its CA, and a root whose pathLenConstraint allows so many CAs under it."""
    usage = key_usage(KEY_CERT_SIGN, CRL_SIGN)
    root = self_signed(f"Root of {path_length}", extensions=(basic_constraints(path_length=path_length), usage))
    middle = root.issue("CA of few", serial=0x201, extensions=(basic_constraints(path_length=0), usage))
    return middle.issue("TSU of few"), middle, root
