"""The rules on the usage of a TSA's key, and the order in which their faults are told."""

import pytest
from cryptography import x509

from certs.extensions import UsageFault, UsageRule, find_extension, key_usage_fault, purpose_fault
from tests.vectors.parties import (
    DIGITAL_SIGNATURE,
    ISSUING,
    KEY_CERT_SIGN,
    KEY_ENCIPHERMENT,
    NON_REPUDIATION,
    TIME_STAMPING,
    bit_string,
    extended_key_usage,
    extension,
    key_usage,
)

STAMPING = extended_key_usage(TIME_STAMPING)
NOT_CRITICAL = extended_key_usage(TIME_STAMPING, critical=False)


def extensions(*encoded: bytes) -> x509.Extensions:
    return x509.load_der_x509_certificate(ISSUING.issue("TSU", extensions=encoded).certificate).extensions


def test_an_extension_is_found_by_its_kind() -> None:
    found = find_extension(extensions(STAMPING), x509.ExtendedKeyUsage)
    assert found is not None
    assert found.critical
    assert find_extension(extensions(STAMPING), x509.KeyUsage) is None


@pytest.mark.parametrize(
    ("encoded", "fault"),
    [
        ((STAMPING,), None),
        ((), UsageFault(UsageRule.HAS_PURPOSE, "none")),
        ((extended_key_usage("2.999"),), UsageFault(UsageRule.SOLE_PURPOSE, "2.999")),
        (
            (extended_key_usage(TIME_STAMPING, "2.999", critical=False),),
            UsageFault(UsageRule.SOLE_PURPOSE, f"{TIME_STAMPING}, 2.999"),
        ),
        ((NOT_CRITICAL,), UsageFault(UsageRule.CRITICAL_PURPOSE, "that it is not")),
    ],
)
def test_the_purpose_is_time_stamping_alone(encoded: tuple[bytes, ...], fault: UsageFault | None) -> None:
    assert purpose_fault(extensions(*encoded)) == fault


@pytest.mark.parametrize(
    ("usage", "found"),
    [
        (key_usage(DIGITAL_SIGNATURE), None),
        (key_usage(NON_REPUDIATION), None),
        (key_usage(DIGITAL_SIGNATURE, NON_REPUDIATION), None),
        (extension("2.5.29.15", bit_string(b"\0", 7), critical=True), "neither"),
        (key_usage(DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, KEY_CERT_SIGN), "key_encipherment, key_cert_sign"),
    ],
)
def test_the_key_signs_and_nothing_else(usage: bytes, found: str | None) -> None:
    fault = key_usage_fault(extensions(STAMPING, usage))
    assert fault == (found and UsageFault(UsageRule.ONLY_SIGNS, found))


def test_without_key_usage_the_key_may_sign() -> None:
    assert key_usage_fault(extensions(STAMPING)) is None
