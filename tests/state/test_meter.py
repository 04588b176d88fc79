"""The counts of all workers, in memory that the processes share."""

import os

import pytest

from tsa.protocol.errors import MalformedRequest, PKIFailureInfo, TimeNotAvailable
from tsa.state.meter import BATCH_BOUNDS, LATENCY_BOUNDS_S, Meter, shared_meters


@pytest.fixture
def meter() -> Meter:
    return shared_meters(1)[0]


def test_what_another_process_counts_is_seen_here() -> None:
    meters = shared_meters(2)
    pid = os.fork()
    if pid == 0:
        meters[1].batch([0.002] * 3)
        meters[1].refused(MalformedRequest("x"))
        meters[1].queue, meters[1].connections = 4, 5
        meters[1].commit(0.5, 77)
        os._exit(0)
    meters[0].batch([0.002])
    assert os.waitpid(pid, 0)[1] == 0
    assert [each.stamps for each in meters] == [1, 3]
    assert [each.refusals[PKIFailureInfo.badDataFormat] for each in meters] == [0, 1]
    assert [(each.queue, each.connections) for each in meters] == [(0, 0), (4, 5)]
    assert [(sum(each.commits[0]), each.commits[1], each.ledger_seq) for each in meters] == [(0, 0, 0), (1, 0.5, 77)]


def test_each_worker_writes_its_own_part_of_the_memory() -> None:
    meters = shared_meters(3)
    meters[1].batch([10.0] * 2000)
    meters[1].refused(TimeNotAvailable("x"))
    meters[1].queue, meters[1].connections = 2**40, 2**40
    meters[1].commit(10.0, 2**40)
    for other in (meters[0], meters[2]):
        assert other.stamps == other.queue == other.connections == other.ledger_seq == 0
        assert other.commits == ([0] * (len(LATENCY_BOUNDS_S) + 1), 0)
        assert not any(other.refusals.values())
        assert other.latencies == ([0] * (len(LATENCY_BOUNDS_S) + 1), 0)
        assert other.batch_sizes == ([0] * (len(BATCH_BOUNDS) + 1), 0)


@pytest.mark.parametrize("at", range(len(LATENCY_BOUNDS_S)))
def test_a_latency_is_counted_below_its_bound(meter: Meter, at: int) -> None:
    bound = LATENCY_BOUNDS_S[at]
    meter.batch([bound, bound * 1.001])
    counts, total = meter.latencies
    assert [counts[at], counts[at + 1], sum(counts)] == [1, 1, 2]
    assert total == pytest.approx(bound * 2.001, abs=2e-6)


@pytest.mark.parametrize("at", range(len(LATENCY_BOUNDS_S)))
def test_a_commit_is_counted_below_its_bound_and_tells_the_newest_row(meter: Meter, at: int) -> None:
    bound = LATENCY_BOUNDS_S[at]
    meter.commit(bound, 5)
    meter.commit(bound * 1.001, 9)
    counts, total = meter.commits
    assert [counts[at], counts[at + 1], sum(counts)] == [1, 1, 2]
    assert total == pytest.approx(bound * 2.001, abs=2e-6)
    assert meter.ledger_seq == 9


@pytest.mark.parametrize("at", range(len(BATCH_BOUNDS)))
def test_a_batch_is_counted_by_its_size(meter: Meter, at: int) -> None:
    bound = BATCH_BOUNDS[at]
    meter.batch([0.0] * bound)
    meter.batch([0.0] * (bound + 1))
    counts, stamps = meter.batch_sizes
    assert [counts[at], counts[at + 1], sum(counts)] == [1, 1, 2]
    assert stamps == meter.stamps == 2 * bound + 1


@pytest.mark.parametrize("bound", [LATENCY_BOUNDS_S, BATCH_BOUNDS])
def test_bounds_ascend(bound: tuple[float, ...]) -> None:
    assert list(bound) == sorted(set(bound))


def test_refusals_are_counted_by_their_fail_info(meter: Meter) -> None:
    for _ in range(3):
        meter.refused(TimeNotAvailable("x"))
    assert {failure: count for failure, count in meter.refusals.items() if count} == {
        PKIFailureInfo.timeNotAvailable: 3
    }
    assert set(meter.refusals) == set(PKIFailureInfo)
