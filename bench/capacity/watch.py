"""What is looked at each second of a run, beside the load: the clock, and whether the server is still the same one."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Sequence
from urllib.parse import urljoin

from prometheus_client.parser import text_string_to_metric_families

from bench import BenchError, proc
from bench.capacity.record import ClockReading, ServerStart

TIMEOUT_S = 0.9
"""The clock is read each second, however slow the page is."""

_TRIES = 3
_LIMIT = 1 << 22
_STARTS = ("process_start_time_seconds", "tsa_worker_start_time_seconds")
"""The second for each worker: one that dies is replaced under the same supervisor."""


class Watch:
    """Readings since `origin` (s, monotonic clock); `identity` tells which server answers, "" where it cannot."""

    def __init__(self, origin: float, identity: Callable[[], str]) -> None:
        self.clock: list[ClockReading] = []
        self.starts: list[ServerStart] = []
        self._origin, self._identity = origin, identity

    def tick(self) -> None:
        """Take one reading of each."""
        self.clock.append(self._clock())
        if identity := self._identity():
            self.starts.append(ServerStart(self.clock[-1].at, identity))

    def _clock(self) -> ClockReading:
        """Both clocks, at moments as close as they come: what the machine does between them is no jump."""
        readings = []
        for _ in range(_TRIES):
            before, wall = time.monotonic(), time.time()
            readings.append((time.monotonic() - before, before - self._origin, wall))
        _, at, wall = min(readings)
        return ClockReading(at, wall - at)


class OwnServer:
    """Tells the processes of a server on this machine apart from any that take their place.

    They are those that it has when it is ready: what it starts later, for a moment, are no workers.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._first = self._family()

    def __call__(self) -> str:
        return " ".join(member for member in self._family() if member in self._first) or "ended"

    def _family(self) -> list[str]:
        try:
            return [f"{pid}@{proc.started(pid)}" for pid in proc.family(self._pid)]
        except BenchError:
            return []


class OtherServer:
    """Tells a restart of a server from its /metrics: the starts of its process and workers, stamps that became fewer.

    Where the server has no such page, no answer is taken for a reading, and the same goes for a page without them.
    """

    def __init__(self, url: str) -> None:
        self._page = urljoin(url, "/metrics")
        self._stamps = 0.0
        self._fallen = 0

    def __call__(self) -> str:
        try:
            with urllib.request.urlopen(self._page, timeout=TIMEOUT_S) as answer:  # noqa: S310 - checked by reach()
                page = str(answer.read(_LIMIT), "utf-8")
            return self.identity(page)
        except (OSError, ValueError):
            return ""

    def identity(self, page: str) -> str:
        """What a metrics page tells, "" when it is nothing."""
        stamps = sum(_values(page, "tsa_stamps_total"))
        if stamps < self._stamps:
            self._fallen += 1
        self._stamps = stamps
        told = [f"{name} {start:.2f}" for name in _STARTS for start in _values(page, name)]
        if _values(page, "tsa_stamps_total"):
            told.append(f"tsa_stamps_total fell {self._fallen} times")
        return ", ".join(told)


def _values(page: str, name: str) -> Sequence[float]:
    return sorted(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name
    )
