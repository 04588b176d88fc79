"""The figures in the records of a run, counted once for the judge and for the report; nothing is judged here.

A second of the load generator is *spoiled* when one of its processes had less than a tenth of a core to spare, or when
one of its timers woke over 20 ms late. Spoiled time between a request's scheduled moment and its end may be the fault
of the generator: it is taken off the latency that is held against the server. A request that lies more than half in
spoiled seconds is spoiled itself: its refusal, loss or lateness is not held against the server at all.

A genTime is *astray* when it lies outside the time from sending to answer by more than 2 s, after the difference
between the clocks of server and generator is taken off. That difference is the median over all tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from math import ceil
from statistics import median

from bench.capacity.record import EXHAUSTED, GOOD, GRANTED, NO_ANSWER, Phase, Run, Sample

BUSY_CPU = 0.9
LATE_MS = 20.0
JUMP_S = 0.1
ASTRAY_S = 2.0
"""A genTime in whole seconds is right, and so is that of a clock of such precision."""


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest of ascending values that `percent` per cent of them do not exceed. There must be a value."""
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]


def latency_ms(sample: Sample) -> float:
    """From the scheduled moment to the whole answer, so without coordinated omission: a late sending counts."""
    return (sample.done - sample.scheduled) * 1000


def answered(sample: Sample) -> bool:
    """Whether any answer came."""
    return not sample.got.startswith(NO_ANSWER)


def clock_jump(run: Run) -> tuple[float, float] | None:
    """(moment, seconds) of the first jump of the clock; None without one."""
    for before, after in pairwise(run.clock):
        if abs(after.offset - before.offset) > JUMP_S:
            return after.at, after.offset - before.offset
    return None


class Findings:
    """The figures of a run, by the question that they answer."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.steady = run.phase(Phase.STEADY)

    @property
    def licensed_rate(self) -> float:
        """Stamps a second."""
        return self.run.licences * self.run.stamps_per_licence_hour / 3600

    @property
    def licensed_stamps(self) -> int:
        """The stamps of the steady phase at that rate, whole ones."""
        return int(self.licensed_rate * self.run.duration_s + 1e-6)

    @cached_property
    def spoiled_seconds(self) -> set[int]:
        """The seconds since the start that the generator spoiled."""
        found: set[int] = set()
        for second in self.run.seconds:
            asleep = second.late_ms / 1000 if second.late_ms > LATE_MS else 0.0
            if asleep or second.cpu >= BUSY_CPU:
                found.update(range(int(max(0.0, second.at - asleep)), ceil(second.at + 1)))
        return found

    def spoiled_s(self, sample: Sample) -> float:
        """The part of a request, in s, that lies in spoiled seconds."""
        at, end = sample.scheduled, sample.done
        within = self.spoiled_seconds.intersection(range(int(at), int(end) + 1))
        return sum(min(end, second + 1) - max(at, second) for second in within)

    def clean(self, samples: Iterable[Sample]) -> list[Sample]:
        """The samples that are not spoiled."""
        return [each for each in samples if self.spoiled_s(each) <= (each.done - each.scheduled) / 2]

    def ordered_ms(self, samples: Iterable[Sample]) -> list[float]:
        """Latencies in ms, ascending."""
        return sorted(map(latency_ms, samples))

    def ordered_server_ms(self, samples: Iterable[Sample]) -> list[float]:
        """Latencies without their spoiled part, in ms, ascending."""
        return sorted(latency_ms(each) - self.spoiled_s(each) * 1000 for each in samples)

    @cached_property
    def stamps_due(self) -> list[Sample]:
        """The good requests of the steady phase, which the licences pay for."""
        return [sample for sample in self.run.of(Phase.STEADY) if sample.kind == GOOD]

    @cached_property
    def prompt(self) -> list[Sample]:
        """The requests of the steady phase with the answer that was due: their latency counts.

        A refusal that was not due comes quickly and would flatter the latency; `unexpected` has it.
        """
        return [sample for sample in self.run.of(Phase.STEADY) if sample.got == sample.expected]

    @cached_property
    def tokens(self) -> list[Sample]:
        """The granted answers of the whole run."""
        return [sample for sample in self.run.samples if sample.got == GRANTED]

    @cached_property
    def wrong_tokens(self) -> list[Sample]:
        """Tokens with a fault, or with a genTime that is astray; no fault of a generator makes one."""
        faulty = [sample for sample in self.run.samples if sample.fault]
        apart = self.clocks_apart_s
        astray = (each for each, off in self._gen_times_off if not each.fault and abs(off - apart) > ASTRAY_S)
        return faulty + [sample._replace(fault="genTime") for sample in astray]

    @cached_property
    def clocks_apart_s(self) -> float:
        """The lead of the server's clock over the generator's, in s, as far as the tokens show it."""
        return median([off for _, off in self._gen_times_off] or [0.0])

    @cached_property
    def _gen_times_off(self) -> list[tuple[Sample, float]]:
        """The tokens, with the time of their genTime after the answer, or (negative) before the sending; 0 in between.

        Empty where the clock was not read, or jumped: then the right genTime is not known.
        """
        if not self.run.clock or clock_jump(self.run):
            return []
        offsets = {int(reading.at): reading.offset for reading in self.run.clock}
        found = []
        for each in self.tokens:
            if each.gen_time is not None:
                at = each.gen_time - offsets.get(int(each.done), self.run.clock[-1].offset)
                found.append((each, max(0.0, at - each.done) + min(0.0, at - each.sent)))
        return found

    @cached_property
    def unexpected(self) -> list[Sample]:
        """Answers that were not due. Stamps beyond the quota are counted with the quota, not here."""
        return [
            sample
            for sample in self.run.samples
            if sample.got != sample.expected and (sample.expected, sample.got) != (EXHAUSTED, GRANTED)
        ]

    @cached_property
    def windows(self) -> Counter[int]:
        """Stamps granted in each licence window, by genTime."""
        length = self.run.window_s
        return Counter(int(each.gen_time // length) for each in self.tokens if each.gen_time is not None)

    @cached_property
    def exhausted_window(self) -> int | None:
        """The window whose quota was to be used up: that of the last stamp before the edge."""
        before = self.run.of(Phase.WARM_UP, Phase.STEADY, Phase.BURST)
        last = max((each.gen_time for each in before if each.gen_time is not None), default=None)
        return None if last is None else int(last // self.run.window_s)

    def granted_in(self, window: int | None) -> int:
        """Stamps of a window, those of others included."""
        return 0 if window is None else self.windows[window] + (self.run.used_before or 0)
