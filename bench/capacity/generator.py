"""One generator process: gives its users the requests that are due, and keeps the samples.

It runs under gevent: its users take turns in one thread.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import gevent
from gevent.event import Event

from bench.capacity import corpus
from bench.capacity.corpus import Asked
from bench.capacity.plan import HEALTH, SAMPLES, Plan
from bench.capacity.record import GOOD, GRANTED, Phase
from bench.capacity.schedule import Arrival, arrivals

OVERTIME_S = 1.0
"""The time after a scheduled phase in which late requests are still sent: an overrun generator must end, too."""

TICK_S = 0.02


class Order(NamedTuple):
    """A phase that is to be run. Moments in s since the run's start; `began` is `start` in s since the epoch.

    With `seconds` it has a schedule; else it is so many good `requests`, each as soon as a user is free, up to `until`.
    """

    phase: str
    start: float
    began: float
    seconds: float = 0.0
    requests: int = 0
    until: float = 0.0


class Outcome(NamedTuple):
    """The part of an order that one generator process did."""

    phase: str
    planned: int
    offered: int
    stamps: dict[int, int]
    """Tokens in each window of the licence, by genTime."""


class Due(NamedTuple):
    """A request and its moment; without `scheduled`, a free user sends it at once."""

    phase: str
    at: float
    scheduled: bool
    number: int
    asked: Asked


class Generator:
    """The requests of one process, for its users to send; `tell` is called with the outcome of each order."""

    def __init__(self, plan: Plan, folder: Path, tell: Callable[[Outcome], None]) -> None:
        self._plan, self._folder, self._tell = plan, folder, tell
        self._corpus = corpus.Corpus(bytes.fromhex(plan.salt))
        self._order: Order | None = None
        self._due: Iterator[Due] = iter(())
        self._planned = self._taken = self._kept = 0
        self._stamps: Counter[int] = Counter()
        self._next = Event()
        self.process = 0

    def now(self) -> float:
        """Seconds since the run's start."""
        return time.monotonic() - self._plan.origin

    def open(self, process: int) -> None:
        """Begin to keep samples and health, as generator process `process` of the plan's."""
        self.process = process
        self._samples, self._health = (
            (self._folder / name.format(process)).open("w", encoding="utf-8") for name in (SAMPLES, HEALTH)
        )
        gevent.spawn(self._watch)

    def close(self) -> None:
        """Write out the kept lines."""
        self._samples.flush()
        self._health.flush()

    def begin(self, order: Order) -> None:
        """Run a phase: the users that wait go on."""
        self._order = order
        self._planned = self._taken = self._kept = 0
        self._stamps.clear()
        self._due = self._scheduled(order) if order.seconds else self._counted(order)
        begun, self._next = self._next, Event()
        begun.set()

    def take(self) -> Due:
        """The next request, for the user that calls; waits for the next phase when this one has no more."""
        while (due := next(self._due, None)) is None:
            if self._order and self._kept == self._taken:
                order, self._order = self._order, None
                self.close()
                self._tell(Outcome(order.phase, self._planned, self._taken, dict(self._stamps)))
            else:
                self._next.wait()
        self._taken += 1
        return due

    def _scheduled(self, order: Order) -> Iterator[Due]:
        schedule = arrivals(self._plan.load, order.phase, order.began, order.seconds, corpus.BAD)
        end = order.start + order.seconds + OVERTIME_S
        for place, arrival in enumerate(schedule):
            if place % self._plan.processes == self.process:
                self._planned += 1
                if self.now() < end:
                    yield self._prepared(order, arrival, scheduled=True)

    def _counted(self, order: Order) -> Iterator[Due]:
        numbers = range(self.process, order.requests, self._plan.processes)
        self._planned = len(numbers)
        for number in numbers:
            if self.now() > order.until:
                return
            yield self._prepared(order, Arrival(0.0, GOOD, number), scheduled=False)

    def _prepared(self, order: Order, arrival: Arrival, *, scheduled: bool) -> Due:
        asked = self._corpus.request(arrival.kind, order.phase, arrival.number, exhausted=order.phase == Phase.EDGE)
        return Due(order.phase, order.start + arrival.at, scheduled, arrival.number, asked)

    def wait(self, due: Due) -> None:
        """Sleep until a request is due."""
        while (left := due.at - self.now()) > 0:
            gevent.sleep(left)

    def judge(self, due: Due, sent: float, done: float, status: int, body: bytes | None, error: str) -> str:
        """Keep the sample of a request; the fault of its answer, "" without one."""
        answer = corpus.read(status, body, error, due.asked)
        if answer.gen_time is not None:
            self._stamps[int(answer.gen_time // self._plan.window_s)] += 1
        token = answer.got == GRANTED and due.number % self._plan.verify_every == 0
        line = [
            due.phase,
            due.asked.kind,
            due.at if due.scheduled else sent,
            sent,
            done,
            due.asked.expected,
            answer.got,
            answer.fault,
            answer.gen_time,
            answer.serial.hex(),
            due.asked.request.hex() if token else "",
            body.hex() if token and body else "",
        ]
        self._samples.write(json.dumps(line) + "\n")
        self._kept += 1
        if answer.got != due.asked.expected:
            return f"{answer.got} instead of {due.asked.expected}"
        return answer.fault and f"wrong token: {answer.fault}"

    def _watch(self) -> None:
        """Each second, keep this process's share of a core, and the lateness of a timer that waits for no server."""
        while True:
            at, cpu, late = self.now(), time.process_time(), 0.0
            second = int(at) + 1
            while self.now() < second:
                due = min(second, self.now() + TICK_S)
                gevent.sleep(due - self.now())
                late = max(late, self.now() - due)
            share = (time.process_time() - cpu) / (self.now() - at)
            self._health.write(json.dumps([at, self.process, share, late * 1000]) + "\n")
            self.close()
