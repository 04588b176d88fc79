"""What the kernel says of its clock, and what is made of it."""

import errno
import os

import pytest

from tsa.clock.sources import kernel
from tsa.clock.sources.kernel import Timex, read_kernel
from tsa.clock.sources.reading import Distrusted, NoAnswer, Reading, next_midnight

NOW_US = 1_800_000_000_000_000


def read(state: int = kernel.TIME_OK, **fields: int) -> Reading:
    return read_kernel(NOW_US, lambda: (state, Timex(**fields)))


def test_the_bound_is_the_maximum_error_and_what_is_still_to_correct() -> None:
    assert read(maxerror=1500, offset=-200).error_us == 1700
    assert read(maxerror=1500, offset=-200).offset_us == -200


def test_an_offset_in_nanoseconds() -> None:
    reading = read(maxerror=1500, offset=200_000, status=kernel.STA_NANO)
    assert (reading.offset_us, reading.error_us) == (200, 1700)


@pytest.mark.parametrize(
    ("state", "status"),
    [(kernel.TIME_ERROR, 0), (kernel.TIME_OK, kernel.STA_UNSYNC), (kernel.TIME_OK, kernel.STA_CLOCKERR)],
)
def test_a_clock_that_nobody_disciplines(state: int, status: int) -> None:
    with pytest.raises(Distrusted, match="not synchronised: start chronyd or another NTP daemon on this machine"):
        read(state, status=status)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (kernel.TIME_INS, kernel.STA_INS),
        (kernel.TIME_DEL, kernel.STA_DEL),
        (kernel.TIME_OOP, kernel.STA_INS),
        (kernel.TIME_OK, kernel.STA_INS),
        (kernel.TIME_OK, kernel.STA_DEL),
    ],
)
def test_a_leap_second_ahead(state: int, status: int) -> None:
    assert read(state, status=status).leap_us == next_midnight(NOW_US)


@pytest.mark.parametrize(
    ("state", "status"), [(kernel.TIME_OK, 0), (kernel.TIME_WAIT, kernel.STA_INS), (kernel.TIME_WAIT, kernel.STA_DEL)]
)
def test_no_leap_second_ahead(state: int, status: int) -> None:
    assert read(state, status=status).leap_us is None


def test_a_kernel_that_does_not_let_us_ask() -> None:
    def forbidden() -> tuple[int, Timex]:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    with pytest.raises(NoAnswer, match="Operation not permitted"):
        read_kernel(NOW_US, forbidden)


def test_the_fields_are_where_this_kernel_puts_them() -> None:
    state, account = kernel.adjtimex()
    assert kernel.TIME_OK <= state <= kernel.TIME_ERROR
    assert account.tolerance == 500 << 16  # ppm, the most that Linux corrects a clock by
    assert account.maxerror >= 0
