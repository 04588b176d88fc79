"""The judge, on made-up runs: each reason alone, what outranks what, and what a saturated generator may not decide."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.capacity.record import EXHAUSTED, GOOD, GRANTED, GeneratorSecond, Phase, Run, Sample, ServerStart
from bench.capacity.verdict import CapacityVerdict, Objectives, judge
from tests.support.runs import CAPACITY, EPOCH, WINDOW_S, exhaustion, good_run, run_of, stamp, steady, warm_up

Change = Callable[[Run], Run]


def changed(samples: Callable[[Sample], Sample], run: Run | None = None) -> Run:
    """The good run, or another, with each sample changed; Locust counts the same."""
    run = run or good_run()
    again = run_of([samples(sample) for sample in run.samples])
    return replace(run, samples=again.samples, locust=again.locust)


def only(condition: Callable[[Sample], bool], **to: Any) -> Run:
    """The good run with some samples changed."""
    return changed(lambda sample: sample._replace(**to) if condition(sample) else sample)


def slower(condition: Callable[[Sample], bool], seconds: float) -> Run:
    """The good run with some answers later."""
    return changed(lambda each: each._replace(done=each.done + seconds) if condition(each) else each)


def in_steady(share: int) -> Callable[[Sample], bool]:
    """Every so-many-th good request of the steady phase."""
    moments = [sample.scheduled for sample in steady() if sample.kind == GOOD][::share]
    return lambda sample: sample.phase == Phase.STEADY and sample.kind == GOOD and sample.scheduled in moments


def saturated(run: Run, seconds: range = range(2, 44), late_ms: float = 40.0, cpu: float = 0.5) -> Run:
    """The run with a generator that did not keep up in some seconds."""
    bad = [GeneratorSecond(float(second), 0, cpu, late_ms) for second in seconds]
    return replace(run, seconds=[second for second in run.seconds if int(second.at) not in seconds] + bad)


def reasons(verdict: CapacityVerdict) -> dict[str, str]:
    return {reason.objective: reason.effect for reason in verdict.reasons}


def met(verdict: CapacityVerdict) -> dict[str, str]:
    return {objective.name: objective.met for objective in verdict.objectives}


def test_a_good_run_passes() -> None:
    verdict = judge(good_run())
    assert (verdict.verdict, verdict.exit_status, verdict.reasons) == ("pass", 0, [])
    assert set(met(verdict).values()) == {"met"}
    assert verdict.figures["licensed_rate"] == verdict.figures["offered_rate"] == 10.0
    assert verdict.figures["achieved_rate"] == 10.0
    assert verdict.figures["latency_ms"]["p99"] == pytest.approx(4.0)


def test_what_was_not_exercised_is_not_done_and_not_held_against_it() -> None:
    verdict = judge(run_of([*warm_up(), *steady()]))
    assert verdict.verdict == "pass"
    assert {name for name, state in met(verdict).items() if state == "not done"} == {"quota", "recovery"}


def too_many(run: Run) -> Run:
    """Ten of the requests beyond the quota are granted."""
    at = [sample.scheduled for sample in run.samples if sample.phase == Phase.EDGE][:10]
    return changed(lambda each: stamp(Phase.EDGE, each.sent, expected=EXHAUSTED) if each.scheduled in at else each, run)


FAILS: list[tuple[str, Run, set[str], str]] = [
    ("slow", slower(in_steady(20), 0.2), {"latency"}, "took 204.0 ms"),
    ("wrong nonce", only(in_steady(400), fault="nonce"), {"tokens"}, "1 of 1,420 were: nonce (1)"),
    ("other time", only(in_steady(200), gen_time=EPOCH - 3600), {"tokens"}, "1,420 were: genTime (2)"),
    ("repeated", only(in_steady(200), fault="repeated serialNumber"), {"tokens"}, "repeated serialNumber (2)"),
    ("bad granted", only(lambda each: each.got == "badAlg", got=GRANTED), {"answers"}, "granted for badAlg (20)"),
    ("other failInfo", only(lambda each: each.got == "badAlg", got="badRequest"), {"answers"}, "badRequest for badAlg"),
    ("refused", only(in_steady(200), got="HTTP 503", gen_time=None), {"rate", "answers"}, "HTTP 503 for granted (2)"),
    ("silent", only(in_steady(200), got="no answer: reset", gen_time=None), {"rate", "answers"}, "2 requests were not"),
    ("late at the end", slower(lambda each: each.scheduled == 41.9, 1.5), {"rate"}, ": 9.97 stamps/s"),
    ("one too many", too_many(good_run()), {"quota"}, "1,010 were granted in one: 10 too many"),
    (
        "one too few",
        only(lambda each: each.scheduled == 60.99, got=EXHAUSTED, gen_time=None),
        {"quota", "answers"},
        "refused (HTTP 429) after 999: 1 too few",
    ),
    (
        "no recovery",
        only(lambda each: each.phase == Phase.RECOVERY, got=EXHAUSTED, gen_time=None),
        {"recovery", "answers"},
        "10 requests in the window after the exhausted one were to be granted; 0 were",
    ),
]


@pytest.mark.parametrize(("run", "objectives", "said"), [row[1:] for row in FAILS], ids=[row[0] for row in FAILS])
def test_an_objective_that_is_missed_fails(run: Run, objectives: set[str], said: str) -> None:
    verdict = judge(run)
    assert (verdict.verdict, verdict.exit_status) == ("fail", 1)
    assert reasons(verdict) == dict.fromkeys(objectives, "fail")
    assert {name for name, state in met(verdict).items() if state == "missed"} == objectives
    assert any(said in reason.sentence.en for reason in verdict.reasons), [
        str(each.sentence) for each in verdict.reasons
    ]


def without(phase: str, count: int) -> Run:
    """A generator that did not send the last `count` requests of a phase."""
    run = good_run()
    kept = [sample for sample in run.samples if sample.phase != phase]
    kept += [sample for sample in run.samples if sample.phase == phase][:-count]
    phases = [each._replace(offered=each.offered - count * (each.name == phase)) for each in run.phases]
    return replace(run_of(kept), phases=phases)


def test_a_burst_that_its_window_cut_short_shows_nothing_of_the_quota() -> None:
    burst = [each for each in exhaustion() if each.phase == Phase.BURST][:-300]
    run = run_of([*warm_up(), *steady(), *burst])
    phases = [each._replace(planned=CAPACITY) if each.name == Phase.BURST else each for each in run.phases]
    verdict = judge(replace(run, phases=phases))
    assert verdict.verdict == "pass"
    assert met(verdict)["quota"] == "not done"


def of_run(**to: Any) -> Run:
    return replace(good_run(), **to)


def lost_record() -> Run:
    run = good_run()
    return replace(run_of(run.samples[:-1]), phases=run.phases)


def stepped() -> Run:
    run = good_run()
    return replace(run, clock=[each._replace(offset=each.offset + (each.at > 20) * 0.2) for each in run.clock])


def ahead(seconds: float) -> Run:
    """A generator whose clock is late: every genTime is ahead of it, and right."""
    run = good_run()
    return replace(run, clock=[each._replace(offset=each.offset - seconds) for each in run.clock])


def restarted() -> Run:
    run = good_run()
    return replace(run, server_starts=[ServerStart(each.at, f"42@{each.at > 20}") for each in run.server_starts])


def locust(**to: float) -> Run:
    return of_run(locust=good_run().locust | to)


def late_sends() -> Run:
    """Two of a hundred requests leave 110 ms late, in seconds in which the generator's own timer is late, too."""
    run = changed(lambda each: each._replace(sent=each.sent + 0.11) if in_steady(50)(each) else each)
    return saturated(run)


