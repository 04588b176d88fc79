"""The table of algorithms: hashes, signatures by OID, and how a key of each type signs. A new one is a new row."""

from dataclasses import dataclass
from enum import StrEnum

from asn1crypto.core import Null, ObjectIdentifier
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa


class KeyKind(StrEnum):
    """The kind of a public key: which signature algorithms it fits."""

    RSA = "RSA"
    EC = "EC"
    ED25519 = "Ed25519"


_CLASSES = (
    (rsa.RSAPublicKey, KeyKind.RSA),
    (ec.EllipticCurvePublicKey, KeyKind.EC),
    (ed25519.Ed25519PublicKey, KeyKind.ED25519),
)


def kind_of(public_key: object) -> KeyKind | None:
    """The kind of a public key of `cryptography`; None for any other."""
    return next((kind for of_kind, kind in _CLASSES if isinstance(public_key, of_kind)), None)


@dataclass(frozen=True, slots=True)
class Hash:
    """A hash function.

    name: as hashlib's new() takes it, such as "sha256" or "sha3-256". oid: dotted. algorithm: the same for
    `cryptography`.
    """

    name: str
    oid: str
    algorithm: hashes.HashAlgorithm

    @property
    def digest_size(self) -> int:
        """The octets of a digest."""
        return self.algorithm.digest_size


_HASHES = (
    Hash("sha1", "1.3.14.3.2.26", hashes.SHA1()),  # noqa: S303 - old tokens are proved with a warning
    Hash("sha224", "2.16.840.1.101.3.4.2.4", hashes.SHA224()),
    Hash("sha256", "2.16.840.1.101.3.4.2.1", hashes.SHA256()),
    Hash("sha384", "2.16.840.1.101.3.4.2.2", hashes.SHA384()),
    Hash("sha512", "2.16.840.1.101.3.4.2.3", hashes.SHA512()),
    Hash("sha3-256", "2.16.840.1.101.3.4.2.8", hashes.SHA3_256()),
    Hash("sha3-384", "2.16.840.1.101.3.4.2.9", hashes.SHA3_384()),
    Hash("sha3-512", "2.16.840.1.101.3.4.2.10", hashes.SHA3_512()),
)
HASHES = {each.name: each for each in _HASHES}
"""The hashes that are known, by name. Which of them a request may use is the list of tsa/protocol/oids.py."""
HASHES_BY_OID = {each.oid: each for each in _HASHES}


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """What the OID of a signature algorithm says.

    kind: of the key that makes the signature. digest: the name of the hash, None where the OID leaves it to the
    parameters or to the digestAlgorithm beside it.
    """

    oid: str
    kind: KeyKind
    digest: str | None


RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
RSASSA_PSS = "1.2.840.113549.1.1.10"
SHA256_WITH_RSA_ENCRYPTION = "1.2.840.113549.1.1.11"
ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2"
ECDSA_WITH_SHA384 = "1.2.840.10045.4.3.3"
ECDSA_WITH_SHA512 = "1.2.840.10045.4.3.4"
ED25519 = "1.3.101.112"

