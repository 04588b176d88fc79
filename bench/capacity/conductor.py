"""The course of a run: the order of its phases, sent to all generator processes at once."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import gevent
from gevent.queue import Empty, Queue

from bench import BenchError
from bench.capacity import authority
from bench.capacity.generator import Order, Outcome
from bench.capacity.plan import COURSE, PATIENCE_S, Plan
from bench.capacity.record import Phase, PhaseRecord
from bench.capacity.schedule import EDGE_SHARE

LEAD_S = 0.5
"""From an order to its first request: time for the order to reach all processes."""

EDGE_REQUESTS = 200
RECOVERY_REQUESTS = 100
_LEAST_MARGIN_S = 0.05


class _Cut(Exception):
    """The run ends before its last phase; the text is a key of bench/capacity/words.py."""


class Conductor:
    """Runs the phases of a plan; `send` gives an order to every generator process. A file keeps the course."""

    def __init__(self, plan: Plan, folder: Path, key: str, send: Callable[[Order], None]) -> None:
        self._plan, self._key, self._send = plan, key, send
        self._file = folder / COURSE
        self._outcomes: Queue[Outcome] = Queue()
        self._stamps: Counter[int] = Counter()
        self._phases: list[PhaseRecord] = []
        self._not_done: list[str] = []
        self._used_before: int | None = 0 if plan.sole else None

    def done(self, outcome: Outcome) -> None:
        """Take the outcome of one generator process for the present order."""
        self._outcomes.put(outcome)

    def conduct(self) -> None:
        """Run all phases; the file names the parts that could not be done. Raises nothing."""
        plan = self._plan
        try:
            for phase, seconds in ((Phase.WARM_UP, plan.warm_up_s), (Phase.STEADY, plan.duration_s)):
                self._run(phase, self._now() + LEAD_S, seconds=seconds)
            if plan.exhaust:
                self._exhaust()
        except _Cut as cut:
            self._not_done.append(str(cut))
        self._tell("end")

    def _exhaust(self) -> None:
        """Use up the stamps left in a window, ask for more, and ask again in the next window."""
        window_s = self._plan.window_s
        margin = max(_LEAST_MARGIN_S, window_s * EDGE_SHARE)
        left = window_s - time.time() % window_s
        if left - margin < self._plan.burst_s:
            self._wait_for_window(left, margin)
            left = window_s - time.time() % window_s
        end, window = self._now() + left, int(time.time() // window_s)
        self._learn_used(window)
        count = self._plan.exhaust - (self._used_before or 0) - self._stamps[window]
        burst = self._run(Phase.BURST, self._now() + LEAD_S, count=max(0, count), until=end - margin)
        if burst.offered < burst.planned:
            raise _Cut("not done: edge")
        edge = self._run(Phase.EDGE, self._now(), count=EDGE_REQUESTS, until=end - margin)
        if edge.offered < edge.planned:
            raise _Cut("not done: recovery")
        self._wait_for_window(end - self._now(), margin)
        start = self._now() + LEAD_S
        self._run(Phase.RECOVERY, start, count=RECOVERY_REQUESTS, until=end + window_s - margin)

    def _wait_for_window(self, seconds: float, margin: float) -> None:
        self._tell(f"waiting for the licence's next window, {seconds:.0f} s")
        gevent.sleep(max(0.0, seconds + margin))

    def _learn_used(self, window: int) -> None:
        """Find the stamps of this window that others had."""
        if not self._plan.sole and self._key:
            with suppress(BenchError):  # the number stays unknown, and the report says so
                self._used_before = max(0, authority.usage(self._plan.url, self._key).stamps - self._stamps[window])

    def _run(
        self, phase: Phase, start: float, *, seconds: float = 0.0, count: int = 0, until: float = 0.0
    ) -> PhaseRecord:
        """One phase, from the order to the last answer. _Cut when a generator process does not come back."""
        self._tell(phase)
        order = Order(phase, start, time.time() + start - self._now(), seconds, count, until)
        self._send(order)
        limit = max(start + seconds, until) + 3 * PATIENCE_S
        try:
            outcomes = [self._outcomes.get(timeout=limit - self._now()) for _ in range(self._plan.processes)]
        except Empty:
            raise _Cut("not done: phase") from None
        if seconds:
            self._sleep_until(start + seconds)  # the last request of a schedule is due before its end
        end = start + seconds if seconds else self._now()
        for outcome in outcomes:
            self._stamps.update(outcome.stamps)
        planned, offered = (sum(getattr(outcome, name) for outcome in outcomes) for name in ("planned", "offered"))
        self._phases.append(PhaseRecord(phase, start, end, planned, offered))
        return self._phases[-1]

    def _now(self) -> float:
        return time.monotonic() - self._plan.origin

    def _sleep_until(self, moment: float) -> None:
        gevent.sleep(max(0.0, moment - self._now()))

    def _tell(self, state: str) -> None:
        course: dict[str, Any] = {
            "state": state,
            "phases": self._phases,
            "used_before": self._used_before,
            "not_done": self._not_done,
        }
        partial = self._file.with_suffix(".partial")
        partial.write_text(json.dumps(course, ensure_ascii=False), "utf-8")
        partial.replace(self._file)
