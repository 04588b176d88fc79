"""What all time sources share: when an announced leap second falls, and what an address is."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsa.clock.sources.reading import US, host_and_port, next_midnight, next_month

DAY_US = 86_400 * US
TIMES_US = st.integers(0, 4_000_000_000 * US)


def utc(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * US


@given(TIMES_US)
def test_the_next_midnight_is_the_first_after_now(now_us: int) -> None:
    midnight = next_midnight(now_us)
    assert midnight % DAY_US == 0
    assert 0 < midnight - now_us <= DAY_US


@given(TIMES_US)
def test_the_next_month_begins_at_the_first_midnight_that_is_in_another(now_us: int) -> None:
    def month(at_us: int) -> int:
        return datetime.fromtimestamp(at_us // US, UTC).month

    midnight = next_midnight(now_us)
    while month(midnight) == month(now_us):
        midnight += DAY_US
    assert next_month(now_us) == midnight


def test_the_leap_second_of_2016() -> None:
    last = utc(2017, 1, 1) - 1
    assert next_midnight(last) == next_month(last) == next_month(utc(2016, 12, 1)) == utc(2017, 1, 1)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ntp.example", ("ntp.example", 123)),
        ("ntp.example:1123", ("ntp.example", 1123)),
        ("192.0.2.1:65535", ("192.0.2.1", 65535)),
        ("2001:db8::1", ("2001:db8::1", 123)),
        ("[2001:db8::1]", ("2001:db8::1", 123)),
        ("[2001:db8::1]:1", ("2001:db8::1", 1)),
    ],
)
def test_an_address(address: str, expected: tuple[str, int]) -> None:
    assert host_and_port(address, 123) == expected


@pytest.mark.parametrize(
    "address", ["", ":", ":123", "host:", "host:0", "host:65536", "host:ntp", "host:\uff11", "[]:1"]
)
def test_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="is no address such as"):
        host_and_port(address, 123)
