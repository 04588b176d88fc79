"""TimeStampReq (RFC 3161 2.4.1), right and wrong, octet by octet."""

import hashlib
import os
from dataclasses import dataclass, field
from typing import TypedDict

from tests.support import der

DIGEST_OIDS = {
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
    "sha3-256": "2.16.840.1.101.3.4.2.8",
    "sha3-384": "2.16.840.1.101.3.4.2.9",
    "sha3-512": "2.16.840.1.101.3.4.2.10",
    "sha1": "1.3.14.3.2.26",
    "md5": "1.2.840.113549.2.5",
}
DEFAULT_POLICY = "2.999.3161.1"
ABSENT = b""
NULL = bytes([der.NULL, 0])


def digest(name: str, data: bytes) -> bytes:
    """The digest of *data* under a name of `DIGEST_OIDS`."""
    return hashlib.new(name.replace("sha3-", "sha3_"), data).digest()


def imprint(name: str = "sha256", hashed: bytes | None = None, parameters: bytes = ABSENT) -> bytes:
    """A MessageImprint; *hashed* is a digest of random octets when not given, *parameters* are encoded already."""
    hashed = digest(name, os.urandom(16)) if hashed is None else hashed
    return imprint_of(der.sequence(der.oid(DIGEST_OIDS[name]), parameters), hashed)


def imprint_of(algorithm: bytes, hashed: bytes) -> bytes:
    """A MessageImprint from an encoded AlgorithmIdentifier and a digest."""
    return der.sequence(algorithm, der.tlv(der.OCTET_STRING, hashed))


@dataclass(frozen=True)
class Query:
    """A TimeStampReq by its parts; `None` means that the part is absent.

    `nonce` and `cert_req` are contents octets, so that encodings which are not DER can be written too.
    """

    imprint: bytes = field(default_factory=imprint)
    version: bytes = field(default_factory=lambda: der.integer(1))
    policy: str | None = None
    nonce: bytes | None = field(default_factory=lambda: b"\x01" + os.urandom(7))
    cert_req: bytes | None = b"\xff"
    extensions: bytes | None = None

    @property
    def wants_certificates(self) -> bool:
        """Whether certReq is TRUE (X.690 8.2.2: any octet but zero)."""
        return bool(self.cert_req and self.cert_req[0])

    def encode(self) -> bytes:
        """The octets of the request."""
        parts = [self.version, self.imprint]
        if self.policy is not None:
            parts.append(der.oid(self.policy))
        if self.nonce is not None:
            parts.append(der.tlv(der.INTEGER, self.nonce))
        if self.cert_req is not None:
            parts.append(der.tlv(der.BOOLEAN, self.cert_req))
        if self.extensions is not None:
            parts.append(self.extensions)
        return der.sequence(*parts)


class Parts(TypedDict, total=False):
    """The parts of a Query that a test chooses."""

    imprint: bytes
    version: bytes
    policy: str | None
    nonce: bytes | None
    cert_req: bytes | None
    extensions: bytes | None


def extension(dotted: str, *, critical: bool) -> bytes:
    """An `extensions [0] IMPLICIT Extensions` field with one extension of the given OID."""
    flag = der.tlv(der.BOOLEAN, b"\xff") if critical else b""
    return der.tlv(0xA0, der.sequence(der.oid(dotted), flag, der.tlv(der.OCTET_STRING, NULL)))
