"""The verdict on a run: a pure function of its records and of the objectives.

Six questions to the service; an answer against it is a reason to *fail*:

rate       Was every good request of the steady phase granted, the last at most 1 s after its end?
latency    Did 99 of 100 of the due answers of the steady phase come within the limit, from the scheduled moment?
tokens     Was no token of the whole run wrong (imprint, nonce, genTime, repeated serialNumber, not proved)?
answers    Did every request of the whole run get its due answer: granted, or the refusal that is due?
quota      Where it was used up: was exactly the capacity granted in that window, and the next refused (HTTP 429)?
           In any run: was no window given more than the capacity?
recovery   Where it was tried: was every request of the next window granted?

A doubt about the measurement makes the run *void* (doubts.py). Fail outranks void: a fault of the service stays one,
even when the run proves nothing else. But only evidence that stands makes a fail:

- Latency, rate, answers and recovery are held against the server without their spoiled part (findings.py). Missed only
  with that part, they are "not judged", and the run is void. Met with that part, they are met: a late generator only
  makes these figures worse.
- A 99th percentile takes 299 answers (0.99^299 < 5 %: with fewer, all of them may well lie below the true one), to
  disprove as to prove.
- A wrong token always stands, and so does a stamp beyond the quota, unless the clock jumped: then the window of a
  genTime is not known.
- Too few stamps in a window stand when a 429 came even if every request without an answer counts as a stamp. The number
  of stamps that others had must be known; on a live server it is not, and the quota is "not judged".
- An answer lost in a restart makes the run fail. A restart that lost nothing makes the run void.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from bench.capacity.doubts import FEWEST_ANSWERS, Reason, list_doubts, steady_s
from bench.capacity.findings import Findings, answered, clock_jump, percentile
from bench.capacity.record import EXHAUSTED, GRANTED, Phase, Run, Sample
from bench.capacity.words import Text, same, say

SETTLE_S = 1.0

Met = Literal["met", "missed", "not judged", "not done"]


@dataclass(frozen=True)
class Objectives:
    """The objectives of the service; the rate and the quota follow from the licences."""

    p99_ms: float = 100.0


@dataclass(frozen=True)
class Objective:
    """One line of the table: the values wanted and found."""

    name: str
    title: Text
    wanted: Text
    found: Text
    met: Met


@dataclass(frozen=True)
class CapacityVerdict:
    """pass, fail or void, the reasons, all objectives and the figures; text and numbers only, for JSON."""

    verdict: Literal["pass", "fail", "void"]
    reasons: list[Reason]
    objectives: list[Objective]
    figures: dict[str, Any]

    @property
    def exit_status(self) -> int:
        return {"pass": 0, "fail": 1, "void": 2}[self.verdict]


Judged = tuple[Objective, Reason | None]


def judge(run: Run, objectives: Objectives = Objectives()) -> CapacityVerdict:
    """Judge a run, from the arguments alone."""
    findings = Findings(run)
    jumped = clock_jump(run) is not None
    judged = [
        _rate(findings),
        _latency(findings, objectives.p99_ms),
        _tokens(findings),
        _answers(findings),
        _quota(findings, jumped=jumped),
        _recovery(findings),
    ]
    reasons = [reason for _, reason in judged if reason is not None] + list(list_doubts(findings))
    reasons.sort(key=lambda reason: reason.effect != "fail")
    return CapacityVerdict(
        reasons[0].effect if reasons else "pass",
        reasons,
        [each for each, _ in judged],
        dict(_figures(findings, objectives)),
    )


def _objective(name: str, wanted: Text, found: Text, met: Met) -> Objective:
    return Objective(name, say(name), wanted, found, met)


def _held(findings: Findings, name: str, wrong: list[Sample], missed: Reason) -> tuple[Met, Reason | None]:
    """The judgement on samples that speak against the server: only those that are not spoiled count."""
    if not wrong:
        return "met", None
    return ("missed", missed) if findings.clean(wrong) else ("not judged", _spoiled(findings, name, missed))


def _spoiled(findings: Findings, name: str, missed: Reason) -> Reason:
    sentence = say("spoiled", objective=say(name), spoiled=len(findings.spoiled_seconds))
    return Reason(name, "void", missed.wanted, missed.found, sentence)


def _rate(findings: Findings) -> Judged:
    due, span = findings.stamps_due, steady_s(findings)
    end = findings.steady.end if findings.steady else 0.0
    wrong = [each for each in due if each.got != GRANTED or each.done > end + SETTLE_S]
    rate = (len(due) - len(wrong)) / span if span else 0.0
    wanted = say(
        "rate wanted", due=findings.licensed_stamps, seconds=findings.run.duration_s, rate=findings.licensed_rate
    )
    found = say("rate found", granted=len(due) - len(wrong), planned=len(due))
    sentence = say("rate missed", wanted=findings.licensed_rate, found=rate, missed=len(wrong))
    met, reason = _held(findings, "rate", wrong, Reason("rate", "fail", wanted, found, sentence))
    if not due:
        met = "not judged"  # list_doubts() says why
    return _objective("rate", wanted, found, met), reason


def _latency(findings: Findings, limit: float) -> Judged:
    wanted = say("latency wanted", limit=limit)
    every = findings.ordered_ms(findings.prompt)
    if not every:
        return _objective("latency", wanted, say("latency none"), "not judged"), None
    p99 = percentile(every, 99)
    found = say("latency found", p99=p99)
    if len(every) < FEWEST_ANSWERS:  # list_doubts() says so
        return _objective("latency", wanted, found, "not judged"), None
    if p99 <= limit:
        return _objective("latency", wanted, found, "met"), None
    slow = sum(each > limit for each in every)
    sentence = say("latency missed", limit=limit, p99=p99, slow=slow, count=len(every))
    missed = Reason("latency", "fail", wanted, found, sentence)
    if percentile(findings.ordered_server_ms(findings.prompt), 99) > limit:
        return _objective("latency", wanted, found, "missed"), missed
    return _objective("latency", wanted, found, "not judged"), _spoiled(findings, "latency", missed)


def _tokens(findings: Findings) -> Judged:
    wrong, tokens = findings.wrong_tokens, len(findings.tokens)
    wanted, verified = same(0), sum(each.verified for each in findings.tokens)
    found = say("tokens found", wrong=len(wrong), tokens=tokens, verified=verified)
    if not wrong:
        return _objective("tokens", wanted, found, "met" if tokens else "not judged"), None
    kinds = _tally(each.fault for each in wrong)
    sentence = say("tokens missed", wrong=len(wrong), tokens=tokens, kinds=kinds)
    return _objective("tokens", wanted, found, "missed"), Reason("tokens", "fail", wanted, found, sentence)


def _answers(findings: Findings) -> Judged:
    wrong, requests, wanted = findings.unexpected, len(findings.run.samples), same(0)
    found = say("answers found", unexpected=len(wrong), requests=requests)
    kinds = _tally(f"{each.got} for {each.expected}" for each in wrong)
    sentence = say("answers missed", unexpected=len(wrong), requests=requests, kinds=kinds)
    met, reason = _held(findings, "answers", wrong, Reason("answers", "fail", wanted, found, sentence))
    return _objective("answers", wanted, found, met), reason


def _tally(kinds: Iterator[str]) -> str:
    """ "nonce (12), imprint (3)": the most frequent first, at most five."""
    return ", ".join(f"{kind} ({count:,})" for kind, count in Counter(kinds).most_common(5))


def _quota(findings: Findings, *, jumped: bool) -> Judged:
    run, window = findings.run, findings.exhausted_window
    edge = run.of(Phase.EDGE)
    granted, refused = findings.granted_in(window), sum(each.got == EXHAUSTED for each in edge)
    most = max([*findings.windows.values(), granted if edge else 0], default=0)
    wanted = say("quota wanted", capacity=run.capacity, window=run.window_s)
    found = say("quota found", granted=granted if edge else most, refused=refused)
    figures = {"capacity": run.capacity, "window": run.window_s}
    sentence = None
    if not jumped and most > run.capacity:
        found = say("quota found", granted=most, refused=refused)
        sentence = say("quota too many", granted=most, more=most - run.capacity, **figures)
    elif not jumped and _denied(findings, granted):
        sentence = say("quota too few", granted=granted, fewer=run.capacity - granted, **figures)
    if sentence is not None:
        return _objective("quota", wanted, found, "missed"), Reason("quota", "fail", wanted, found, sentence)
    if not edge:
        return _objective("quota", wanted, found, "not done"), None
    if jumped or (run.used_before is None and refused == len(edge)):  # list_doubts() tells of the clock
        return _objective("quota", wanted, found, "not judged"), None
    if granted == run.capacity and refused == len(edge):
        return _objective("quota", wanted, found, "met"), None
    unclear = say("edge unclear", granted=granted, capacity=run.capacity, refused=refused, asked=len(edge))
    return _objective("quota", wanted, found, "not judged"), Reason("quota", "void", wanted, found, unclear)


def _denied(findings: Findings, granted: int) -> bool:
    """Whether a 429 came while the window still had stamps, even if every lost answer was a stamp."""
    run, until = findings.run, (Phase.WARM_UP, Phase.STEADY, Phase.BURST, Phase.EDGE)
    lost = sum(not answered(each) for each in run.of(*until))
    refused = any(each.got == EXHAUSTED for each in run.of(Phase.BURST, Phase.EDGE))
    return refused and run.used_before is not None and granted + lost < run.capacity


def _recovery(findings: Findings) -> Judged:
    asked, length = findings.run.of(Phase.RECOVERY), findings.run.window_s
    after = -1 if findings.exhausted_window is None else findings.exhausted_window
    wrong = [each for each in asked if each.gen_time is None or each.gen_time // length <= after]
    granted, wanted = len(asked) - len(wrong), say("recovery wanted")
    if not asked:
        return _objective("recovery", wanted, same(""), "not done"), None
    found = say("recovery found", granted=granted, requests=len(asked))
    sentence = say("recovery missed", requests=len(asked), granted=granted)
    met, reason = _held(findings, "recovery", wrong, Reason("recovery", "fail", wanted, found, sentence))
    return _objective("recovery", wanted, found, met), reason


def _figures(findings: Findings, objectives: Objectives) -> Iterator[tuple[str, Any]]:
    """Every figure of the verdict under its name; rates a second, times as their names say."""
    run, span = findings.run, steady_s(findings)
    yield "licensed_rate", findings.licensed_rate
    yield "steady_s", span
    yield "offered_rate", len(findings.stamps_due) / span if span else 0.0
    yield "achieved_rate", sum(each.got == GRANTED for each in findings.stamps_due) / span if span else 0.0
    yield "requests", len(run.samples)
    yield "tokens", len(findings.tokens)
    yield "tokens_wrong", len(findings.wrong_tokens)
    yield "tokens_verified", sum(each.verified for each in findings.tokens)
    yield "unexpected", dict(Counter(f"{each.got} for {each.expected}" for each in findings.unexpected))
    yield "answers", dict(Counter(each.got for each in run.samples))
    if ordered := findings.ordered_ms(findings.prompt):
        yield "latency_ms", {f"p{percent:g}": percentile(ordered, percent) for percent in (50, 95, 99, 99.9, 100)}
    yield "p99_limit_ms", objectives.p99_ms
    yield "capacity", run.capacity
    yield "windows", {str(window): count for window, count in sorted(findings.windows.items())}
    yield "generator_cpu_most", max((second.cpu for second in run.seconds), default=None)
    yield "generator_late_ms_most", max((second.late_ms for second in run.seconds), default=None)
    yield "spoiled_seconds", len(findings.spoiled_seconds)
    yield "locust", run.locust
