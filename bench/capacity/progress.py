"""The progress of a run: a line that renews itself on a terminal, else a line every ten seconds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from rich.console import Console
from rich.status import Status

from bench.capacity.findings import latency_ms, percentile
from bench.capacity.record import GRANTED, Sample

PLAIN_EVERY_S = 10
_SPAN_S = 10.0


class SoFar:
    """Counts over the samples of a run; each sample is read once, as there will be millions."""

    def __init__(self) -> None:
        self.requests = self.refused = self.wrong = 0

    def add(self, samples: Sequence[Sample]) -> None:
        """Count the samples added since the last call."""
        for each in islice(samples, self.requests, None):
            self.refused += each.got == each.expected and each.got != GRANTED
            self.wrong += each.got != each.expected or bool(each.fault)
        self.requests = len(samples)


class Progress:
    """A context in which tell() shows the progress of a run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = Status("", console=console) if console.is_terminal else None
        self._told = 0.0
        self._state = ""
        self._so_far = SoFar()

    def __enter__(self) -> Progress:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def tell(self, at: float, state: str, samples: Sequence[Sample]) -> None:
        """Show the state of a run `at` so many seconds since its start."""
        if self._status:
            self._status.update(line(at, state, samples, self._so_far))
        elif state != self._state or at - self._told >= PLAIN_EVERY_S:
            self._console.print(line(at, state, samples, self._so_far), markup=False, soft_wrap=True)
            self._told, self._state = at, state


def line(at: float, state: str, samples: Sequence[Sample], so_far: SoFar) -> str:
    """The last ten seconds of a run in one line: offered and achieved a second, p50 and p99 in ms, refusals."""
    so_far.add(samples)
    first = len(samples)
    while first and samples[first - 1].done > at - _SPAN_S:
        first -= 1
    recent = samples[first:]
    span = max(1.0, min(_SPAN_S, at - min((each.scheduled for each in recent), default=at)))
    offered, granted = len(recent) / span, sum(each.got == GRANTED for each in recent) / span
    latencies = sorted(map(latency_ms, recent))
    p50, p99 = (percentile(latencies, percent) if latencies else 0.0 for percent in (50, 99))
    return (
        f"{at:5.0f} s  {state}: offered {offered:,.1f}/s, granted {granted:,.1f}/s, p50 {p50:,.1f} ms,"
        f" p99 {p99:,.1f} ms; so far {so_far.requests:,} requests, {so_far.refused:,} due refusals,"
        f" {so_far.wrong:,} wrong answers"
    )
