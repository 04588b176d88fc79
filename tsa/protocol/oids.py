"""Object identifiers of RFC 3161, 5652, 5035, 5754 and 8419, and the hash algorithms a messageImprint may name."""

from __future__ import annotations

from dataclasses import dataclass

from tsa.protocol import der

ID_SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
ID_CT_TST_INFO = der.oid("1.2.840.113549.1.9.16.1.4")
ID_CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3")
ID_MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4")
ID_SIGNING_TIME = der.oid("1.2.840.113549.1.9.5")
ID_SIGNING_CERTIFICATE_V2 = der.oid("1.2.840.113549.1.9.16.2.47")


@dataclass(frozen=True, slots=True)
class HashAlgorithm:
    """A hash function: its hashlib name, its OID, and the octets of its digest."""

    name: str
    oid: str
    digest_size: int


# The hashes that a messageImprint may name: a choice of what may be stamped, apart from the table of what is known
# (signer/algorithms.py). The protocol imports nothing of ours; a test compares the two.
HASHES = {
    algorithm.name: algorithm
    for algorithm in (
        HashAlgorithm("sha256", "2.16.840.1.101.3.4.2.1", 32),
        HashAlgorithm("sha384", "2.16.840.1.101.3.4.2.2", 48),
        HashAlgorithm("sha512", "2.16.840.1.101.3.4.2.3", 64),
        HashAlgorithm("sha3-256", "2.16.840.1.101.3.4.2.8", 32),
        HashAlgorithm("sha3-384", "2.16.840.1.101.3.4.2.9", 48),
        HashAlgorithm("sha3-512", "2.16.840.1.101.3.4.2.10", 64),
    )
}

WEAK_HASHES = {
    "1.2.840.113549.2.5": "MD5",
    "1.3.14.3.2.26": "SHA-1",
    "2.16.840.1.101.3.4.2.4": "SHA-224",
}
