"""The heartbeat of the measurer, for processes that do not share the server's memory, such as `tsa clock`.

A file in the state folder says in which boot of the machine, and at which CLOCK_BOOTTIME, the measurer looked at the
clock last. It is written in place and never synced, so that a full or slow disk does not make the measurer look dead.
"""

from __future__ import annotations

import os
from pathlib import Path

from tsa.clock.gate import NOBODY_MEASURES_US
from tsa.state import layout

EVERY_US = 1_000_000

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Heartbeat:
    """The heartbeat of one measurer, in the folder `state`."""

    def __init__(self, state: Path) -> None:
        self._path = layout.clock_heartbeat(state)
        self._boot = ""
        self._file: int | None = None
        self._due_us = 0

    def beat(self, boot_us: int) -> None:
        """Write that the clock was looked at, at `boot_us`; once in EVERY_US at most. Raises OSError."""
        if boot_us < self._due_us:
            return
        if self._file is None:  # not before: where it cannot be written, the clock is still measured
            self._boot = _BOOT_ID.read_text().strip()
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.pwrite(self._file, f"{self._boot} {boot_us:020d}\n".encode(), 0)
        self._due_us = boot_us + EVERY_US


def is_watched(state: Path, boot_us: int) -> bool:
    """Whether a measurer has looked at the clock, at most NOBODY_MEASURES_US before `boot_us`."""
    try:
        boot, _, at = layout.clock_heartbeat(state).read_text().partition(" ")
        return boot == _BOOT_ID.read_text().strip() and boot_us - int(at) <= NOBODY_MEASURES_US
    except (OSError, ValueError):
        return False
