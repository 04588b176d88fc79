"""A clock that a test sets: open, and with nobody who measures it."""

import time
from collections.abc import Callable

from tsa.clock.clock import Clock, Hands
from tsa.clock.gate import Gate, GatePage

MAX_STEP_US = 10_000


def open_page(accuracy_us: int = 1_000_000) -> GatePage:
    """A page on which the clock is trusted for good, to so many µs; no step of CLOCK_BOOTTIME with the wall is seen."""
    page = GatePage()
    page.alive_us = 1 << 62
    page.write(
        Gate(trusted=True, floor_us=accuracy_us, max_accuracy_us=1 << 40, max_step_us=MAX_STEP_US, text="a test")
    )
    return page


def clock(now_ns: Callable[[], int] = time.time_ns, accuracy_us: int = 1_000_000) -> Clock:
    """A clock that shows `now_ns`, ns since the epoch in UTC, and claims so many µs."""
    return Clock(open_page(accuracy_us), Hands(now_ns, now_ns))
