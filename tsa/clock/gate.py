"""The gate: what is known of the clock, in memory that all processes of the server share (decision 3).

That memory has two places and a number. The measurer writes a new state to the place that is not in use, then
adds 1 to the number, which turns the readers to that place. A reader that saw the number change has read across two
states, and reads again.
"""

from __future__ import annotations

import mmap
import struct
from typing import NamedTuple

_NUMBER, _ALIVE, _SUSPECTED = range(3)
_HEAD = struct.Struct("3q")
_TEXT_OCTETS = 1536

NOBODY_MEASURES_US = 30_000_000
"""How long the measurer may be silent before the gate closes, µs."""


class Gate(NamedTuple):
    """Everything that decides whether a genTime may be given; times and spans in µs.

    `wall` is the wall clock, since the epoch in UTC; `boot` is CLOCK_BOOTTIME, which nobody sets.
    """

    trusted: bool = False
    anchor_us: int = 0  # wall minus boot when the clock was measured: it changes only when the clock is set
    measured_us: int = 0  # boot, when it was measured
    error_us: int = 0  # how far it was off at most then
    drift_ppm: int = 0  # how fast that error grows afterwards
    cut_us: int = 0  # what genTime loses when it is cut to its fraction digits
    floor_us: int = 0  # the best accuracy that is claimed
    max_accuracy_us: int = 0
    max_step_us: int = 0
    leap_from_us: int = 0  # wall: no genTime is given from this moment
    leap_until_us: int = 0  # until this moment
    newest_us: int = 0  # wall: the newest genTime of the ledger
    epoch: int = 0  # how often a person accepted the newest genTime as wrong
    text: str = "The clock has not been measured yet."  # why the clock is trusted, or why not

    def judge(self, wall_us: int, boot_us: int, last_us: int = 0) -> tuple[int, str]:
        """(accuracy in µs, "") where a genTime may be given: `wall_us`, or `last_us` if that is later.

        Else (0, the reason). A clock behind its last genTime by at most max_step repeats that genTime until it catches
        up.
        """
        if not self.trusted:
            return 0, self.text
        step = self.stepped(wall_us, boot_us)
        if abs(step) > self.max_step_us:
            return 0, f"The clock was stepped by {step / 1e6:+.3f} s and has not been measured since."
        late = max(0, last_us - wall_us, self.newest_us - wall_us)
        if late > self.max_step_us:
            return 0, (
                f"The ledger's newest stamp or file lies {late / 1e6:.3f} s in the future by this clock: set the clock"
                " right; if the ledger's time is what is wrong, see `tsa clock accept`."
            )
        if self.leap_from_us <= wall_us < self.leap_until_us:
            return 0, "A leap second is near: [clock] leap_window_s keeps the gate closed around it."
        error = self.error_at(boot_us) + abs(step) + late + self.cut_us
        if error > self.max_accuracy_us:
            age = (boot_us - self.measured_us) / 1e6
            return 0, (
                f"The clock may be off by {error / 1e3:.1f} ms, more than [clock] max_accuracy_ms allows;"
                f" it was last measured {age:.0f} s ago."
            )
        return max(self.floor_us, error), ""

    def stepped(self, wall_us: int, boot_us: int) -> int:
        """By how much the wall clock was set since it was measured, µs."""
        return wall_us - boot_us - self.anchor_us

    def error_at(self, boot_us: int) -> int:
        """The error bound at `boot_us`, µs, if nobody has set the clock since it was measured."""
        return self.error_us + (boot_us - self.measured_us) * self.drift_ppm // 1_000_000

    def has_no_room_for(self, step_us: int) -> bool:
        """Whether the measured error is within max_accuracy, but not together with a step of `step_us`."""
        error = self.error_us + self.cut_us
        return self.trusted and error <= self.max_accuracy_us < error + abs(step_us)


_STATE = struct.Struct(f"?{len(Gate._fields) - 2}q{_TEXT_OCTETS}s")


class SharedGate:
    """A Gate in shared memory, for processes forked from the one that makes it. Only the measurer's process writes."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _HEAD.size + 2 * _STATE.size)
        self._head = memoryview(self._memory)[: _HEAD.size].cast("q")
        self._read: tuple[int, Gate] = (0, Gate())

    @property
    def number(self) -> int:
        """How often the state was written."""
        return self._head[_NUMBER]

    def read(self) -> Gate:
        """The present state; the same object as before, where nothing was written since."""
        while (number := self._head[_NUMBER]) != self._read[0]:
            *state, text = _STATE.unpack_from(self._memory, self._place(number))
            if self._head[_NUMBER] == number:
                self._read = number, Gate._make([*state, text.rstrip(b"\0").decode(errors="replace")])
        return self._read[1]

    def write(self, gate: Gate) -> None:
        """Make `gate` the present state; a long text is cut."""
        *state, text = gate
        number = self.number + 1
        _STATE.pack_into(self._memory, self._place(number), *state, str(text).encode())
        self._head[_NUMBER] = number

    def _place(self, number: int) -> int:
        return _HEAD.size + (number & 1) * _STATE.size

    @property
    def alive_us(self) -> int:
        """When the measurer last looked at the clock, CLOCK_BOOTTIME."""
        return self._head[_ALIVE]

    @alive_us.setter
    def alive_us(self, boot_us: int) -> None:
        self._head[_ALIVE] = boot_us

    @property
    def suspected(self) -> bool:
        """Whether a reader has seen a step that the measurer has not dealt with yet."""
        return bool(self._head[_SUSPECTED])

    @suspected.setter
    def suspected(self, suspected: bool) -> None:
        self._head[_SUSPECTED] = suspected
