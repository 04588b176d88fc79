"""What the supervisor has done again and again, every job in a process of its own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import structlog

from tsa.process.child import guarded

log = structlog.get_logger()


class PeriodicJob:
    """`work`, begun anew `every_s` seconds after it was last begun, and not while it still runs.

    What it fails with is logged as `failing`; its end, where that is worth a line, as `ended`.
    """

    def __init__(self, work: Callable[[], None], every_s: float, *, failing: str, ended: str | None = None) -> None:
        self._work = work
        self._every_s = every_s
        self._failing = failing
        self._ended = ended
        self._due = 0.0
        self._pid: int | None = None

    @property
    def due(self) -> float | None:
        """When it is to be begun, monotonic seconds; None while it runs."""
        return self._due if self._pid is None else None

    def begin(self, let_go: Callable[[], None]) -> None:
        """Begin it, in a child that first lets go of what it has inherited and has no use for."""
        self._due = time.monotonic() + self._every_s
        self._pid = os.fork()
        if self._pid == 0:
            let_go()
            os._exit(guarded(self._work, failing=self._failing))

    def reaped(self, pid: int) -> None:
        """A child has ended, this job's or another."""
        if pid == self._pid:
            self._pid = None
            if self._ended is not None:
                log.info(self._ended)

    def kill(self) -> None:
        """End it now where it runs: all that jobs write is written in transactions, which are whole or not there."""
        if self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)
