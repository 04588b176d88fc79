"""What a signing key is, whoever holds it, and which signature algorithm belongs to which key."""

from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class KeyFault(Exception):
    """A key cannot be used; one sentence says what is wrong, where, and how to mend it."""


class SigningFault(Exception):
    """A key that was in use failed to sign; the cause is chained."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How a key signs in CMS.

    name: for people, such as "ecdsa-p256-sha256".
    digest: hashlib's name of the CMS digestAlgorithm, such as "sha256".
    identifier: the DER AlgorithmIdentifier of SignerInfo.signatureAlgorithm (RFC 5652 5.3).
    """

    name: str
    digest: str
    identifier: bytes


class SigningKey(Protocol):
    """A key that signs, wherever it is kept. Every member may be used from several threads at once."""

    @property
    def public_key(self) -> PublicKey:
        """The public key that verifies the signatures."""

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm of every signature this key makes."""

    def sign(self, data: bytes, /) -> bytes:
        """The signature over data: the to-be-signed octets, which the key hashes itself."""


# ecdsa-with-SHA256, -SHA384 and -SHA512 are 1.2.840.10045.4.3.{2,3,4}, without parameters (RFC 5754 3.3).
_ECDSA_WITH_SHA = "300a06082a8648ce3d0403"
_CURVES = {
    "secp256r1": Algorithm("ecdsa-p256-sha256", "sha256", bytes.fromhex(_ECDSA_WITH_SHA + "02")),
    "secp384r1": Algorithm("ecdsa-p384-sha384", "sha384", bytes.fromhex(_ECDSA_WITH_SHA + "03")),
    "secp521r1": Algorithm("ecdsa-p521-sha512", "sha512", bytes.fromhex(_ECDSA_WITH_SHA + "04")),
}
# rsaEncryption with NULL rather than sha256WithRSAEncryption: RFC 5754 3.2 allows both, old clients know only this one.
_RSA_ENCRYPTION = bytes.fromhex("300d06092a864886f70d0101010500")
_RSA = {bits: Algorithm(f"rsa{bits}-sha256", "sha256", _RSA_ENCRYPTION) for bits in (2048, 3072, 4096)}
# SHA-512 is the digest that RFC 8419 3.1 demands beside Ed25519 when there are signed attributes.
_ED25519 = Algorithm("ed25519-sha512", "sha512", bytes.fromhex("300506032b6570"))


def algorithm_for(public_key: object) -> Algorithm:
    """The algorithm that belongs to a public key.

    Raises KeyFault for a type, curve or size that is not supported.
    """
    match public_key:
        case ec.EllipticCurvePublicKey():
            if (algorithm := _CURVES.get(public_key.curve.name)) is None:
                raise KeyFault(f"The curve {public_key.curve.name} is not supported: use P-256, P-384 or P-521.")
            return algorithm
        case rsa.RSAPublicKey():
            if (algorithm := _RSA.get(public_key.key_size)) is None:
                raise KeyFault(
                    f"An RSA key of {public_key.key_size} bits is not supported: use one of 2048, 3072 or 4096 bits."
                )
            return algorithm
        case ed25519.Ed25519PublicKey():
            return _ED25519
    raise KeyFault("Keys of this type are not supported: use an EC (P-256, P-384, P-521), RSA or Ed25519 key.")