def few() -> Run:
    """Licences so small that a minute has too few requests for a p99."""
    return replace(run_of([*warm_up(), *steady()[:200]]), stamps_per_licence_hour=5 * 1800)


VOIDS: list[tuple[str, Run, str, str]] = [
    ("interrupted", of_run(duration_s=60.0, stamps_per_licence_hour=12_000), "steady missing", "it lasted 40 s"),
    ("offered too little", of_run(licences=3), "schedule short", "makes 600 requests"),
    ("unsent", without(Phase.STEADY, 5), "unsent", "415 of 420 were sent"),
    ("lost record", lost_record(), "records missing", "9 of 10 are"),
    ("health unknown", of_run(seconds=[]), "watch missing", "readings of 0 and 40"),
    ("clock unknown", of_run(clock=[]), "watch missing", "readings of 40 and 0"),
    ("late generator", late_sends(), "generator late", "8 of 420 left over 100 ms late"),
    ("busy generator", saturated(good_run(), range(2, 10), 5.0, 0.95), "generator busy", "in 8 of 40 s"),
    ("clock stepped", stepped(), "clock jumped", "jumped by 0.200 s, 20 s after"),
    ("clocks apart", ahead(7.0), "clocks apart", "7.0 s off the generator's clock"),
    ("restarted", restarted(), "restarted", "restarted 1 times, first seen 20 s"),
    ("locust's requests", locust(requests=3), "locust disagrees", "Locust has requests = 3"),
    ("locust's failures", locust(failures=3), "locust disagrees", "failures = 3, the records have 0"),
    ("locust's p99", locust(p99_ms=40.0), "locust disagrees", "p99_ms = 40, the records have 4"),
    ("too few", few(), "too few", "at least 299 answers; the steady phase has 200"),
    ("none verified", only(lambda each: each.verified, verified=False), "none verified", "of 1,420 none was"),
]


@pytest.mark.parametrize(("run", "doubt", "said"), [row[1:] for row in VOIDS], ids=[row[0] for row in VOIDS])
def test_a_doubt_makes_the_run_void(run: Run, doubt: str, said: str) -> None:
    verdict = judge(run)
    assert (verdict.verdict, verdict.exit_status) == ("void", 2)
    assert doubt in reasons(verdict)
    assert set(reasons(verdict).values()) == {"void"}
    assert any(said in reason.sentence.en for reason in verdict.reasons), [
        str(each.sentence) for each in verdict.reasons
    ]


