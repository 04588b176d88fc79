"""Signatures of every kind, and signatures that the signer did not make over the attributes."""

from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.support import der
from tests.vectors.keys import ED25519, RSA_ENCRYPTION, Scheme, ec_key, ecdsa, ed25519_key, pkcs1, pss, rsa_key
from tests.vectors.parties import ISSUING, TSU
from tests.vectors.tokens import Token
from tests.vectors.vector import Vector, by, fails, proves

GOOD = Token()
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
P384 = ISSUING.issue("TSU P-384", key=ec_key("TSU P-384", ec.SECP384R1()))
P521 = ISSUING.issue("TSU P-521", key=ec_key("TSU P-521", ec.SECP521R1()))
RSA = ISSUING.issue("TSU RSA", key=rsa_key("TSU RSA"))
EDWARDS = ISSUING.issue("TSU Ed25519", key=ed25519_key("TSU Ed25519"))


def _flipped(octets: bytes) -> bytes:
    return octets[:-1] + bytes([octets[-1] ^ 1])


def _numbers(change: Callable[[int, int], tuple[int, int]]) -> Token:
    """The good token with r and s of its signature changed."""
    return replace(
        GOOD, signature=lambda octets: der.sequence(*map(der.integer, change(*decode_dss_signature(octets))))
    )


@proves()
def p384() -> Vector:
    """ECDSA by a P-384 key with SHA-384."""
    return by(P384, Token(digest="sha384"))


@proves()
def p521() -> Vector:
    """ECDSA by a P-521 key with SHA-512."""
    return by(P521, Token(digest="sha512"))


@proves()
def p256_sha512() -> Vector:
    """ECDSA by a P-256 key with SHA-512."""
    return by(TSU, Token(digest="sha512", scheme=ecdsa("sha512")))


@proves()
def rsa_pkcs1() -> Vector:
    """RSA PKCS#1 v1.5, signatureAlgorithm sha256WithRSAEncryption."""
    return by(RSA)


@proves()
def rsa_encryption() -> Vector:
    """RSA PKCS#1 v1.5, signatureAlgorithm rsaEncryption (RFC 5754 3.2 has both)."""
    return by(RSA, Token(scheme=pkcs1("sha256", RSA_ENCRYPTION)))


@proves()
def rsa_pss() -> Vector:
    """RSASSA-PSS with SHA-256."""
    return by(RSA, Token(scheme=pss()))


@proves("SHA-1")
def rsa_sha1() -> Vector:
    """RSA PKCS#1 v1.5 with SHA-1, in digestAlgorithm and signature."""
    return by(RSA, Token(digest="sha1", scheme=pkcs1("sha1")))


@proves("192 bits")
def p192() -> Vector:
    """ECDSA by a P-192 key with SHA-256."""
    return by(ISSUING.issue("TSU P-192", key=ec_key("TSU P-192", ec.SECP192R1())), Token(scheme=ecdsa()))


@proves("1024 bits")
def rsa_1024() -> Vector:
    """RSA PKCS#1 v1.5 by a key of 1024 bits."""
    return by(ISSUING.issue("TSU RSA-1024", key=rsa_key("TSU RSA-1024", 1024)))


@proves("SHA-1")
def ecdsa_sha1() -> Vector:
    """ECDSA by a P-256 key with SHA-1, in digestAlgorithm and signature."""
    return by(TSU, Token(digest="sha1", scheme=ecdsa("sha1")))


@proves()
def ed25519() -> Vector:
    """Ed25519 with SHA-512 as digestAlgorithm (RFC 8419 3.1)."""
    return by(EDWARDS, Token(digest="sha512"))


@fails(7)
def ed25519_damaged() -> Vector:
    """An Ed25519 signature with its last bit changed."""
    return by(EDWARDS, Token(digest="sha512", signature=_flipped))


@fails(7)
def rsa_damaged() -> Vector:
    """An RSA signature with its last bit changed."""
    return by(RSA, Token(signature=_flipped))


@fails(7)
def rsa_pss_damaged() -> Vector:
    """An RSASSA-PSS signature with its last bit changed."""
    return by(RSA, Token(scheme=pss(), signature=_flipped))


