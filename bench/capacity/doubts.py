"""Is the measurement itself any good? Each doubt makes a run void: it can then prove nothing, only disprove.

- The steady phase lasted as long as asked for, and its schedule has the licensed rate.
- Every planned request was sent, every sent one is recorded, and generator and clock were watched throughout. A burst
  that did not use its window up shows nothing of the quota, which is then "not done"; the rest of the run stands.
- The generator kept up: less than 1 % of the steady phase left over 100 ms late in seconds that it spoiled itself
  (lateness elsewhere is that of connections which a slow server held), and hardly a second lacked CPU.
- The clock did not jump by 0.1 s (ntpd steps from 0.128 s up and slews below), the server was not restarted, Locust
  counted what we counted, there are answers enough for a p99, and some tokens were verified in full.
- The clocks of server and generator are at most 2 s apart; which of them is wrong cannot be told from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from bench.capacity.findings import ASTRAY_S, BUSY_CPU, JUMP_S, Evidence, clock_jump
from bench.capacity.record import NOT_PROVED, REPEATED, Phase, Sample
from bench.capacity.words import Text, same, say

FEWEST_ANSWERS = 299
LATE_SEND_S = 0.1
LATE_SHARE = 0.01
BUSY_SHARE = 0.1
WATCHED_SHARE = 0.9


@dataclass(frozen=True)
class Reason:
    """Why a run is not a pass: the objective or doubt, what was wanted and found, and the sentence with both."""

    objective: str
    effect: Literal["fail", "void"]
    wanted: Text
    found: Text
    sentence: Text


def doubts(evidence: Evidence) -> Iterator[Reason]:
    """Every reason why the run proves nothing."""
    yield from _steady(evidence)
    yield from _records(evidence)
    yield from _watch(evidence)
    yield from _generator(evidence)
    yield from _surroundings(evidence)
    yield from _sample(evidence)


def _doubt(name: str, wanted: object, found: object, **figures: object) -> Reason:
    sentence = say(name, **{"wanted": wanted, "found": found, **figures})
    return Reason(name, "void", _plain(wanted), _plain(found), sentence)


def _plain(value: object) -> Text:
    return same(f"{value:,.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else value)


def steady_s(evidence: Evidence) -> float:
    """How long the steady phase lasted."""
    return evidence.steady.end - evidence.steady.start if evidence.steady else 0.0


def _steady(evidence: Evidence) -> Iterator[Reason]:
    wanted, found = evidence.run.duration_s, steady_s(evidence)
    if found < wanted - 1 or not found:
        yield _doubt("steady missing", wanted, found)
    due = evidence.licensed_stamps
    unsent = evidence.steady.planned - evidence.steady.offered if evidence.steady else 0
    if len(evidence.stamps_due) + unsent < due:
        yield _doubt("schedule short", due, len(evidence.stamps_due) + unsent)


def _records(evidence: Evidence) -> Iterator[Reason]:
    for phase in evidence.run.phases:
        recorded = len(evidence.run.of(phase.name))
        if phase.offered < phase.planned and phase.name != Phase.BURST:
            yield _doubt("unsent", phase.planned, phase.offered, phase=say(f"phase {phase.name}"))
        if recorded != phase.offered:
            yield _doubt("records missing", phase.offered, recorded, phase=say(f"phase {phase.name}"))


def _watch(evidence: Evidence) -> Iterator[Reason]:
    """There are readings of nine of ten seconds; a second that the generator lost is told by the lateness after it."""
    run, start, wanted = evidence.run, evidence.steady.start if evidence.steady else 0.0, int(steady_s(evidence))
    during = set(range(int(start), int(start) + wanted))
    health = len(during & ({int(second.at) for second in run.seconds} | evidence.spoiled_seconds))
    clock = len(during & {int(reading.at) for reading in run.clock})
    if min(health, clock) < WATCHED_SHARE * wanted:
        yield _doubt("watch missing", wanted, min(health, clock), health=health, clock=clock)


def _generator(evidence: Evidence) -> Iterator[Reason]:
    steady = evidence.run.of(Phase.STEADY)
    spoiled = evidence.spoiled_seconds
    late = [
        each
        for each in steady
        if each.sent - each.scheduled > LATE_SEND_S
        and not spoiled.isdisjoint(range(int(each.scheduled), int(each.sent) + 1))
    ]
    if len(late) > LATE_SHARE * len(steady):
        figures = {"late": len(late), "requests": len(steady), "limit": LATE_SEND_S * 1000}
        yield _doubt("generator late", f"≤ {LATE_SHARE:.0%}", f"{len(late) / len(steady):.1%}", **figures)
    if evidence.steady is None:
        return
    during = [each for each in evidence.run.seconds if evidence.steady.start <= each.at < evidence.steady.end]
    seconds, busy = {int(each.at) for each in during}, {int(each.at) for each in during if each.cpu >= BUSY_CPU}
    if len(busy) > BUSY_SHARE * len(seconds):
        yield _doubt("generator busy", f"≤ {BUSY_SHARE:.0%}", len(busy), seconds=len(seconds), limit=BUSY_CPU)


def _surroundings(evidence: Evidence) -> Iterator[Reason]:
    run = evidence.run
    if (jump := clock_jump(run)) is not None:
        yield _doubt("clock jumped", f"≤ {JUMP_S} s", f"{jump[1]:,.3f} s", at=jump[0], jump=jump[1])
    if abs(apart := evidence.clocks_apart_s) > ASTRAY_S:
        yield _doubt("clocks apart", f"≤ {ASTRAY_S:g} s", f"{apart:,.1f} s", apart=abs(apart), limit=ASTRAY_S)
    incarnations = [list(starts) for _, starts in groupby(run.server_starts, lambda start: start.identity)]
    if len(incarnations) > 1:
        yield _doubt("restarted", 0, len(incarnations) - 1, times=len(incarnations) - 1, at=incarnations[1][0].at)
    yield from _locust(evidence)


def _locust(evidence: Evidence) -> Iterator[Reason]:
    """Counts are to be equal; its percentiles are of values rounded to ms below 100 ms, to two digits above."""
    theirs, samples = evidence.run.locust, evidence.run.samples
    failures = sum(map(_failed, samples))
    for what, ours in (("requests", len(samples)), ("failures", failures)):
        if theirs.get(what) != ours:
            yield _disagreement(what, ours, theirs)
    ordered = evidence.ordered_ms(samples)
    for what, percent in (("median_ms", 50), ("p99_ms", 99)):
        at = len(ordered) * percent // 100
        near = ordered[max(0, at - 2) : at + 3]
        if near and not near[0] * 0.95 - 1 <= theirs.get(what, -1) <= near[-1] * 1.05 + 1:
            yield _disagreement(what, near[len(near) // 2], theirs)


def _failed(sample: Sample) -> bool:
    """Locust counted it as a failure: what is found afterwards, it cannot know."""
    return sample.got != sample.expected or bool(sample.fault and not sample.fault.startswith((REPEATED, NOT_PROVED)))


def _disagreement(what: str, ours: float, theirs: Mapping[str, float]) -> Reason:
    value = theirs.get(what, -1)
    return _doubt("locust disagrees", ours, value, what=what, ours=ours, theirs=value)


def _sample(evidence: Evidence) -> Iterator[Reason]:
    if len(evidence.prompt) < FEWEST_ANSWERS:
        yield _doubt("too few", FEWEST_ANSWERS, len(evidence.prompt))
    if not any(each.verified for each in evidence.tokens):
        yield _doubt("none verified", 1, 0, tokens=len(evidence.tokens))
