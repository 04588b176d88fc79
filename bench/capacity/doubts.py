"""Is the measurement itself good? A doubt makes a run void: it proves nothing then, but may still disprove.

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

from bench.capacity.findings import ASTRAY_S, BUSY_CPU, JUMP_S, Findings, clock_jump
from bench.capacity.record import NOT_PROVED, REPEATED, Phase, Sample
from bench.capacity.words import Text, same, say

FEWEST_ANSWERS = 299
LATE_SEND_S = 0.1
LATE_SHARE = 0.01
BUSY_SHARE = 0.1
WATCHED_SHARE = 0.9


@dataclass(frozen=True)
class Reason:
    """A reason against a pass: the objective or doubt, the values wanted and found, and the sentence with both."""

    objective: str
    effect: Literal["fail", "void"]
    wanted: Text
    found: Text
    sentence: Text


def list_doubts(findings: Findings) -> Iterator[Reason]:
    """All doubts about a run."""
    yield from _steady(findings)
    yield from _records(findings)
    yield from _watch(findings)
    yield from _generator(findings)
    yield from _surroundings(findings)
    yield from _sample(findings)


def _doubt(name: str, wanted: object, found: object, **figures: object) -> Reason:
    sentence = say(name, **{"wanted": wanted, "found": found, **figures})
    return Reason(name, "void", _plain(wanted), _plain(found), sentence)


def _plain(value: object) -> Text:
    return same(f"{value:,.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else value)


def steady_s(findings: Findings) -> float:
    """The length of the steady phase."""
    return findings.steady.end - findings.steady.start if findings.steady else 0.0


def _steady(findings: Findings) -> Iterator[Reason]:
    wanted, found = findings.run.duration_s, steady_s(findings)
    if found < wanted - 1 or not found:
        yield _doubt("steady missing", wanted, found)
    due = findings.licensed_stamps
    unsent = findings.steady.planned - findings.steady.offered if findings.steady else 0
    if len(findings.stamps_due) + unsent < due:
        yield _doubt("schedule short", due, len(findings.stamps_due) + unsent)


def _records(findings: Findings) -> Iterator[Reason]:
    for phase in findings.run.phases:
        recorded = len(findings.run.of(phase.name))
        if phase.offered < phase.planned and phase.name != Phase.BURST:
            yield _doubt("unsent", phase.planned, phase.offered, phase=say(f"phase {phase.name}"))
        if recorded != phase.offered:
            yield _doubt("records missing", phase.offered, recorded, phase=say(f"phase {phase.name}"))


def _watch(findings: Findings) -> Iterator[Reason]:
    """Nine of ten seconds must have readings; the lateness after a lost second counts as its reading."""
    run, start, wanted = findings.run, findings.steady.start if findings.steady else 0.0, int(steady_s(findings))
    during = set(range(int(start), int(start) + wanted))
    health = len(during & ({int(second.at) for second in run.seconds} | findings.spoiled_seconds))
    clock = len(during & {int(reading.at) for reading in run.clock})
    if min(health, clock) < WATCHED_SHARE * wanted:
        yield _doubt("watch missing", wanted, min(health, clock), health=health, clock=clock)


def _generator(findings: Findings) -> Iterator[Reason]:
    steady = findings.run.of(Phase.STEADY)
    spoiled = findings.spoiled_seconds
    late = [
        each
        for each in steady
        if each.sent - each.scheduled > LATE_SEND_S
        and not spoiled.isdisjoint(range(int(each.scheduled), int(each.sent) + 1))
    ]
    if len(late) > LATE_SHARE * len(steady):
        figures = {"late": len(late), "requests": len(steady), "limit": LATE_SEND_S * 1000}
        yield _doubt("generator late", f"≤ {LATE_SHARE:.0%}", f"{len(late) / len(steady):.1%}", **figures)
    if findings.steady is None:
        return
    during = [each for each in findings.run.seconds if findings.steady.start <= each.at < findings.steady.end]
    seconds, busy = {int(each.at) for each in during}, {int(each.at) for each in during if each.cpu >= BUSY_CPU}
    if len(busy) > BUSY_SHARE * len(seconds):
        yield _doubt("generator busy", f"≤ {BUSY_SHARE:.0%}", len(busy), seconds=len(seconds), limit=BUSY_CPU)


def _surroundings(findings: Findings) -> Iterator[Reason]:
    run = findings.run
    if (jump := clock_jump(run)) is not None:
        yield _doubt("clock jumped", f"≤ {JUMP_S} s", f"{jump[1]:,.3f} s", at=jump[0], jump=jump[1])
    if abs(apart := findings.clocks_apart_s) > ASTRAY_S:
        yield _doubt("clocks apart", f"≤ {ASTRAY_S:g} s", f"{apart:,.1f} s", apart=abs(apart), limit=ASTRAY_S)
    incarnations = [list(starts) for _, starts in groupby(run.server_starts, lambda start: start.identity)]
    if len(incarnations) > 1:
        yield _doubt("restarted", 0, len(incarnations) - 1, times=len(incarnations) - 1, at=incarnations[1][0].at)
    yield from _locust(findings)


def _locust(findings: Findings) -> Iterator[Reason]:
    """Counts must be equal. Locust's percentiles are of values rounded: to ms below 100 ms, to two digits above."""
    theirs, samples = findings.run.locust, findings.run.samples
    failures = sum(map(_failed, samples))
    for what, ours in (("requests", len(samples)), ("failures", failures)):
        if theirs.get(what) != ours:
            yield _disagreement(what, ours, theirs)
    ordered = findings.ordered_ms(samples)
    for what, percent in (("median_ms", 50), ("p99_ms", 99)):
        at = len(ordered) * percent // 100
        near = ordered[max(0, at - 2) : at + 3]
        if near and not near[0] * 0.95 - 1 <= theirs.get(what, -1) <= near[-1] * 1.05 + 1:
            yield _disagreement(what, near[len(near) // 2], theirs)


def _failed(sample: Sample) -> bool:
    """Whether Locust counted it as a failure; it cannot know the faults that were found afterwards."""
    return sample.got != sample.expected or bool(sample.fault and not sample.fault.startswith((REPEATED, NOT_PROVED)))


def _disagreement(what: str, ours: float, theirs: Mapping[str, float]) -> Reason:
    value = theirs.get(what, -1)
    return _doubt("locust disagrees", ours, value, what=what, ours=ours, theirs=value)


def _sample(findings: Findings) -> Iterator[Reason]:
    if len(findings.prompt) < FEWEST_ANSWERS:
        yield _doubt("too few", FEWEST_ANSWERS, len(findings.prompt))
    if not any(each.verified for each in findings.tokens):
        yield _doubt("none verified", 1, 0, tokens=len(findings.tokens))
