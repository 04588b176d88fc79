"""Requests wait here, in bounds, and signing workers take them in batches (DESIGN 4 and 5.4)."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence

from tsa.authority.issue import Authority
from tsa.authority.meter import Meter
from tsa.protocol.errors import QueueFull, Refusal
from tsa.protocol.tsp import TimeStampReq

# A batch of slow signatures is kept short, so that those who come next do not wait for all of it.
BATCH_LIMIT_US = 20_000


class Job(ABC):
    """One request on its way to an answer."""

    __slots__ = ("arrived", "policy", "request")
    request: TimeStampReq
    policy: bytes
    arrived: float

    @abstractmethod
    def deliver(self, answer: bytes | Refusal) -> None:
        """Take the answer: a TimeStampResp that grants, or a refusal. Called once; must not raise."""


class Intake:
    """The queue of one process, and the signing workers that empty it.

    `authority` may be exchanged at any time; a batch is issued by the one in force when it is taken.
    """

    def __init__(self, authority: Authority, meter: Meter) -> None:
        self._meter = meter
        self._queue: deque[Job] = deque()
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

    def start(self) -> None:
        """Bring up as many signing workers as the key can serve side by side; again after each use()."""
        while len(self._workers) < self.authority.pool.workers:
            self._workers.append(asyncio.create_task(self._work()))

    def submit(self, octets: bytes, job: Job) -> None:
        """Queue `job` for the TimeStampReq in `octets`.

        Raises Refusal when there will be no token; `deliver` is then not called.
        """
        job.request, job.policy = self.authority.admit(octets)
        if len(self._queue) >= self._limit:
            raise QueueFull(
                "More requests wait than can be signed in time: try again after the seconds in Retry-After."
            )
        job.arrived = time.monotonic()
        self._queue.append(job)
        if self._idle:
            self._idle.popleft().set_result(None)

    @property
    def waiting(self) -> int:
        """How many requests wait to be taken."""
        return len(self._queue)

    @property
    def full(self) -> bool:
        """Whether the next request would be refused."""
        return len(self._queue) >= self._limit

    async def _work(self) -> None:
        """One signing worker: take what this turn of the loop brought, issue it, let the loop bring more."""
        loop = asyncio.get_running_loop()
        while True:
            if self._queue:
                await asyncio.sleep(0)
            else:
                idle = loop.create_future()
                self._idle.append(idle)
                await idle
            if batch := self._take():
                self._deliver(batch, await self.authority.issue(batch))

    def _take(self) -> list[Job]:
        """At most a batch from the queue; those that waited too long get their refusal now."""
        batch: list[Job] = []
        queue = self._queue
        oldest = time.monotonic() - self._max_wait_s
        while queue and len(batch) < self._max_batch:
            job = queue.popleft()
            if job.arrived >= oldest:
                batch.append(job)
            else:
                refusal = QueueFull("The request waited longer than can be promised: try again after a moment.")
                self._meter.refused(refusal)
                job.deliver(refusal)
        return batch

    def _deliver(self, batch: list[Job], answers: Sequence[bytes | Refusal]) -> None:
        for job, answer in zip(batch, answers, strict=True):
            job.deliver(answer)
        if isinstance(answers[0], Refusal):
            for _ in batch:
                self._meter.refused(answers[0])
        else:
            now = time.monotonic()
            self._meter.batch([now - job.arrived for job in batch])
