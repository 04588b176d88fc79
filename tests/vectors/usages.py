"""Certificates that are not for time-stamps alone (RFC 3161 2.3)."""

from tests.vectors.parties import (
    CODE_SIGNING,
    DIGITAL_SIGNATURE,
    ISSUING,
    KEY_CERT_SIGN,
    KEY_ENCIPHERMENT,
    NON_REPUDIATION,
    TIME_STAMPING,
    extended_key_usage,
    key_usage,
)
from tests.vectors.vector import Vector, by, fails, proves

ANY_PURPOSE = "2.5.29.37.0"
SIGNS = key_usage(DIGITAL_SIGNATURE)
STAMPS = extended_key_usage(TIME_STAMPING)


def _tsu(*extensions: bytes) -> Vector:
    """A token by a TSU whose certificate has those extensions."""
    return by(ISSUING.issue("Another TSU", extensions=extensions))


@fails(10)
def eku_missing() -> Vector:
    """No extendedKeyUsage."""
    return _tsu(SIGNS)


@fails(10)
def eku_not_critical() -> Vector:
    """extendedKeyUsage timeStamping, not critical."""
    return _tsu(SIGNS, extended_key_usage(TIME_STAMPING, critical=False))


@fails(10)
def eku_not_sole() -> Vector:
    """extendedKeyUsage timeStamping and codeSigning, critical."""
    return _tsu(SIGNS, extended_key_usage(TIME_STAMPING, CODE_SIGNING))


@fails(10)
def eku_other() -> Vector:
    """extendedKeyUsage codeSigning only, critical."""
    return _tsu(SIGNS, extended_key_usage(CODE_SIGNING))


@fails(10)
def eku_any() -> Vector:
    """extendedKeyUsage anyExtendedKeyUsage, critical."""
    return _tsu(SIGNS, extended_key_usage(ANY_PURPOSE))


@fails(10)
def eku_with_any() -> Vector:
    """extendedKeyUsage timeStamping and anyExtendedKeyUsage, critical."""
    return _tsu(SIGNS, extended_key_usage(TIME_STAMPING, ANY_PURPOSE))


@fails(10)
def key_usage_encipherment() -> Vector:
    """keyUsage keyEncipherment only."""
    return _tsu(key_usage(KEY_ENCIPHERMENT), STAMPS)


@fails(10)
def key_usage_beyond_signing() -> Vector:
    """keyUsage digitalSignature and keyCertSign."""
    return _tsu(key_usage(DIGITAL_SIGNATURE, KEY_CERT_SIGN), STAMPS)


@proves()
def key_usage_absent() -> Vector:
    """No keyUsage."""
    return _tsu(STAMPS)


@proves()
def key_usage_non_repudiation() -> Vector:
    """keyUsage nonRepudiation only."""
    return _tsu(key_usage(NON_REPUDIATION), STAMPS)
