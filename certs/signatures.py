"""AlgorithmIdentifiers, and the check of a signature by its key, as strict as a verification needs it."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, cast

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from certs.der import NULL, SEQUENCE, Malformed, Reader
from signer.algorithms import HASHES, HASHES_BY_OID, RSASSA_PSS, SIGNATURES, kind_of

WEAK_HASHES = ("sha1",)
MIN_RSA_BITS, MIN_EC_BITS = 2048, 224
MAX_OCTETS = 1024  # of an AlgorithmIdentifier, which is kept from token to token

_MGF1 = "1.2.840.113549.1.1.8"
_MAX_SALT_OCTETS = 512
_NULL = bytes([NULL, 0])


class AlgorithmIdentifier(NamedTuple):
    """AlgorithmIdentifier (RFC 5280 4.1.1.2): a dotted OID, and the parameters in DER, empty where absent."""

    oid: str
    parameters: bytes = b""

    @classmethod
    def read(cls, reader: Reader, name: str) -> AlgorithmIdentifier:
        """The next element. Raises Malformed."""
        element = reader.element(SEQUENCE, name)
        if len(element) > MAX_OCTETS:
            raise Malformed(f"{name} of at most {MAX_OCTETS} octets (our limit)", str(len(element)))
        return _algorithm(element)

    def hash_name(self, name: str) -> str:
        """The hashlib name of this hash. Raises Malformed where it is no hash that is known here."""
        if self.oid not in HASHES_BY_OID or self.parameters not in (b"", _NULL):
            raise Malformed(f"{name} to be one of {', '.join(HASHES)}", str(self))
        return HASHES_BY_OID[self.oid].name

    def without_null(self) -> AlgorithmIdentifier:
        """The same without parameters where they are NULL, which means the same for a hash (RFC 5754 2)."""
        return AlgorithmIdentifier(self.oid) if self.parameters == _NULL else self

    def __str__(self) -> str:
        parameters = f" with parameters {self.parameters[:32].hex()}" if self.parameters else ""
        known = HASHES_BY_OID.get(self.oid)
        return (known.name if known else self.oid) + parameters


@lru_cache(maxsize=256)
def _algorithm(element: bytes) -> AlgorithmIdentifier:
    fields = Reader(element).into(SEQUENCE, "AlgorithmIdentifier")
    return AlgorithmIdentifier(fields.oid("the algorithm of AlgorithmIdentifier"), fields.rest())


def check_signature(
    key: PublicKeyTypes | None, algorithm: AlgorithmIdentifier, digest: str | None, signature: bytes, signed: bytes
) -> None:
    """Check that `signature` is that of `key` over `signed`.

    `digest` is the hashlib name of the digestAlgorithm beside the signature, None without one: the signature algorithm
    must have the same hash (RFC 8933 3). Raises Malformed where the algorithm does not fit the key, InvalidSignature
    where the signature is another, ValueError or UnsupportedAlgorithm where it cannot be verified.
    """
    known = SIGNATURES.get(algorithm.oid)
    if known is None or known.kind is not kind_of(key):
        kind = kind_of(key) or type(key).__name__
        raise Malformed(f"a signatureAlgorithm for the key, which is of the kind {kind}", str(algorithm))
    pss = _pss(algorithm.parameters) if algorithm.oid == RSASSA_PSS else None
    hash_name = (pss and pss.hash_name) or known.digest or digest
    if digest not in (None, hash_name) or hash_name is None:
        raise Malformed(f"a signatureAlgorithm for the digestAlgorithm {digest}", f"{algorithm} ({hash_name})")
    hasher = HASHES[hash_name].algorithm
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, signed, ec.ECDSA(hasher))
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, signed, pss.padding if pss else padding.PKCS1v15(), hasher)
    else:
        cast(ed25519.Ed25519PublicKey, key).verify(signature, signed)


class _Pss(NamedTuple):
    hash_name: str
    padding: padding.PSS


def _pss(parameters: bytes) -> _Pss:
    """RSASSA-PSS-params (RFC 4055 3.1), whose defaults are SHA-1, MGF1 with SHA-1 and 20 octets of salt."""
    reader = Reader(parameters)
    fields = reader.into(SEQUENCE, "RSASSA-PSS-params")
    reader.ends("RSASSA-PSS-params")
    hash_name = mask = "sha1"
    salt = 20
    if fields.tag == 0xA0:
        hash_name = AlgorithmIdentifier.read(fields.into(0xA0, "hashAlgorithm"), "hashAlgorithm").hash_name("the hash")
    if fields.tag == 0xA1:
        mask = _mask_hash(AlgorithmIdentifier.read(fields.into(0xA1, "maskGenAlgorithm"), "maskGenAlgorithm"))
    if fields.tag == 0xA2:
        salt = fields.into(0xA2, "saltLength").integer("saltLength")
    if fields.tag == 0xA3 and (trailer := fields.into(0xA3, "trailerField").integer("trailerField")) != 1:
        raise Malformed("the trailerField 1", str(trailer))
    fields.ends("RSASSA-PSS-params")
    if not 0 <= salt <= _MAX_SALT_OCTETS:
        raise Malformed(f"a saltLength of at most {_MAX_SALT_OCTETS}", str(salt))
    return _Pss(hash_name, padding.PSS(padding.MGF1(HASHES[mask].algorithm), salt))


def _mask_hash(algorithm: AlgorithmIdentifier) -> str:
    if algorithm.oid != _MGF1:
        raise Malformed("MGF1 as maskGenAlgorithm", str(algorithm))
    return AlgorithmIdentifier.read(Reader(algorithm.parameters), "the hash of MGF1").hash_name("the hash of MGF1")
