"""The queue and its signing workers: bounded, in batches, and every job that was taken is answered once."""

import asyncio
import random
import time
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog

from signer.key import SigningFault
from tests.support.counts import times
from tests.support.mutations import check_response
from tests.support.query import Query
from tests.support.units import ANYONE, FakePool, authority
from tests.support.waiting import PATIENCE_S, StoppedClock, Waiting, answers, let_through, opened, stopped_clock, submit
from tsa.licensing.counters import Counters
from tsa.protocol.errors import (
    MalformedRequest,
    PKIFailureInfo,
    QueueFull,
    SystemFailure,
    TimeNotAvailable,
)

__all__ = ["stopped_clock"]


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """What was logged: a fault of the key comes with its traceback."""
    with structlog.testing.capture_logs() as events:
        yield events


async def test_what_one_turn_of_the_loop_brought_is_one_batch_and_each_gets_its_own_token() -> None:
    intake, meter = opened(authority())
    jobs = [Waiting() for _ in range(20)]
    requests = [Query().encode() for _ in jobs]
    for job, octets in zip(jobs, requests, strict=True):
        intake.submit(octets, job, ANYONE)
    assert intake.waiting == 20
    for octets, answer in zip(requests, await answers(jobs), strict=True):
        assert isinstance(answer, bytes)
        assert check_response(answer, octets)
    assert meter.stamps == 20
    assert sum(meter.batch_sizes[0]) == 1
    assert sum(meter.latencies[0]) == 20
    assert intake.waiting == 0


async def test_a_request_that_is_refused_is_not_queued() -> None:
    intake, _ = opened(authority(pool=FakePool()))
    job = Waiting()
    with pytest.raises(MalformedRequest):
        intake.submit(b"", job, ANYONE)
    assert (intake.waiting, job.answers) == (0, [])


async def test_a_full_queue_refuses_at_once() -> None:
    pool = FakePool()
    intake, _ = opened(authority(pool=pool, signing={"queue": 3, "max_batch": 2}))
    under_way = submit(intake, 2)
    gate = await asyncio.wait_for(pool.batches.get(), PATIENCE_S)
    assert not intake.full
    waiting = submit(intake, 3)
    assert intake.full
    late = Waiting()
    with pytest.raises(QueueFull, match="Retry-After"):
        intake.submit(Query().encode(), late, ANYONE)
    gate.set_result(None)
    await let_through(pool)
    await let_through(pool)
    assert all(isinstance(answer, bytes) for answer in await answers([*under_way, *waiting]))
    assert late.answers == []
    assert not intake.full


@pytest.mark.parametrize(
    ("cost_us", "signing", "batch", "queue"),
    [
        (10, {}, 128, 4096),
        (10, {"max_batch": 5, "queue": 7}, 5, 7),
        (1_000, {}, 20, 2_000),  # 20 ms of signatures a batch, 2 s of them in the queue
        (50_000, {}, 1, 40),
        (50_000, {"max_wait_ms": 1}, 1, 1),
    ],
)
@pytest.mark.usefixtures("stopped_clock")
async def test_a_slow_key_has_short_batches_and_a_short_queue(
    cost_us: float, signing: dict[str, int], batch: int, queue: int
) -> None:
    pool = FakePool(cost_us)
    intake, _ = opened(authority(pool=pool, signing={"max_wait_ms": 2_000} | signing))
    submit(intake, queue)
    assert intake.full
    gate = await asyncio.wait_for(pool.batches.get(), PATIENCE_S)
    assert pool.taken == [min(batch, queue)]
    assert intake.waiting == queue - min(batch, queue)
    gate.set_result(None)


async def test_a_long_queue_is_taken_in_batches() -> None:
    pool = FakePool()
    intake, meter = opened(authority(pool=pool))
    jobs = submit(intake, 300)
    for _ in range(3):
        await let_through(pool)
    await answers(jobs)
    assert pool.taken == [128, 128, 44]
    assert meter.batch_sizes[1] == 300


async def test_what_waited_too_long_is_refused_when_its_turn_comes(stopped_clock: StoppedClock) -> None:
    pool = FakePool()
    intake, meter = opened(authority(pool=pool, signing={"max_wait_ms": 20}))
    first = submit(intake, 1)
    gate = await asyncio.wait_for(pool.batches.get(), PATIENCE_S)
    late = submit(intake, 2)
    stopped_clock.now += 0.021
    fresh = submit(intake, 1)
    gate.set_result(None)
    assert [type(answer) for answer in await answers(late)] == [QueueFull, QueueFull]
    await let_through(pool)
    assert [type(answer) for answer in await answers([*first, *fresh])] == [bytes, bytes]
    assert meter.refusals[PKIFailureInfo.systemFailure] == 2
    assert meter.stamps == 2


async def test_when_all_waited_too_long_the_worker_goes_on(stopped_clock: StoppedClock) -> None:
    pool = FakePool()
    intake, _ = opened(authority(pool=pool, signing={"max_wait_ms": 1, "max_batch": 1}))
    submit(intake, 1)
    gate = await asyncio.wait_for(pool.batches.get(), PATIENCE_S)
    late = submit(intake, 3)
    stopped_clock.now += 0.002
    gate.set_result(None)
    assert {type(answer) for answer in await answers(late)} == {QueueFull}
    intake.use(authority(pool=pool))
    after = submit(intake, 1)
    await let_through(pool)
    assert isinstance(await after[0].answer(), bytes)


