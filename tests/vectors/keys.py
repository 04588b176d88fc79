"""Keys and signatures that are the same in every run, so that the vectors can be made again octet for octet."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import count

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support import der
from tests.support.query import DIGEST_OIDS, NULL, digest

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

HASHES: dict[str, hashes.HashAlgorithm] = {
    "md5": hashes.MD5(),  # noqa: S303 - some vectors are weak on purpose
    "sha1": hashes.SHA1(),  # noqa: S303
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
ECDSA_OIDS = {
    "sha1": "1.2.840.10045.4.1",
    "sha256": "1.2.840.10045.4.3.2",
    "sha384": "1.2.840.10045.4.3.3",
    "sha512": "1.2.840.10045.4.3.4",
}
RSA_OIDS = {
    "md5": "1.2.840.113549.1.1.4",
    "sha1": "1.2.840.113549.1.1.5",
    "sha256": "1.2.840.113549.1.1.11",
    "sha512": "1.2.840.113549.1.1.13",
}
RSA_ENCRYPTION, RSASSA_PSS, MGF1 = "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10", "1.2.840.113549.1.1.8"
SMALL_PRIMES = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]


@cache
def ec_key(name: str, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """The key of that name on a curve, P-256 when not given."""
    chosen = curve or ec.SECP256R1()
    scalar = int.from_bytes(hashlib.shake_256(name.encode()).digest(chosen.key_size // 8 - 1), "big")
    return ec.derive_private_key(scalar, chosen)


@cache
def ed25519_key(name: str) -> ed25519.Ed25519PrivateKey:
    """The Ed25519 key of that name."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The RSA key of that name; not for any other use, since anybody can compute its primes."""
    chance = random.Random(name)  # noqa: S311
    p, q = _prime(chance, bits // 2), _prime(chance, bits // 2)
    d = pow(65537, -1, (p - 1) * (q - 1))
    parts = rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), rsa.rsa_crt_iqmp(p, q), rsa.RSAPublicNumbers(65537, p * q)
    )
    return parts.private_key()


def _prime(chance: random.Random, bits: int) -> int:
    start = chance.getrandbits(bits) | 3 << bits - 2 | 1
    for candidate in count(start, 2):
        if all(candidate % small for small in SMALL_PRIMES) and pow(2, candidate - 1, candidate) == 1:
            return candidate
    raise AssertionError("numbers do not end")


def public_octets(key: Key) -> bytes:
    """SubjectPublicKeyInfo in DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def algorithm(dotted: str, parameters: bytes = b"") -> bytes:
    """AlgorithmIdentifier with encoded parameters, or without any."""
    return der.sequence(der.oid(dotted), parameters)


@dataclass(frozen=True)
class Scheme:
    """A way to sign: the encoded signatureAlgorithm, and a function that signs octets with a key."""

    identifier: bytes
    sign: Callable[[Key, bytes], bytes]


def ecdsa(name: str = "sha256", named: str | None = None) -> Scheme:
    """ECDSA with the digest *name* (RFC 5758 3.2); *named* is the digest of a false signatureAlgorithm."""
    signature_algorithm = ec.ECDSA(HASHES[name], deterministic_signing=True)

    def sign(key: Key, octets: bytes) -> bytes:
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key.sign(octets, signature_algorithm)

    return Scheme(algorithm(ECDSA_OIDS[named or name]), sign)


def pkcs1(name: str = "sha256", dotted: str | None = None) -> Scheme:
    """RSASSA-PKCS1-v1_5 (RFC 5754 3.2): the OID of RSA with that digest, or *dotted*."""

    def sign(key: Key, octets: bytes) -> bytes:
        assert isinstance(key, rsa.RSAPrivateKey)
        return key.sign(octets, padding.PKCS1v15(), HASHES[name])

    return Scheme(algorithm(dotted or RSA_OIDS[name], NULL), sign)


def pss(said_salt: int = 32) -> Scheme:
    """RSASSA-PSS with SHA-256 and a salt of 32 octets (RFC 4056 3); *said_salt* is the length in its parameters."""
    sha256 = algorithm(DIGEST_OIDS["sha256"], NULL)
    fields = (sha256, algorithm(MGF1, sha256), der.integer(said_salt))
    parameters = der.sequence(*(der.tlv(0xA0 + at, each) for at, each in enumerate(fields)))
    return Scheme(algorithm(RSASSA_PSS, parameters), _pss_sign)


def _pss_sign(key: Key, octets: bytes) -> bytes:
    """RFC 8017 8.1.1 and 9.1.1 with a salt that is the same in every run, which no library offers."""
    assert isinstance(key, rsa.RSAPrivateKey)
    salt = bytes(range(32))
    size = key.key_size // 8
    hashed = digest("sha256", bytes(8) + digest("sha256", octets) + salt)
    block = b"\x01".rjust(size - 65, b"\0") + salt
    mask = b"".join(digest("sha256", hashed + at.to_bytes(4, "big")) for at in range(-(-len(block) // 32)))
    masked = bytearray(a ^ b for a, b in zip(block, mask, strict=False))
    masked[0] &= 0x7F
    private = key.private_numbers()
    encoded = int.from_bytes(bytes(masked) + hashed + b"\xbc", "big")
    return pow(encoded, private.d, private.public_numbers.n).to_bytes(size, "big")


def _ed25519_sign(key: Key, octets: bytes) -> bytes:
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    return key.sign(octets)


ED25519 = Scheme(algorithm("1.3.101.112"), _ed25519_sign)


def usual(key: Key) -> Scheme:
    """The scheme of a key where no other is given."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return ecdsa({256: "sha256", 384: "sha384"}.get(key.key_size, "sha512"))
    return pkcs1() if isinstance(key, rsa.RSAPrivateKey) else ED25519
