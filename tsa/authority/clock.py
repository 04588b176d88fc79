"""genTime: µs since the epoch in UTC and how far they may be off (RFC 3161 2.4.2). Never backwards."""

from __future__ import annotations

import time
from collections.abc import Callable

from tsa.protocol.errors import TimeNotAvailable

# A clock that is set back by less than this is waited out by repeating the last genTime, well inside the accuracy.
MAX_BACKWARD_US = 10_000


class SystemClock:
    """The machine's own clock, taken at its word.

    `accuracy_us` is how far it may be off, as far as anybody has measured; `now_ns` gives ns since the epoch in UTC and
    is injected by tests.
    """

    def __init__(self, accuracy_us: int, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._accuracy_us = accuracy_us
        self._now_ns = now_ns
        self._last_us = 0

    def gen_time(self) -> tuple[int, int]:
        """(µs since the epoch, accuracy in µs), never less than the time before.

        Raises TimeNotAvailable while the clock stands behind a genTime already given.
        """
        now = self._now_ns() // 1_000
        if now < self._last_us - MAX_BACKWARD_US:
            raise TimeNotAvailable("The clock of this authority was set back and is not trusted now: try again later.")
        self._last_us = max(now, self._last_us)
        return self._last_us, self._accuracy_us
