"""An intake at work in this process, and jobs that wait for their answers."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from tests.support.query import Query
from tests.support.units import ANYONE, FakePool
from tsa.licensing.applications import Application
from tsa.protocol.errors import Refusal
from tsa.stamping import intake as intakes
from tsa.stamping.intake import Intake, Job
from tsa.stamping.issue import Authority
from tsa.state.meter import Meter, shared_meters

PATIENCE_S = 30


class Waiting(Job):
    """A job that keeps what it was answered, and lets a test wait for it."""

    __slots__ = ("answers", "done")

    def __init__(self) -> None:
        self.answers: list[bytes | Refusal] = []
        self.done = asyncio.Event()

    def deliver(self, answer: bytes | Refusal) -> None:
        self.answers.append(answer)
        self.done.set()

    async def answer(self) -> bytes | Refusal:
        await asyncio.wait_for(self.done.wait(), PATIENCE_S)
        [answer] = self.answers
        return answer


def opened(by: Authority, *, workers: int = 1) -> tuple[Intake, Meter]:
    """An intake at work for an authority, with so many signing workers."""
    [meter] = shared_meters(1)
    intake = Intake(by, meter)
    intake.staff(workers)
    return intake, meter


def submit(intake: Intake, count: int, by: Application = ANYONE) -> list[Waiting]:
    """As many good requests of an application in one turn of the loop."""
    jobs = [Waiting() for _ in range(count)]
    for job in jobs:
        intake.submit(Query().encode(), job, by)
    return jobs


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
    monkeypatch.setattr(intakes, "time", clock)
    return clock


async def let_through(pool: FakePool, fault: Exception | None = None) -> None:
    """Let the next batch be signed, or fail."""
    gate = await asyncio.wait_for(pool.batches.get(), PATIENCE_S)
    gate.set_exception(fault) if fault else gate.set_result(None)


async def answers(jobs: Sequence[Waiting]) -> list[bytes | Refusal]:
    return [await job.answer() for job in jobs]
