"""The Quota of worker processes on one machine: counters in shared memory, under one lock.

A window is a UTC clock hour, by setting. An application has two entries: for the window in which it last stamped, and
for the one before, to which a batch may still belong when another worker is a moment ahead. The counters are rebuilt
from the ledger when the server starts, so that no issued stamp is forgotten.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tsa.licensing.applications import MAX_ID, Application

# An entry is two words: the number of its window and its stamps, written as one so that a process killed in between
# leaves no window with another's stamps; and its refusals.
_ENTRY = 2
_WORDS = 2 * _ENTRY
_COUNT = (1 << 32) - 1


class Counters:
    """A Quota (quota.py) for the processes that are forked from the one that makes it; `window_s` in seconds.

    The lock is one of the process and not of a thread, so that only the event loop of a worker takes it.
    """

    def __init__(self, window_s: int) -> None:
        self.window_s = window_s
        self._words = memoryview(mmap.mmap(-1, (MAX_ID + 1) * _WORDS * 8)).cast("Q")
        with tempfile.TemporaryFile() as lock:
            self._lock = os.dup(lock.fileno())

    def window(self, microseconds: int) -> int:
        """As Quota says."""
        return microseconds // (self.window_s * 1_000_000)

    def debit(self, wanted: Mapping[Application, int], microseconds: int) -> dict[Application, int]:
        """As Quota says."""
        window, second = self.window(microseconds), microseconds // 1_000_000
        with self._locked():
            return {
                application: self._debit(application.id, application.capacity(second), count, window)
                for application, count in wanted.items()
            }

    def _debit(self, number: int, capacity: int, count: int, window: int) -> int:
        at = self._entry(number, window)
        if at is None:  # this worker is two windows behind the others: it may not stamp
            return 0
        got = max(0, min(count, min(capacity, _COUNT) - (self._words[at] & _COUNT)))
        self._words[at] += got
        self._words[at + 1] += count - got
        return got

    def _entry(self, number: int, window: int) -> int | None:
        """Where the entry of a window is; a new window gets an entry now, a forgotten window has None."""
        words, first = self._words, number * _WORDS
        for at in (first, first + _ENTRY):
            if words[at] >> 32 == window:
                return at
        if words[first] >> 32 > window:
            return self._begin(first + _ENTRY, window) if words[first + _ENTRY] >> 32 < window else None
        if words[first] > words[first + _ENTRY]:  # not so after forget_after()
            words[first + _ENTRY], words[first + _ENTRY + 1] = words[first], words[first + 1]
        return self._begin(first, window)

    def _begin(self, at: int, window: int) -> int:
        self._words[at + 1] = 0
        self._words[at] = window << 32
        return at

    def give_back(self, counts: Mapping[Application, int], microseconds: int) -> None:
        """As Quota says."""
        window = self.window(microseconds)
        with self._locked():
            for application, count in counts.items():
                if (at := self._entry(application.id, window)) is not None:
                    self._words[at] -= count

    def refused(self, number: int, microseconds: int) -> None:
        """As Quota says."""
        with self._locked():
            if (at := self._entry(number, self.window(microseconds))) is not None:
                self._words[at + 1] += 1

    def restore(self, number: int, count: int, window: int) -> None:
        """Count stamps that the ledger has of an application; oldest window first, before anything is served."""
        if (at := self._entry(number, window)) is not None:
            self._words[at] += count

    def forget_after(self, microseconds: int) -> None:
        """As Quota says."""
        window = self.window(microseconds)
        with self._locked():
            for at in range(0, len(self._words), _ENTRY):
                if self._words[at] >> 32 > window:
                    self._words[at] = self._words[at + 1] = 0

    def used(self, number: int, window: int) -> tuple[int, int]:
        """As Quota says."""
        words, first = self._words, number * _WORDS
        with self._locked():
            for at in (first, first + _ENTRY):
                if words[at] >> 32 == window:
                    return words[at] & _COUNT, words[at + 1]
        return 0, 0

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # A process that dies releases the lock; between two words it leaves at most a debit that nobody uses.
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)
