"""A clock that a test sets: open, and with nobody who measures it."""

import time
from collections.abc import Callable

from tsa.clock.clock import Clock, ClockPair
from tsa.clock.gate import Gate, SharedGate

MAX_STEP_US = 10_000


def open_gate(accuracy_us: int = 1_000_000) -> SharedGate:
    """A gate that trusts the clock for good, to so many µs; no step of CLOCK_BOOTTIME with the wall is seen."""
    shared = SharedGate()
    shared.alive_us = 1 << 62
    shared.write(
        Gate(trusted=True, floor_us=accuracy_us, max_accuracy_us=1 << 40, max_step_us=MAX_STEP_US, text="a test")
    )
    return shared


def clock(now_ns: Callable[[], int] = time.time_ns, accuracy_us: int = 1_000_000) -> Clock:
    """A clock that shows `now_ns`, ns since the epoch in UTC, and claims so many µs."""
    return Clock(open_gate(accuracy_us), ClockPair(now_ns, now_ns))
