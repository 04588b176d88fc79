"""What is counted for the judge: percentiles, and the part of a request that the generator spoiled."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.capacity.findings import Findings, percentile
from bench.capacity.record import NOT_PROVED, REPEATED, ClockReading, GeneratorSecond, Phase
from bench.capacity.verdict import judge
from tests.support.runs import CAPACITY, EPOCH, good_run, refused, run_of, stamp, steady


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.sampled_from([1, 50, 95, 99, 99.9, 100]))
def test_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[float], percent: float) -> None:
    ordered = sorted(values)
    found = percentile(ordered, percent)
    assert found in ordered
    assert sum(value <= found for value in ordered) * 100 >= percent * len(ordered)
    assert sum(value < found for value in ordered) * 100 < percent * len(ordered)


@given(
    at=st.floats(0, 20), length=st.floats(0, 5), bad=st.sets(st.integers(0, 25), max_size=6), late=st.floats(20.1, 900)
)
def test_spoiled_time_is_within_the_request(at: float, length: float, bad: set[int], late: float) -> None:
    sample = stamp(Phase.STEADY, at, done=at + length)
    run = run_of([sample], seconds=[GeneratorSecond(float(second), 0, 0.1, late) for second in bad])
    findings = Findings(run)
    assert bad <= findings.spoiled_seconds
    assert 0 <= findings.spoiled_s(sample) <= length + 1e-9
    assert findings.spoiled_s(sample) == pytest.approx(
        sum(max(0.0, min(at + length, second + 1) - max(at, second)) for second in findings.spoiled_seconds)
    )


def test_a_generator_that_woke_late_spoiled_the_time_that_it_slept() -> None:
    run = run_of([], seconds=[GeneratorSecond(10.2, 0, 0.1, 2_500.0), GeneratorSecond(20.0, 0, 0.95, 0.5)])
    assert Findings(run).spoiled_seconds == {7, 8, 9, 10, 11, 20}


def test_a_good_second_spoils_nothing() -> None:
    assert Findings(run_of([])).spoiled_seconds == set()
    assert Findings(run_of([], seconds=[GeneratorSecond(3.0, 0, 0.89, 20.0)])).spoiled_seconds == set()


def test_a_clock_that_is_slewed_did_not_jump() -> None:
    run = good_run()
    slewed = [ClockReading(each.at, each.offset + each.at * 500e-6) for each in run.clock]
    assert judge(replace(run, clock=slewed)).verdict == "pass"


def test_refusals_that_are_due_are_no_failure() -> None:
    samples = [refused(Phase.WARM_UP, 1.0, "SHA-1", "badAlg"), *steady()]
    assert judge(run_of(samples)).figures["unexpected"] == {}
    assert judge(good_run()).figures["capacity"] == CAPACITY


def test_a_clock_that_stands_still_makes_wrong_tokens() -> None:
    verdict = judge(run_of([sample._replace(gen_time=EPOCH + 2) for sample in steady() if sample.gen_time]))
    assert verdict.verdict == "fail"
    assert [reason.objective for reason in verdict.reasons if reason.effect == "fail"] == ["tokens"]


def test_a_token_of_a_slow_server_has_the_time_of_its_making() -> None:
    slow = [sample._replace(done=sample.done + 30) for sample in steady()]
    assert Findings(run_of(slow)).wrong_tokens == []
    assert Findings(run_of(slow)).clocks_apart_s == 0


@pytest.mark.parametrize("fault", [REPEATED, f"{NOT_PROVED}: Step 7"])
def test_what_locust_cannot_know_is_no_disagreement(fault: str) -> None:
    run = good_run()
    verdict = judge(replace(run, samples=[run.samples[0]._replace(fault=fault), *run.samples[1:]]))
    assert [(reason.objective, reason.effect) for reason in verdict.reasons] == [("tokens", "fail")]