# RFC 3370 3, RFC 5754 3, RFC 8692, RFC 8419 and NIST's Computer Security Objects Register.
SIGNATURES = {
    each.oid: each
    for each in (
        SignatureAlgorithm(RSA_ENCRYPTION, KeyKind.RSA, None),
        SignatureAlgorithm("1.2.840.113549.1.1.5", KeyKind.RSA, "sha1"),
        SignatureAlgorithm("1.2.840.113549.1.1.14", KeyKind.RSA, "sha224"),
        SignatureAlgorithm(SHA256_WITH_RSA_ENCRYPTION, KeyKind.RSA, "sha256"),
        SignatureAlgorithm("1.2.840.113549.1.1.12", KeyKind.RSA, "sha384"),
        SignatureAlgorithm("1.2.840.113549.1.1.13", KeyKind.RSA, "sha512"),
        SignatureAlgorithm("2.16.840.1.101.3.4.3.14", KeyKind.RSA, "sha3-256"),
        SignatureAlgorithm("2.16.840.1.101.3.4.3.15", KeyKind.RSA, "sha3-384"),
        SignatureAlgorithm("2.16.840.1.101.3.4.3.16", KeyKind.RSA, "sha3-512"),
        SignatureAlgorithm(RSASSA_PSS, KeyKind.RSA, None),
        SignatureAlgorithm("1.2.840.10045.4.1", KeyKind.EC, "sha1"),
        SignatureAlgorithm("1.2.840.10045.4.3.1", KeyKind.EC, "sha224"),
        SignatureAlgorithm(ECDSA_WITH_SHA256, KeyKind.EC, "sha256"),
        SignatureAlgorithm(ECDSA_WITH_SHA384, KeyKind.EC, "sha384"),
        SignatureAlgorithm(ECDSA_WITH_SHA512, KeyKind.EC, "sha512"),
        SignatureAlgorithm("2.16.840.1.101.3.4.3.10", KeyKind.EC, "sha3-256"),
        SignatureAlgorithm("2.16.840.1.101.3.4.3.11", KeyKind.EC, "sha3-384"),
        SignatureAlgorithm("2.16.840.1.101.3.4.3.12", KeyKind.EC, "sha3-512"),
        SignatureAlgorithm(ED25519, KeyKind.ED25519, "sha512"),  # RFC 8419 3.1: the digest that stands beside it
    )
}
"""The signature algorithms that can be verified, by OID."""

CertificateHash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How the keys of one type sign.

    key_type: the type as `tsa init --key` takes it, such as "p256".
    kind, size: which keys have the type; the size is the curve's name, the bits of the modulus, or "" for Ed25519.
    name: for people, such as "ecdsa-p256-sha256".
    digest: hashlib's name of the CMS digestAlgorithm, such as "sha256".
    identifier: the DER AlgorithmIdentifier of SignerInfo.signatureAlgorithm (RFC 5652 5.3).
    certificate_identifier: the one beside the same signature in a certificate or a request (RFC 5280 4.1.1.2).
    certificate_hash: what the certificate builders of `cryptography` sign with; None where the key hashes on its own.
    """

    key_type: str
    kind: KeyKind
    size: str
    name: str
    digest: str
    identifier: bytes
    certificate_identifier: bytes
    certificate_hash: CertificateHash | None


def _identifier(oid: str, parameters: bytes = b"") -> bytes:
    contents: bytes = ObjectIdentifier(oid).dump() + parameters
    return bytes([0x30, len(contents)]) + contents


_NULL = Null().dump()


def _ecdsa(key_type: str, curve: str, digest: str, oid: str, certificate_hash: CertificateHash) -> Algorithm:
    identifier = _identifier(oid)  # without parameters (RFC 5754 3.3)
    name = f"ecdsa-{key_type}-{digest}"
    return Algorithm(key_type, KeyKind.EC, curve, name, digest, identifier, identifier, certificate_hash)


def _rsa(bits: int) -> Algorithm:
    return Algorithm(
        key_type=f"rsa{bits}",
        kind=KeyKind.RSA,
        size=str(bits),
        name=f"rsa{bits}-sha256",
        digest="sha256",
        # RFC 5754 3.2 allows sha256WithRSAEncryption in CMS too, and old clients know only this one.
        identifier=_identifier(RSA_ENCRYPTION, _NULL),
        certificate_identifier=_identifier(SHA256_WITH_RSA_ENCRYPTION, _NULL),
        certificate_hash=hashes.SHA256(),
    )


ALGORITHMS = (
    _ecdsa("p256", "secp256r1", "sha256", ECDSA_WITH_SHA256, hashes.SHA256()),
    _ecdsa("p384", "secp384r1", "sha384", ECDSA_WITH_SHA384, hashes.SHA384()),
    _ecdsa("p521", "secp521r1", "sha512", ECDSA_WITH_SHA512, hashes.SHA512()),
    _rsa(2048),
    _rsa(3072),
    _rsa(4096),
    # SHA-512 is the digest that RFC 8419 3.1 demands beside Ed25519 when there are signed attributes.
    Algorithm(
        "ed25519", KeyKind.ED25519, "", "ed25519-sha512", "sha512", _identifier(ED25519), _identifier(ED25519), None
    ),
)
"""How our own keys sign, one row a type of key."""