@fails(7)
def rsa_pss_other_salt() -> Vector:
    """An RSASSA-PSS signature with a salt of 32 octets whose parameters say 20."""
    return by(RSA, Token(scheme=pss(said_salt=20)))


@fails(7)
def rsa_pkcs1_named_pss() -> Vector:
    """A PKCS#1 v1.5 signature whose signatureAlgorithm is RSASSA-PSS."""
    return by(RSA, Token(scheme=Scheme(pss().identifier, pkcs1().sign)))


@fails(7)
def rsa_digest_of_another() -> Vector:
    """signatureAlgorithm sha512WithRSAEncryption, made and digested with SHA-256."""
    return by(RSA, Token(scheme=pkcs1("sha256", "1.2.840.113549.1.1.13")))


@fails(7)
def rsa_named_for_an_elliptic_key() -> Token:
    """signatureAlgorithm sha256WithRSAEncryption over an ECDSA signature."""
    return replace(GOOD, scheme=Scheme(pkcs1().identifier, ecdsa().sign))


@fails(7)
def ecdsa_named_for_another_digest() -> Token:
    """signatureAlgorithm ecdsa-with-SHA384, made and digested with SHA-256."""
    return replace(GOOD, scheme=ecdsa("sha256", named="sha384"))


@fails(7)
def ed25519_named_for_an_elliptic_key() -> Token:
    """signatureAlgorithm Ed25519 over an ECDSA signature."""
    return replace(GOOD, scheme=Scheme(ED25519.identifier, ecdsa().sign))


@fails(7)
def signature_empty() -> Token:
    """A signature of no octets."""
    return replace(GOOD, signature=lambda _: b"")


@fails(7)
def signature_of_text() -> Token:
    """A signature of letters."""
    return replace(GOOD, signature=lambda _: b"Signed: the authority")


@fails(7)
def signature_trailing_octet() -> Token:
    """An ECDSA signature with one more octet after it."""
    return replace(GOOD, signature=lambda octets: octets + b"\0")


@fails(7)
def ecdsa_raw() -> Token:
    """An ECDSA signature as the octets of r and s joined, not as a SEQUENCE."""
    return replace(
        GOOD, signature=lambda octets: b"".join(each.to_bytes(32, "big") for each in decode_dss_signature(octets))
    )


@fails(7)
def ecdsa_r_changed() -> Token:
    """An ECDSA signature with r + 1."""
    return _numbers(lambda r, s: (r + 1, s))


@fails(7)
def ecdsa_s_changed() -> Token:
    """An ECDSA signature with s + 1."""
    return _numbers(lambda r, s: (r, s + 1))


@fails(7)
def ecdsa_zero() -> Token:
    """An ECDSA signature of r = 0 and s = 0 (CVE-2022-21449)."""
    return _numbers(lambda r, s: (0, 0))


@fails(7)
def ecdsa_beyond_the_order() -> Token:
    """An ECDSA signature with s + n, n being the order of the curve."""
    return _numbers(lambda r, s: (r, s + ORDER))


@fails(7)
def ecdsa_negative() -> Token:
    """An ECDSA signature with -r."""
    return _numbers(lambda r, s: (-r, s))


@proves()
def ecdsa_other_half() -> Token:
    """An ECDSA signature with n - s in place of s: ECDSA accepts both."""
    return _numbers(lambda r, s: (r, ORDER - s))


@fails(7)
def signed_without_attributes() -> Token:
    """Signed attributes, and a signature over the TSTInfo alone."""
    return replace(GOOD, sign_over=lambda _: GOOD.e_content)


@fails(7)
def signed_as_implicit() -> Token:
    """The signature is over the attributes with their tag [0], not as a SET OF (RFC 5652 5.4)."""
    return replace(GOOD, sign_over=lambda octets: b"\xa0" + octets[1:])


@fails(7)
def time_set_back() -> Token:
    """A good token whose genTime, and messageDigest with it, were changed after it was signed."""
    early = replace(GOOD, content=GOOD.e_content.replace(b"20250601", b"20250501"))
    return replace(early, sign_over=lambda _: der.tlv(der.SET, *sorted(GOOD.standard())))
