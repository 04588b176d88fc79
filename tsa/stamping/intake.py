"""Requests wait here, in bounds, and signing workers take them in batches (docs/architecture.md; decision 4)."""

from __future__ import annotations

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence

import structlog

from tsa.licensing.applications import Application
from tsa.protocol.errors import QueueFull, Refusal
from tsa.protocol.tsp import TimeStampReq
from tsa.stamping.issue import Authority
from tsa.state.meter import Meter

log = structlog.get_logger()

# A batch of slow signatures is kept short, so that the next requests do not wait long.
BATCH_LIMIT_US = 20_000


class Job(ABC):
    """One request on its way to an answer."""

    __slots__ = ("application", "arrived", "policy", "request")
    application: Application
    request: TimeStampReq
    policy: bytes
    arrived: float

    @abstractmethod
    def deliver(self, answer: bytes | Refusal) -> None:
        """Take the answer: a TimeStampResp that grants, or a refusal. Called once; must not raise."""


class _Line:
    """The waiting requests of an application, and how many of them are still due before the turn of the next.

    The credit is a fraction, and below 0 where a turn took more than was due.
    """

    __slots__ = ("credit", "jobs", "weight")

    def __init__(self) -> None:
        self.jobs: deque[Job] = deque()
        self.weight = 0
        self.credit = 0.0


class Intake:
    """The queues of one process, and the signing workers that empty them.

    Batches are filled from the applications in turn, each by its licences (deficit round robin), so that the burst of
    one does not starve another. `authority` may be exchanged at any time; a batch is issued by the one in force when it
    is taken.
    """

    def __init__(self, authority: Authority, meter: Meter) -> None:
        self._meter = meter
        self._lines: dict[int, _Line] = {}
        self._active: deque[_Line] = deque()  # the lines in which a request waits
        self._weight = 0  # of all active lines
        self._waiting = 0
        self._idle: deque[asyncio.Future[None]] = deque()
        self._workers: list[asyncio.Task[None]] = []
        self.use(authority)

    def use(self, authority: Authority) -> None:
        """Issue by `authority` from now on."""
        signing, cost_us = authority.config.signing, authority.pool.cost_us
        self.authority = authority
        self._max_wait_s = signing.max_wait_ms / 1e3
        self._limit = max(1, min(signing.queue, int(self._max_wait_s * 1e6 / cost_us)))
        self._max_batch = max(1, min(signing.max_batch, int(BATCH_LIMIT_US / cost_us)))

    def staff(self, workers: int) -> None:
        """Have `workers` signing workers; called in the event loop."""
        self._staff = workers
        for number in range(workers):
            if number == len(self._workers):
                self._workers.append(asyncio.create_task(self._work(number)))
            elif self._workers[number].done():
                self._workers[number] = asyncio.create_task(self._work(number))

    def submit(self, octets: bytes, job: Job, application: Application) -> None:
        """Queue `job` for the TimeStampReq in `octets`.

        Raises Refusal when there will be no token; `deliver` is then not called, but by refuse().
        """
        job.application = application
        job.request, job.policy = self.authority.admit(octets, application)
        line = self._lines.get(application.id)
        if line is None:
            line = self._lines[application.id] = _Line()
        if not line.jobs:
            self._active.append(line)
            self._weigh(line, application)
        elif len(line.jobs) * len(self._active) >= self._limit:
            raise QueueFull("More requests wait than can be signed in time: try again after Retry-After seconds.")
        job.arrived = time.monotonic()
        line.jobs.append(job)
        self._waiting += 1
        if self._idle:
            self._idle.popleft().set_result(None)

    def refuse(self, job: Job, refusal: Refusal) -> None:
        """Answer with a refusal. Every refusal of a stamp passes here, and is counted here alone (decision 5)."""
        self._meter.refused(refusal)
        try:
            if refusal.counts_for_application:
                self.authority.books.quota.refused(job.application.id, time.time_ns() // 1_000)
        except Exception:  # a signing worker that ended for this would leave all others waiting
            log.exception("refusal not counted")
        self._deliver(job, refusal)

    @property
    def waiting(self) -> int:
        """How many requests wait to be taken."""
        return self._waiting

    @property
    def full(self) -> bool:
        """Whether no application could queue another request."""
        return self._waiting >= self._limit

    async def _work(self, number: int) -> None:
        """A signing worker: takes what this turn of the loop brought, issues it, and lets the loop bring more."""
        loop = asyncio.get_running_loop()
        while number < self._staff:
            if self._waiting:
                await asyncio.sleep(0)
            else:
                idle = loop.create_future()
                self._idle.append(idle)
                await idle
            batch, expired = self._take()
            for job in expired:
                self.refuse(job, _expired())
            if batch:
                self._answer(batch, await self.authority.issue(batch))

    def _take(self) -> tuple[list[Job], list[Job]]:
        """At most a batch, from the applications in turn; and the requests met on the way that have waited too long.

        Nobody is answered here: an answer may bring the next request of a connection in, in the midst of the count.
        """
        batch: list[Job] = []
        expired: list[Job] = []
        active = self._active
        oldest = time.monotonic() - self._max_wait_s
        while active and len(batch) < self._max_batch:
            line = active[0]
            if line.credit <= 0:
                self._weigh(line, line.jobs[0].application)
                line.credit += self._max_batch * line.weight / self._weight
            if line.credit > 0:
                self._take_from(line, batch, expired, oldest)
            if not line.jobs:
                self._weight -= line.weight
                line.weight, line.credit = 0, 0.0
                active.popleft()
            elif line.credit <= 0:
                active.rotate(-1)
        return batch, expired

    def _weigh(self, line: _Line, application: Application) -> None:
        """Set what the line weighs to its application's licences."""
        weight = max(1, application.licence_count(int(time.time())))
        self._weight += weight - line.weight
        line.weight = weight

    def _take_from(self, line: _Line, batch: list[Job], expired: list[Job], oldest: float) -> None:
        """As many requests of the line as its credit and the batch have room for."""
        room = min(math.ceil(line.credit), self._max_batch - len(batch))
        jobs = line.jobs
        while jobs and room:
            job = jobs.popleft()
            self._waiting -= 1
            if job.arrived >= oldest:
                batch.append(job)
                room -= 1
                line.credit -= 1
            else:
                expired.append(job)

    def _answer(self, batch: list[Job], answers: Sequence[bytes | Refusal]) -> None:
        """Count, then answer: an answer that has arrived is counted already."""
        now = time.monotonic()
        stamped = [now - job.arrived for job, answer in zip(batch, answers, strict=True) if isinstance(answer, bytes)]
        if stamped:
            self._meter.batch(stamped)
        for job, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Refusal):
                self.refuse(job, answer)
            else:
                self._deliver(job, answer)

    def _deliver(self, job: Job, answer: bytes | Refusal) -> None:
        try:
            job.deliver(answer)
        except Exception:  # the trouble of a connection is not that of the others in its batch
            log.exception("answer not delivered")


def _expired() -> QueueFull:
    return QueueFull("The request waited longer than can be promised: try again after a moment.")
