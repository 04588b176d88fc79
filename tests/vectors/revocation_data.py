"""Revocation data in DER by hand: CRLs and OCSP responses, right and wrong."""

from dataclasses import dataclass

from tests.support import der
from tests.support.query import DIGEST_OIDS, digest
from tests.vectors.keys import Key, Scheme, algorithm, usual
from tests.vectors.parties import ISSUING, ROOT, Party, extension, key_bits, key_identifier, signed, time


@dataclass(frozen=True)
class Revoked:
    """An entry of a CRL: certificate, revocationDate, CRLReason and invalidityDate (RFC 5280 5.3)."""

    party: Party
    since: str
    reason: int | None = None
    invalid: str | None = None

    def encode(self) -> bytes:
        """The element of revokedCertificates."""
        code = b"" if self.reason is None else extension("2.5.29.21", der.tlv(0x0A, bytes([self.reason])))
        if self.invalid is not None:
            code += extension("2.5.29.24", der.tlv(der.GENERALIZED_TIME, self.invalid.encode()))
        return der.sequence(der.integer(self.party.serial), time(self.since), der.sequence(code) if code else b"")


def crl(
    issuer: Party,
    *revoked: Revoked,
    this_update: str = "20251101000000Z",
    next_update: str = "20491101000000Z",
    extensions: tuple[bytes, ...] = (),
    signing_key: Key | None = None,
    version: int = 1,
) -> bytes:
    """CertificateList (RFC 5280 5.1) of an issuer; the *signing_key* of another party makes a forged CRL."""
    scheme = usual(signing_key or issuer.key)
    entries = [each.encode() for each in revoked]
    authority_key = extension("2.5.29.35", der.sequence(der.tlv(0x80, key_identifier(issuer.key))))
    to_be_signed = der.sequence(
        der.integer(version),
        scheme.identifier,
        issuer.subject,
        time(this_update),
        time(next_update),
        der.sequence(*entries) if entries else b"",
        der.tlv(0xA0, der.sequence(authority_key, extension("2.5.29.20", der.integer(7)), *extensions)),
    )
    return signed(scheme, signing_key or issuer.key, to_be_signed)


GOOD, UNKNOWN = der.tlv(0x80), der.tlv(0x82)


def revoked_status(since: str, reason: int | None = None) -> bytes:
    """CertStatus revoked (RFC 6960 4.2.1)."""
    code = b"" if reason is None else der.tlv(0xA0, der.tlv(0x0A, bytes([reason])))
    return der.tlv(0xA1, der.tlv(der.GENERALIZED_TIME, since.encode()), code)


def ocsp(
    party: Party,
    issuer: Party,
    status: bytes = GOOD,
    *,
    responder: Party | None = None,
    name: str = "sha1",
    this_update: str = "20251101000000Z",
    next_update: str = "20491101000000Z",
    extensions: tuple[bytes, ...] = (),
    scheme: Scheme | None = None,
    times: int = 1,
) -> bytes:
    """OCSPResponse (RFC 6960 4.2.1) about *party*, by its issuer or by a responder whose certificate is in it.

    *name* is the hash algorithm of its CertID; `times` is how often it has the same SingleResponse.
    """
    by = responder or issuer
    hashed = (der.tlv(der.OCTET_STRING, digest(name, each)) for each in (issuer.subject, key_bits(issuer.key)))
    identifier = der.sequence(
        algorithm(DIGEST_OIDS[name]),
        *hashed,
        der.integer(party.serial),
    )
    moment, until = (der.tlv(der.GENERALIZED_TIME, each.encode()) for each in (this_update, next_update))
    more = der.tlv(0xA1, der.sequence(*extensions)) if extensions else b""
    single = der.sequence(identifier, status, moment, der.tlv(0xA0, until), more)
    data = der.sequence(der.tlv(0xA1, by.subject), moment, der.sequence(*[single] * times))
    certificates = der.tlv(0xA0, der.sequence(responder.certificate)) if responder else b""
    basic = signed(scheme or usual(by.key), by.key, data, certificates)
    octets = der.sequence(der.oid("1.3.6.1.5.5.7.48.1.1"), der.tlv(der.OCTET_STRING, basic))
    return der.sequence(der.tlv(0x0A, b"\0"), der.tlv(0xA0, octets))


CRLS = (crl(ROOT), crl(ISSUING))
