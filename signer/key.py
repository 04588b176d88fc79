"""What a signing key is, whoever holds it, and which signature algorithm belongs to which key."""

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from signer.algorithms import ALGORITHMS, Algorithm, kind_of

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class KeyFault(Exception):
    """A key cannot be used; one sentence says what is wrong, where, and how to mend it."""


class SigningFault(Exception):
    """A key that was in use failed to sign; the cause is chained."""


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


_BY_KEY = {(each.kind, each.size): each for each in ALGORITHMS}


def algorithm_for(public_key: object) -> Algorithm:
    """The algorithm that belongs to a public key.

    Raises KeyFault for a type, curve or size that is not supported.
    """
    match public_key:
        case ec.EllipticCurvePublicKey():
            size, fault = public_key.curve.name, "The curve {} is not supported: use P-256, P-384 or P-521."
        case rsa.RSAPublicKey():
            size, fault = (
                str(public_key.key_size),
                "An RSA key of {} bits is not supported: use one of 2048, 3072 or 4096 bits.",
            )
        case _:
            size, fault = (
                "",
                "Keys of this type are not supported: use an EC (P-256, P-384, P-521), RSA or Ed25519 key.",
            )
    kind = kind_of(public_key)
    if kind is None or (algorithm := _BY_KEY.get((kind, size))) is None:
        raise KeyFault(fault.format(size))
    return algorithm
