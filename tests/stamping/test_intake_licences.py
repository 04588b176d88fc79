"""The queue and licences: whose a request is, what has no capacity left, and how many signing workers there are.

How applications share batches is in test_fairness.py.
"""

import asyncio

import pytest

from tests.support.query import Query
from tests.support.units import ANYONE, FakePool, ListLedger, application, authority
from tests.support.waiting import PATIENCE_S, StoppedClock, Waiting, answers, let_through, opened, stopped_clock, submit
from tsa.protocol import der
from tsa.protocol.errors import LicenceExhausted, PKIFailureInfo, QueueFull, UnacceptedPolicy

__all__ = ["stopped_clock"]


async def test_a_job_knows_whose_it_is_and_the_policy_to_be_stamped_under() -> None:
    ledger = ListLedger()
    intake, _ = opened(authority(ledger=ledger, policy={"default": "2.999.1"}))
    [ours], [theirs] = submit(intake, 1), submit(intake, 1, application(8, policy="2.999.8"))
    await answers([ours, theirs])
    assert [(entry.application, entry.policy) for entry in ledger.entries] == [
        (1, der.oid("2.999.1")[2:]),
        (8, der.oid("2.999.8")[2:]),
    ]


async def test_a_policy_of_another_application_is_not_queued() -> None:
    intake, _ = opened(authority(pool=FakePool()))
    octets = Query(policy="2.999.8").encode()
    with pytest.raises(UnacceptedPolicy):
        intake.submit(octets, Waiting(), ANYONE)
    assert intake.waiting == 0
    intake.submit(octets, Waiting(), application(8, policy="2.999.8"))
    assert intake.waiting == 1


async def test_what_licences_have_no_room_for_is_answered_and_counted_as_a_refusal() -> None:
    intake, meter = opened(authority())
    answered = await answers(submit(intake, 5, application(stamps=3)))
    assert [type(answer) for answer in answered] == [bytes] * 3 + [LicenceExhausted] * 2
    assert (meter.stamps, meter.refusals[PKIFailureInfo.systemFailure]) == (3, 2)
    assert sum(meter.latencies[0]) == meter.batch_sizes[1] == 3, "refusals have no latency of a stamp"


async def test_a_batch_that_is_all_refused_is_no_batch() -> None:
    intake, meter = opened(authority())
    answered = await answers(submit(intake, 4, application(stamps=0)))
    assert [type(answer) for answer in answered] == [LicenceExhausted] * 4
    assert (meter.stamps, sum(meter.batch_sizes[0])) == (0, 0)


async def test_what_waited_too_long_costs_no_licence(stopped_clock: StoppedClock) -> None:
    pool = FakePool()
    intake, _ = opened(authority(pool=pool, signing={"max_wait_ms": 20}))
    client = application(stamps=2)
    first = submit(intake, 1, client)
    gate = await asyncio.wait_for(pool.batches.get(), PATIENCE_S)
    late = submit(intake, 3, client)
    stopped_clock.now += 0.021
    fresh = submit(intake, 2, client)
    gate.set_result(None)
    await let_through(pool)
    assert [type(answer) for answer in await answers(late)] == [QueueFull] * 3
    assert [type(answer) for answer in await answers([*first, *fresh])] == [bytes, bytes, LicenceExhausted]


async def test_signing_workers_come_and_go_with_the_licences() -> None:
    pool = FakePool()
    intake, _ = opened(authority(pool=pool, signing={"max_batch": 2}), workers=3)

    async def batches_under_way() -> int:
        """After letting through those that were: as many as there are signing workers, while requests wait."""
        while not pool.batches.empty():
            pool.batches.get_nowait().set_result(None)
        for _ in range(20):
            await asyncio.sleep(0)
        return pool.batches.qsize()

    jobs = submit(intake, 14)
    assert [await batches_under_way()] == [3]
    intake.staff(1)  # those that are too many end with the batch that they have
    assert [await batches_under_way() for _ in range(2)] == [1, 1]
    intake.staff(2)
    assert [await batches_under_way() for _ in range(2)] == [2, 0]
    await answers(jobs)

    intake.staff(1)  # both wait for work: one of them ends with the first that comes
    more = submit(intake, 12)
    counts = [await batches_under_way() for _ in range(7)]
    assert counts[0] <= 2
    assert set(counts[1:-1]) <= {1, 0}
    await answers(more)
    intake.staff(4)
    last = submit(intake, 10)
    assert [await batches_under_way() for _ in range(3)] == [4, 1, 0]
    await answers(last)
