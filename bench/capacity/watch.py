"""The readings of each second of a run, beside the load: the clock, and the identity of the server."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Sequence
from urllib.parse import urljoin

from prometheus_client.parser import text_string_to_metric_families

from bench import BenchError, proc
from bench.capacity.record import ClockReading, ServerStart

TIMEOUT_S = 0.9
"""Less than a second, so that a slow page does not cost a reading of the clock."""

_TRIES = 3
_LIMIT = 1 << 22
_STARTS = ("process_start_time_seconds", "tsa_worker_start_time_seconds")
"""The second stands once a worker: a worker that dies is replaced under the same supervisor."""


class Watch:
    """Readings since `origin` (s, monotonic clock); `identity` names the server that answers, "" where it cannot."""

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
        """Both clocks, as close together as possible: a pause of the machine between the two is no jump."""
        readings = []
        for _ in range(_TRIES):
            before, wall = time.monotonic(), time.time()
            readings.append((time.monotonic() - before, before - self._origin, wall))
        _, at, wall = min(readings)
        return ClockReading(at, wall - at)


class OwnServer:
    """The identity of a server on this machine: its processes, as long as they live.

    They are those of the moment when it is ready: short-lived processes that it starts later are no workers.
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
    """The identity of a server by its /metrics: the starts of its process and workers, and any fall of its stamps.

    Without such a page, or without these figures in it, there is no reading.
    """

    def __init__(self, url: str) -> None:
        self._page = urljoin(url, "/metrics")
        self._stamps = 0.0
        self._fallen = 0

    def __call__(self) -> str:
        try:
            with urllib.request.urlopen(self._page, timeout=TIMEOUT_S) as answer:  # noqa: S310 - check_address() lets only http and https pass
                page = str(answer.read(_LIMIT), "utf-8")
            return self.identity(page)
        except (OSError, ValueError):
            return ""

    def identity(self, page: str) -> str:
        """The identity in a metrics page, "" without one."""
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
