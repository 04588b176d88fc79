"""What a signing key is, wherever it is kept, and which algorithm belongs to a public key."""

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from signer.algorithms import ALGORITHMS, Algorithm, KeyKind, kind_of

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class KeyFault(Exception):
    """A key cannot be used; one sentence says what is wrong, where, and how to mend it."""


class SigningFault(Exception):
    """A key that was in use failed to sign; the cause is chained."""


class SigningKey(Protocol):
    """A key that signs, wherever it is kept: the seam of key custody. open_key() in signer/custody.py gives one.

    What it promises:
    - public_key and algorithm never change, and cost nothing to read.
    - When sign() returns, the signature is whole and verifies with public_key; the key keeps no copy of the data.
    - sign() may be called from several threads at once and blocks its own thread only. A slow signature lets the other
      threads run: SigningPool signs in threads then.
    - sign() may raise any Exception: then there is no signature, and the next call may succeed. SigningPool turns it
      into SigningFault. Where the key was out of reach and is back, the next call succeeds without a restart.
    - A key has no close(): code that refers to it may sign with it. After a reload the old key still signs the batches
      that were taken, beside the new one. What a key holds outside this process it gives back when nobody refers to it.
    """

    @property
    def public_key(self) -> PublicKey:
        """The public key that verifies the signatures."""

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm of every signature that this key makes."""

    def sign(self, data: bytes, /) -> bytes:
        """The signature over data: the to-be-signed octets, which the key hashes itself."""


_ALGORITHMS: dict[tuple[KeyKind | None, str], Algorithm] = {(each.kind, each.size): each for each in ALGORITHMS}


def algorithm_for(public_key: object) -> Algorithm:
    """The algorithm that belongs to a public key.

    Raises KeyFault for a type, curve or size that is not supported.
    """
    kind, size = kind_of(public_key), ""
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        size = public_key.curve.name
    elif isinstance(public_key, rsa.RSAPublicKey):
        size = str(public_key.key_size)
    if algorithm := _ALGORITHMS.get((kind, size)):
        return algorithm
    if kind is KeyKind.EC:
        raise KeyFault(f"The curve {size} is not supported: use P-256, P-384 or P-521.")
    if kind is KeyKind.RSA:
        raise KeyFault(f"An RSA key of {size} bits is not supported: use one of 2048, 3072 or 4096 bits.")
    raise KeyFault("Keys of this type are not supported: use an EC (P-256, P-384, P-521), RSA or Ed25519 key.")
