"""Extensions of a certificate, and what those of a TSA say of its key: time-stamps and nothing else (RFC 3161 2.3)."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

_E = TypeVar("_E", bound=x509.ExtensionType)

_SIGNING = ("digital_signature", "content_commitment")
_OTHER_USES = ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")


class UsageRule(Enum):
    """A rule on the extensions of a TSA's certificate: a short phrase on the thing that is expected."""

    HAS_PURPOSE = "extendedKeyUsage"
    SOLE_PURPOSE = "extendedKeyUsage timeStamping alone"
    CRITICAL_PURPOSE = "extendedKeyUsage to be critical"
    ONLY_SIGNS = "keyUsage digitalSignature or nonRepudiation, and no other"


class UsageFault(NamedTuple):
    """The rule that a certificate breaks, and a short phrase on the thing that was found."""

    rule: UsageRule
    found: str


def find_extension(extensions: x509.Extensions, kind: type[_E]) -> x509.Extension[_E] | None:
    """The extension of a kind, None where there is none."""
    try:
        return extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def purpose_fault(extensions: x509.Extensions) -> UsageFault | None:
    """The fault of extendedKeyUsage; None where it is critical, and timeStamping alone (RFC 3161 2.3)."""
    usage = find_extension(extensions, x509.ExtendedKeyUsage)
    if usage is None:
        return UsageFault(UsageRule.HAS_PURPOSE, "none")
    if list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        return UsageFault(UsageRule.SOLE_PURPOSE, ", ".join(purpose.dotted_string for purpose in usage.value))
    if not usage.critical:
        return UsageFault(UsageRule.CRITICAL_PURPOSE, "that it is not")
    return None


def key_usage_fault(extensions: x509.Extensions) -> UsageFault | None:
    """The fault of keyUsage; None where the key may sign and nothing else, or where there is no keyUsage."""
    usage = find_extension(extensions, x509.KeyUsage)
    if usage is None:
        return None
    others = [name for name in _OTHER_USES if getattr(usage.value, name)]
    if others or not any(getattr(usage.value, name) for name in _SIGNING):
        return UsageFault(UsageRule.ONLY_SIGNS, ", ".join(others) or "neither")
    return None
