"""The answer of every time source: a reading of how far the wall clock is from UTC, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

US = 1_000_000  # a second
_DAY_US = 86_400 * US


class NoAnswer(Exception):
    """The source did not answer, so the last reading goes on ageing; the text says what to do."""


class Distrusted(Exception):
    """The source says or shows that this machine's clock cannot be trusted; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement of the wall clock, CLOCK_REALTIME, by one source.

    `offset_us` is UTC minus the wall clock, 0 where the source cannot tell. `error_us` bounds the error of the wall
    clock at the moment of the reading, offset included. `leap_us` is the 00:00:00 UTC, in µs since the epoch, after an
    announced leap second. `detail` is a line for the operator. `reference_us`, where the source tells, is when it last
    heard from its own reference.
    """

    source: str
    offset_us: int
    error_us: int
    leap_us: int | None
    detail: str
    reference_us: int | None = None


def next_midnight(now_us: int) -> int:
    """The first 00:00:00 UTC after `now_us`: the end of the day, where the kernel and chronyd put a leap second."""
    return (now_us // _DAY_US + 1) * _DAY_US


def next_month(now_us: int) -> int:
    """The 00:00:00 UTC at which the month of `now_us` ends, where NTP puts a leap second (RFC 5905 7.3)."""
    today = datetime.fromtimestamp(now_us // US, UTC)
    first = datetime(today.year + today.month // 12, today.month % 12 + 1, 1, tzinfo=UTC)
    return int(first.timestamp()) * US


def host_and_port(address: str, port: int) -> tuple[str, int]:
    """Host and port of HOST, HOST:PORT, an IPv6 address or [IPv6]:PORT; `port` is for an address that names none.

    Raises ValueError where it is neither.
    """
    host, colon, digits = address.rpartition(":")
    if not colon or address.endswith("]") or (":" in host and not host.endswith("]")):  # no port is named
        host, digits = address, str(port)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not digits.isascii() or not digits.isdigit() or not 0 < int(digits) < 65_536:
        raise ValueError(f"{address!r} is no address such as ntp.example, 192.0.2.1:123 or [2001:db8::1]:123")
    return host, int(digits)


def seconds(microseconds: int) -> str:
    """A span of time, signed, as an operator reads it."""
    return f"{microseconds / US:+.6f} s"
