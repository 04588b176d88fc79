"""The kernel's account of its clock, which the time daemon keeps up to date: adjtimex(2)."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

from tsa.clock.sources.reading import Distrusted, NoAnswer, Reading, next_midnight, seconds

# States that adjtimex(2) returns, and bits of its status: <linux/timex.h>.
TIME_OK, TIME_INS, TIME_DEL, TIME_OOP, TIME_WAIT, TIME_ERROR = range(6)
STA_INS, STA_DEL, STA_UNSYNC, STA_CLOCKERR, STA_NANO = 0x0010, 0x0020, 0x0040, 0x1000, 0x2000


class Timex(ctypes.Structure):
    """struct timex, as the kernel fills it in; the fields after `tolerance` are not used here, but written to."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("rest", ctypes.c_long * 32),
    )


def adjtimex() -> tuple[int, Timex]:
    """The state of the kernel's clock and its account of it, without changing either. Raises OSError."""
    account = Timex(modes=0)
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(account))
    if state < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return state, account


def read_kernel(now_us: int, ask: Callable[[], tuple[int, Timex]] = adjtimex) -> Reading:
    """The kernel's reading of its clock, while that clock shows `now_us`.

    The bound is maxerror, which grows by 500 ppm until the time daemon sets it anew, plus the offset that the daemon
    has still to correct. Raises Distrusted while nothing disciplines the clock, NoAnswer where the kernel does not let
    this process ask.
    """
    try:
        state, account = ask()
    except OSError as fault:
        raise NoAnswer(
            f"The kernel does not say how good its clock is ({fault.strerror}): allow adjtimex to this process, or "
            "choose another of [clock] sources."
        ) from None
    if state == TIME_ERROR or account.status & (STA_UNSYNC | STA_CLOCKERR):
        raise Distrusted(
            "The kernel's clock is not synchronised: start chronyd or another NTP daemon on this machine (`chronyc "
            "tracking` shows how it gets on), or choose another of [clock] sources."
        )
    offset_us = account.offset // 1_000 if account.status & STA_NANO else account.offset
    leap = _leap_is_announced(state, account.status)
    return Reading(
        source="kernel",
        offset_us=offset_us,
        error_us=abs(offset_us) + account.maxerror,
        leap_us=next_midnight(now_us) if leap else None,
        detail=f"synchronised, maximum error {seconds(account.maxerror)}, still to correct {seconds(offset_us)}",
    )


def _leap_is_announced(state: int, status: int) -> bool:
    # STA_INS and STA_DEL stay set in TIME_WAIT, when the leap second is over.
    return state in (TIME_INS, TIME_DEL, TIME_OOP) or (state == TIME_OK and bool(status & (STA_INS | STA_DEL)))
