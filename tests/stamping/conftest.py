"""The clock of the intake, for tests of how long a request has waited."""

import time

import pytest

from tsa.stamping import intake


class StoppedClock:
    """Stands for `time` in the intake; its seconds go by when a test says so, however slow the machine is."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        return self.now

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)  # the calendar goes on

    def time_ns(self) -> int:
        return time.time_ns()


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    """The clock of every intake of this test."""
    clock = StoppedClock()
    monkeypatch.setattr(intake, "time", clock)
    return clock
