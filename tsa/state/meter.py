"""The counts of every worker process, in memory that all of them share: any worker can answer for all (decision 12).

A worker writes only its own slice, so nothing is locked; a reader may see a batch half counted, never a lost count.
The memory outlives a worker: the worker that takes its place counts on.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Sequence

from tsa.protocol.errors import PKIFailureInfo, Refusal

LATENCY_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

_FAILURES = list(PKIFailureInfo)
_BATCHES, _STAMPS, _LATENCY_US, _QUEUE, _CONNECTIONS, _COMMIT_US, _LEDGER_SEQ, _FAULT, _STARTED = range(9)
_REFUSALS = 9
_LATENCIES = _REFUSALS + len(_FAILURES)
_BATCH_SIZES = _LATENCIES + len(LATENCY_BOUNDS_S) + 1
_COMMITS = _BATCH_SIZES + len(BATCH_BOUNDS) + 1
_WORDS = _COMMITS + len(LATENCY_BOUNDS_S) + 1


class Meter:
    """The counts of one worker process: stamps, refusals by failInfo, latencies (seconds), batch sizes, two gauges."""

    def __init__(self, words: memoryview) -> None:
        self._words = words

    def batch(self, latencies_s: Sequence[float]) -> None:
        """Count a batch that was stamped: for each stamp the seconds from its request's arrival to its answer."""
        words = self._words
        for latency in latencies_s:
            words[_LATENCIES + bisect_left(LATENCY_BOUNDS_S, latency)] += 1
        words[_LATENCY_US] += int(sum(latencies_s) * 1e6)
        words[_STAMPS] += len(latencies_s)
        words[_BATCH_SIZES + bisect_left(BATCH_BOUNDS, len(latencies_s))] += 1
        words[_BATCHES] += 1

    def commit(self, seconds: float, seq: int) -> None:
        """Count a ledger commit, and the number of the newest row."""
        self._words[_COMMITS + bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        self._words[_COMMIT_US] += int(seconds * 1e6)
        self._words[_LEDGER_SEQ] = seq

    def refused(self, refusal: Refusal) -> None:
        """Count one refusal."""
        self._words[_REFUSALS + _FAILURES.index(refusal.fail_info)] += 1

    @property
    def stamps(self) -> int:
        return int(self._words[_STAMPS])

    @property
    def queue(self) -> int:
        """Requests that wait to be signed."""
        return int(self._words[_QUEUE])

    @queue.setter
    def queue(self, waiting: int) -> None:
        self._words[_QUEUE] = waiting

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return int(self._words[_CONNECTIONS])

    @connections.setter
    def connections(self, count: int) -> None:
        self._words[_CONNECTIONS] = count

    @property
    def refusals(self) -> dict[PKIFailureInfo, int]:
        return {failure: self._words[_REFUSALS + at] for at, failure in enumerate(_FAILURES)}

    @property
    def latencies(self) -> tuple[list[int], float]:
        """Stamps by LATENCY_BOUNDS_S (the last: above all bounds), and the sum in seconds."""
        return self._words[_LATENCIES:_BATCH_SIZES].tolist(), self._words[_LATENCY_US] / 1e6

    @property
    def batch_sizes(self) -> tuple[list[int], int]:
        """Batches by BATCH_BOUNDS (the last: above all bounds), and the stamps in them."""
        return self._words[_BATCH_SIZES:_COMMITS].tolist(), self.stamps

    @property
    def commits(self) -> tuple[list[int], float]:
        """Ledger commits by LATENCY_BOUNDS_S (the last: above all bounds), and the sum in seconds."""
        return self._words[_COMMITS:_WORDS].tolist(), self._words[_COMMIT_US] / 1e6

    @property
    def started(self) -> int:
        """When the present worker process began, seconds since the epoch."""
        return int(self._words[_STARTED])

    @started.setter
    def started(self, second: int) -> None:
        self._words[_STARTED] = second

    @property
    def ledger_fault(self) -> bool:
        """Whether the worker cannot record stamps now."""
        return bool(self._words[_FAULT])

    @ledger_fault.setter
    def ledger_fault(self, at_fault: bool) -> None:
        self._words[_FAULT] = at_fault

    @property
    def ledger_seq(self) -> int:
        """The number of the newest row in the worker's ledger file."""
        return int(self._words[_LEDGER_SEQ])


def shared_meters(workers: int) -> list[Meter]:
    """A meter a worker, in memory that processes forked from here share."""
    words = memoryview(mmap.mmap(-1, workers * _WORDS * 8)).cast("Q")
    return [Meter(words[at * _WORDS : (at + 1) * _WORDS]) for at in range(workers)]
