"""Hourly capacity, exact across worker processes (DESIGN 1 and 4): one shared page of counters, under one lock.

A window is a UTC clock hour, by setting. Each application has two entries in the page, for the window it last stamped
in and for the one before, which a batch may still belong to when another worker is a moment ahead. The page is rebuilt
from the ledger when the server starts, so nothing that was issued is forgotten; what is debited and not issued is lost
only with a worker that is killed, to the buyer's loss and never to the seller's.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tsa.licensing.applications import MAX_ID, Application
from tsa.protocol.errors import LicenceExhausted

# An entry is two words: the number of its window and its stamps, written as one so that a process killed in between
# leaves no window with another's stamps; and its refusals.
_ENTRY = 2
_WORDS = 2 * _ENTRY
_COUNT = (1 << 32) - 1


class Counters:
    """The page, for processes forked from the one that makes it; `window_s` is the length of a window in seconds."""

    def __init__(self, window_s: int) -> None:
        self.window_s = window_s
        self._words = memoryview(mmap.mmap(-1, (MAX_ID + 1) * _WORDS * 8)).cast("Q")
        with tempfile.TemporaryFile() as lock:
            self._lock = os.dup(lock.fileno())

    def window(self, microseconds: int) -> int:
        """The number of the window that a genTime, µs since the epoch, lies in."""
        return microseconds // (self.window_s * 1_000_000)

    def debit(self, wanted: Mapping[Application, int], microseconds: int) -> dict[Application, int]:
        """Take as many stamps as each application wants and still has, in the window of a genTime; how many it got."""
        window, second = self.window(microseconds), microseconds // 1_000_000
        with self._locked():
            return {
                application: self._debit(application.id, application.capacity(second), count, window)
                for application, count in wanted.items()
            }

    def _debit(self, number: int, capacity: int, count: int, window: int) -> int:
        at = self._entry(number, window)
        if at is None:  # a worker two windows behind the others has no business to stamp
            return 0
        got = max(0, min(count, min(capacity, _COUNT) - (self._words[at] & _COUNT)))
        self._words[at] += got
        self._words[at + 1] += count - got
        return got

    def _entry(self, number: int, window: int) -> int | None:
        """Where the entry of a window is, begun now if it is a new one; None where it is not remembered."""
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
        """Return stamps that were debited for a genTime and not issued."""
        window = self.window(microseconds)
        with self._locked():
            for application, count in counts.items():
                if (at := self._entry(application.id, window)) is not None:
                    self._words[at] -= count

    def refused(self, number: int, microseconds: int) -> None:
        """Count a refusal to application `number` that is not for want of capacity; it costs no stamp."""
        with self._locked():
            if (at := self._entry(number, self.window(microseconds))) is not None:
                self._words[at + 1] += 1

    def restore(self, number: int, count: int, window: int) -> None:
        """Count stamps of application `number` that the ledger has, oldest window first, before anything is served."""
        if (at := self._entry(number, window)) is not None:
            self._words[at] += count

    def forget_after(self, microseconds: int) -> None:
        """Forget windows after that of a genTime: the clock was ahead, and they are yet to come."""
        window = self.window(microseconds)
        with self._locked():
            for at in range(0, len(self._words), _ENTRY):
                if self._words[at] >> 32 > window:
                    self._words[at] = self._words[at + 1] = 0

    def used(self, number: int, window: int) -> tuple[int, int]:
        """(stamps, refusals) of application `number` in `window`; 0 where it is not remembered."""
        words, first = self._words, number * _WORDS
        with self._locked():
            for at in (first, first + _ENTRY):
                if words[at] >> 32 == window:
                    return words[at] & _COUNT, words[at + 1]
        return 0, 0

    def exhausted(self, application: Application, microseconds: int) -> LicenceExhausted:
        """The refusal of a request for which no stamp is left in its window."""
        second = microseconds // 1_000_000
        return LicenceExhausted(
            f"{application.name} has used all {application.capacity(second)} stamps of its"
            f" {application.licence_count(second)} licences in this window of {self.window_s} s:"
            f" it gets as many in the next.",
            retry_after_s=self.window_s - second % self.window_s,
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # A process that dies lets go of it, and between two words it leaves at most a debit that nobody uses.
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)
