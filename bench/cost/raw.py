"""The raw signature: the CPU time of one by `cryptography` alone, in a tight loop without a server."""

import os
import time
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

CHUNK_NS = 10_000_000
CHUNKS = 25
OCTETS = 200
"""About the size of a token's signed attributes, over which a TSU signs (RFC 5652 5.4)."""

CURVES: dict[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    "p256": (ec.SECP256R1(), hashes.SHA256()),
    "p384": (ec.SECP384R1(), hashes.SHA384()),
    "p521": (ec.SECP521R1(), hashes.SHA512()),
}
MODULI = {"rsa2048": 2048, "rsa3072": 3072, "rsa4096": 4096}
KEYS = (*CURVES, *MODULI, "ed25519")


def signature(key: str) -> Callable[[], bytes]:
    """A call that signs 200 octets with a new key of this type, and with the digest of its tokens."""
    data = os.urandom(OCTETS)
    if key in CURVES:
        curve, digest = CURVES[key]
        ecdsa, ec_key = ec.ECDSA(digest), ec.generate_private_key(curve)
        return lambda: ec_key.sign(data, ecdsa)
    if key in MODULI:
        pkcs1, sha256, rsa_key = padding.PKCS1v15(), hashes.SHA256(), rsa.generate_private_key(65537, MODULI[key])
        return lambda: rsa_key.sign(data, pkcs1, sha256)
    ed_key = ed25519.Ed25519PrivateKey.generate()
    return lambda: ed_key.sign(data)


def chunks_us(sign: Callable[[], object]) -> list[float]:
    """µs of this thread's CPU a signature, once for each of 25 chunks of at least 10 ms."""
    count = 1
    while _thread_ns(sign, count) < CHUNK_NS:
        count *= 2
    return [_thread_ns(sign, count) / count / 1000 for _ in range(CHUNKS)]


def _thread_ns(sign: Callable[[], object], count: int) -> int:
    started = time.thread_time_ns()
    for _ in range(count):
        sign()
    return time.thread_time_ns() - started