def test_each_doubt_can_come_alone() -> None:
    alone = {next(iter(found)) for row in VOIDS if len(found := reasons(judge(row[1]))) == 1}
    assert alone >= {row[2] for row in VOIDS}


@given(failing=st.sampled_from([row[1] for row in FAILS]), doubt=st.sampled_from([stepped, restarted, None]))
@settings(max_examples=30, deadline=None)
def test_fail_outranks_void_and_nothing_hides_a_doubt(failing: Run, doubt: Callable[[], Run] | None) -> None:
    if doubt is not None:
        failing = replace(failing, clock=doubt().clock, server_starts=doubt().server_starts)
    verdict = judge(failing)
    only_quota = reasons(judge(failing)).keys() <= {"quota", "clock jumped"}
    assert verdict.verdict == ("void" if doubt is stepped and only_quota else "fail")
    assert (doubt is None) == ("void" not in reasons(verdict).values())
    effects = [reason.effect for reason in verdict.reasons]
    assert effects == sorted(effects)  # the fails first


@pytest.mark.parametrize(
    ("run", "objective"),
    [
        (slower(in_steady(20), 0.2), "latency"),
        (only(in_steady(200), got="HTTP 503", gen_time=None), "answers"),
        (only(in_steady(200), got="no answer: timed out", gen_time=None), "rate"),
    ],
    ids=["latency", "answers", "rate"],
)
def test_a_saturated_generator_makes_void_of_what_it_may_have_caused(run: Run, objective: str) -> None:
    assert judge(run).verdict == "fail"
    verdict = judge(saturated(run))
    assert verdict.verdict == "void"
    assert met(verdict)[objective] == "not judged"


def test_what_a_saturated_generator_cannot_have_caused_still_fails() -> None:
    for run in (only(in_steady(200), fault="nonce"), too_many(good_run())):
        assert judge(saturated(run, range(120))).verdict == "fail"
    slow = slower(lambda each: each.phase == Phase.STEADY, 3.0)
    assert judge(slow).verdict == "fail"
    # Two bad seconds do not explain answers that took three seconds throughout.
    assert met(judge(saturated(slow, range(20, 22))))["latency"] == "missed"


def test_a_slow_server_is_not_taken_for_a_slow_generator() -> None:
    """Requests that leave late because every connection waits for the server are the server's lateness."""
    run = changed(lambda each: each._replace(sent=each.sent + 2, done=each.done + 2) if in_steady(2)(each) else each)
    verdict = judge(run)
    assert verdict.verdict == "fail"
    assert "void" not in reasons(verdict).values()


def test_the_quota_is_not_judged_where_it_cannot_be() -> None:
    jumped = replace(too_many(good_run()), clock=stepped().clock)
    assert reasons(judge(jumped)) == {"clock jumped": "void"}
    assert met(judge(jumped))["quota"] == "not judged"
    unanswered = only(lambda each: each.scheduled == 60.99, got="no answer: reset", gen_time=None)
    assert reasons(judge(unanswered)) == {"quota": "void", "answers": "fail"}
    shared = replace(run_of([*steady(), *exhaustion()[50:]]), used_before=None)
    assert judge(shared).verdict == "pass"
    assert met(judge(shared))["quota"] == "not judged"
    assert judge(replace(shared, used_before=50)).verdict == "pass"
    assert met(judge(replace(shared, used_before=50)))["quota"] == "met"
    assert reasons(judge(replace(shared, used_before=49))) == {"quota": "fail"}


def test_a_window_that_gives_too_much_is_seen_in_any_phase() -> None:
    verdict = judge(replace(run_of([*warm_up(), *steady()]), capacity=400))
    assert reasons(verdict) == {"quota": "fail"}
    assert "410 were granted in one: 10 too many" in verdict.reasons[0].sentence.en


def test_an_edge_that_reached_into_the_next_window_proves_nothing() -> None:
    late = [stamp(Phase.EDGE, 2 * WINDOW_S + 0.5, expected=EXHAUSTED)]
    samples = [each for each in exhaustion() if each.phase != Phase.RECOVERY]
    assert reasons(judge(run_of([*warm_up(), *steady(), *samples, *late]))) == {"quota": "void"}


def test_objectives_can_be_set() -> None:
    assert judge(good_run(), Objectives(p99_ms=3.9)).verdict == "fail"
    assert judge(slower(in_steady(20), 0.2), Objectives(p99_ms=250.0)).verdict == "pass"


def test_the_judge_reads_and_changes_nothing_else() -> None:
    run = good_run()
    before = repr(run)
    shuffled = replace(run, samples=run.samples[::-1])
    assert judge(run) == judge(shuffled) == judge(run)
    assert repr(run) == before


def test_an_empty_run_is_void() -> None:
    assert judge(run_of([])).verdict == "void"