@pytest.mark.parametrize("fault", [SigningFault("the token is unplugged"), RuntimeError("no such slot")])
async def test_a_signing_fault_refuses_its_batch_and_the_next_is_stamped(
    fault: Exception, logged: list[MutableMapping[str, Any]]
) -> None:
    pool = FakePool()
    intake, meter = opened(authority(pool=pool))
    failed = submit(intake, 5)
    await let_through(pool, fault)
    refusals = await answers(failed)
    assert {type(refusal) for refusal in refusals} == {SystemFailure}
    assert not any(str(fault) in str(refusal) for refusal in refusals)
    assert meter.refusals[PKIFailureInfo.systemFailure] == 5
    assert meter.stamps == 0
    assert [(event["event"], event["size"], event["exc_info"]) for event in logged] == [("batch failed", 5, True)]

    after = submit(intake, 5)
    await let_through(pool)
    assert all(isinstance(answer, bytes) for answer in await answers(after))
    assert meter.stamps == 5


async def test_a_fault_before_anything_is_signed_leaves_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, logged: list[MutableMapping[str, Any]]
) -> None:
    intake, meter = opened(authority())
    with monkeypatch.context() as patch:
        patch.setattr(intake.authority, "moment", lambda: 1 // 0)
        answered = await answers(submit(intake, 3))
    assert {type(answer) for answer in answered} == {SystemFailure}
    assert not any("zero" in str(answer) for answer in answered)
    assert [(event["event"], event["size"], event["exc_info"]) for event in logged] == [("batch failed", 3, True)]
    assert meter.refusals[PKIFailureInfo.systemFailure] == 3
    assert {type(answer) for answer in await answers(submit(intake, 3))} == {bytes}


async def test_a_refusal_that_cannot_be_counted_is_answered_and_the_worker_goes_on(
    monkeypatch: pytest.MonkeyPatch, logged: list[MutableMapping[str, Any]]
) -> None:
    pool = FakePool()
    intake, _ = opened(authority(pool=pool))

    def out_of_reach(_counters: Counters, _number: int, _microseconds: int) -> None:
        raise OSError("no locks available")

    jobs = submit(intake, 2)
    with monkeypatch.context() as patch:
        patch.setattr(Counters, "refused", out_of_reach)
        await let_through(pool, SigningFault("out of reach"))
        assert {type(answer) for answer in await answers(jobs)} == {SystemFailure}
    assert [event["event"] for event in logged] == ["batch failed", "refusal not counted", "refusal not counted"]
    after = submit(intake, 1)
    await let_through(pool)
    assert {type(answer) for answer in await answers(after)} == {bytes}


async def test_a_clock_that_is_not_trusted_refuses_the_batch() -> None:
    now = [time.time_ns()]
    intake, meter = opened(authority(now_ns=lambda: now[0]))
    [granted] = submit(intake, 1)
    assert isinstance(await granted.answer(), bytes)
    now[0] -= 10**9
    refused = submit(intake, 3)
    assert {type(answer) for answer in await answers(refused)} == {TimeNotAvailable}
    assert meter.refusals[PKIFailureInfo.timeNotAvailable] == 3


async def test_another_authority_takes_over_between_two_batches() -> None:
    before, after = FakePool(), FakePool()
    intake, _ = opened(authority(pool=before, signing={"max_batch": 2}))
    jobs = submit(intake, 5)
    gate = await asyncio.wait_for(before.batches.get(), PATIENCE_S)
    intake.use(authority(pool=after))
    gate.set_result(None)
    await let_through(after)
    assert all(isinstance(answer, bytes) for answer in await answers(jobs))
    assert (before.taken, after.taken) == ([2], [3])


async def test_as_many_batches_are_under_way_as_there_are_signing_workers() -> None:
    pool = FakePool()
    intake, _ = opened(authority(pool=pool, signing={"max_batch": 4}), workers=2)
    intake.staff(2)  # as after each change: there are enough already
    jobs = submit(intake, 12)
    gates = [await asyncio.wait_for(pool.batches.get(), PATIENCE_S) for _ in range(2)]
    assert pool.taken == [4, 4]
    assert pool.batches.empty()
    for gate in gates:
        gate.set_result(None)
    await let_through(pool)
    await answers(jobs)


@pytest.mark.long
async def test_every_job_is_answered_once_whatever_happens() -> None:
    chance = random.Random(5)  # noqa: S311 - the same course of events in every run
    pools = [FakePool(), FakePool()]
    intake, meter = opened(authority(pool=pools[0], signing={"max_batch": 7, "queue": 50}), workers=3)
    taken: list[Waiting] = []
    refused = 0
    for _ in range(times(400)):
        for _ in range(chance.randrange(24)):
            job = Waiting()
            try:
                intake.submit(Query().encode(), job, ANYONE)
                taken.append(job)
            except QueueFull:
                refused += 1
                assert job.answers == []
        await asyncio.sleep(0)
        for gate in (pool.batches.get_nowait() for pool in pools if not pool.batches.empty()):
            gate.set_exception(SigningFault("now and then")) if chance.random() < 0.2 else gate.set_result(None)
        if chance.random() < 0.1:
            intake.use(authority(pool=chance.choice(pools), signing={"max_batch": 7, "queue": 50}))
            intake.staff(chance.randint(1, 4))
    while not all(job.answers for job in taken):
        for pool in pools:
            while not pool.batches.empty():
                pool.batches.get_nowait().set_result(None)
        await asyncio.sleep(0)
    assert refused
    assert all(len(job.answers) == 1 for job in taken)
    granted = [job for job in taken if isinstance(job.answers[0], bytes)]
    assert meter.stamps == len(granted)
    assert meter.refusals[PKIFailureInfo.systemFailure] == len(taken) - len(granted)
    assert 0 < len(granted) < len(taken)
