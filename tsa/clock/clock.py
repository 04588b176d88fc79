"""genTime, µs since the epoch in UTC, and its accuracy (RFC 3161 2.4.2).

genTime never goes back, and is never given while the clock is not trusted (RFC 3628 7.3.1, EN 319 421 7.7.1): every
batch asks the gate.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from tsa.clock.gate import NOBODY_MEASURES_US, Gate, SharedGate
from tsa.protocol.errors import TimeNotAvailable
from tsa.state.faults import Fault

CLOSED = "The clock of this authority is not trusted now: try again later."
UNWATCHED = "Nobody has looked at the clock for a while: the process that measures it does not answer."
_LOOKS = 4


class ClockFault(Fault):
    """The clock cannot serve as [clock] wants it to; the text says what to do."""


class ClockPair(NamedTuple):
    """The wall clock and CLOCK_BOOTTIME, which nobody sets, both in ns: a step shows as a difference between the two.

    Tests inject their own.
    """

    wall_ns: Callable[[], int] = time.time_ns
    boot_ns: Callable[[], int] = partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)

    def read(self) -> tuple[int, int]:
        """(wall, boot) of one moment, µs."""
        return self.wall_ns() // 1_000, self.boot_ns() // 1_000

    def read_calmly(self, gate: Gate) -> tuple[int, int]:
        """(wall, boot) of one moment, µs: of several looks the one that shows the smallest step.

        A process that is halted between its two readings would see a step that never was.
        """
        looks = [self.read() for _ in range(_LOOKS)]
        return min(looks, key=lambda look: abs(gate.stepped(*look)))


class Clock:
    """The clock of one process that stamps, behind `gate`."""

    def __init__(self, gate: SharedGate, clocks: ClockPair | None = None) -> None:
        self.gate = gate
        self.epoch = 0
        self._clocks = clocks or ClockPair()
        self._last_us = 0
        self._stepped_in: Gate | None = None  # the gate in which a step was seen: closed until the next one

    def wall_us(self) -> int:
        """What the clock shows, trusted or not."""
        return self._clocks.wall_ns() // 1_000

    def gen_time(self) -> tuple[int, int]:
        """(genTime in µs since the epoch, accuracy in µs); genTime never goes back. Raises TimeNotAvailable."""
        gate = self.gate.read()
        wall, boot = self._clocks.read()
        accuracy, why = self._judge(gate, wall, boot)
        if why:
            wall, boot = self._clocks.read_calmly(gate)
            accuracy, why = self._judge(gate, wall, boot)
        if why:
            if gate.trusted and abs(gate.stepped(wall, boot)) > gate.max_step_us:
                self._stepped_in, self.gate.suspected = gate, True
            raise TimeNotAvailable(CLOSED)
        self._last_us = max(wall, self._last_us, gate.newest_us)
        return self._last_us, accuracy

    def why_closed(self) -> str:
        """Why no genTime can be given now; empty where one can."""
        gate = self.gate.read()
        return self._judge(gate, *self._clocks.read_calmly(gate))[1]

    def begin_epoch(self, epoch: int) -> None:
        """Forget the last genTime: a person accepted it as wrong, so it must not hold up right ones."""
        self.epoch, self._last_us = epoch, 0

    def _judge(self, gate: Gate, wall_us: int, boot_us: int) -> tuple[int, str]:
        """As Gate.judge(), with the reasons that only this process knows."""
        if boot_us - self.gate.alive_us > NOBODY_MEASURES_US:
            return 0, UNWATCHED
        if gate is self._stepped_in:
            return 0, "The clock was stepped and has not been measured since."
        if gate.epoch != self.epoch:
            return 0, "The ledger is begun anew after `tsa clock accept`."
        return gate.judge(wall_us, boot_us, self._last_us)
