"""A batch on its way from requests to tokens: what is stamped, billed, and given back.

A list stands in for the ledger: tests/authority/test_ledger.py has the real one.
"""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Iterator, MutableMapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from asn1crypto import tsp as asn1_tsp
from hypothesis import given, settings
from hypothesis import strategies as st

from signer.key import SigningFault
from tests.support.counts import times
from tests.support.mutations import check_response
from tests.support.query import Query
from tests.support.units import (
    FakePool,
    ListLedger,
    application,
    asked,
    authority,
    grant,
    unit,
)
from tsa.ledger.segment import LedgerFault
from tsa.licensing.applications import Application
from tsa.protocol.errors import LicenceExhausted, Refusal, SystemFailure, TimeNotAvailable
from tsa.stamping.issue import Authority
from tsa.stamping.tsu import UnusableTsu, read_passphrase

HOUR_US = 3_600_000_000
NEW_HOUR = 500_000 * HOUR_US  # the first µs of one


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """What was logged."""
    with structlog.testing.capture_logs() as events:
        yield events


def tst_info(response: bytes) -> asn1_tsp.TSTInfo:
    token = asn1_tsp.TimeStampResp.load(response, strict=True)["time_stamp_token"]
    return token["content"]["encap_content_info"]["content"].parsed


async def test_a_batch_has_one_gen_time_and_a_serial_number_for_each() -> None:
    now = 1_800_000_000_123_456
    tsu = dataclasses.replace(unit(), usable_from_us=0, usable_until_us=now + 1)
    ready = authority(now_ns=lambda: now * 1_000, accuracy_us=1_500, tsu=tsu)
    requests = [Query().encode() for _ in range(10)]
    answered = await ready.issue([asked(ready, octets) for octets in requests])
    answers = [answer for answer in answered if isinstance(answer, bytes)]
    assert all(check_response(answer, octets) for answer, octets in zip(answers, requests, strict=True))
    infos = [tst_info(answer) for answer in answers]
    assert {info["gen_time"].native for info in infos} == {datetime(2027, 1, 15, 8, 0, 0, 123_000, UTC)}
    assert {tuple(info["accuracy"].native.values()) for info in infos} == {(None, 1, 500)}
    serials = [info["serial_number"].native for info in infos]
    assert len(set(serials)) == 10
    assert {number >> 13 * 8 for number in serials} == {now}


def test_each_token_has_the_policy_that_its_request_was_given() -> None:
    ready = authority(policy={"default": "2.999.1", "accepted": ["2.999.2"]})
    for wanted, policy in ((None, "2.999.1"), ("2.999.1", "2.999.1"), ("2.999.2", "2.999.2")):
        assert tst_info(grant(ready, Query(policy=wanted).encode()))["policy"].dotted == policy


async def test_the_moment_tells_why_there_would_be_no_token() -> None:
    now = [10**18]
    ready = authority(now_ns=lambda: now[0], tsu=dataclasses.replace(unit(), usable_until_us=10**15))
    with pytest.raises(SystemFailure, match="certificate"):
        ready.moment()
    now[0] = 0
    with pytest.raises(TimeNotAvailable):
        ready.moment()


class Till:
    """An authority at the hour, its ledger, and what its licences were debited with; `now` is its clock in µs."""

    def __init__(self, pool: FakePool | None = None) -> None:
        self.now = NEW_HOUR
        self.ledger = ListLedger()
        tsu = dataclasses.replace(unit(), usable_from_us=0, usable_until_us=1 << 62)
        self.authority: Authority = authority(pool=pool, now_ns=lambda: self.now * 1_000, ledger=self.ledger, tsu=tsu)

    async def ask(self, *callers: Application) -> list[tuple[bytes, bytes | Refusal]]:
        """A batch with a request of each caller, in that order: requests with their answers."""
        requests = [Query().encode() for _ in callers]
        batch = [asked(self.authority, octets, by) for octets, by in zip(requests, callers, strict=True)]
        answers = await self.authority.issue(batch)
        assert self.ledger.left == 0, "no place in the ledger is held for ever"
        return list(zip(requests, answers, strict=True))

    def used(self, caller: Application) -> tuple[int, int]:
        """(stamps, refusals) of the hour that it is."""
        quota = self.authority.books.quota
        return quota.used(caller.id, quota.window(self.now))


def assert_answers(asked_and_answered: Sequence[tuple[bytes, bytes | Refusal]], kinds: Sequence[type]) -> None:
    """Each answer is of its kind, and each grant for what was asked in its place."""
    assert [type(answer) for _, answer in asked_and_answered] == list(kinds)
    for octets, answer in asked_and_answered:
        assert isinstance(answer, Refusal) or check_response(answer, octets)


def rows(ledger: ListLedger) -> list[int]:
    """Whose the ledger's rows are."""
    return [entry.application for entry in ledger.entries]


async def test_what_capacity_is_left_for_is_granted_in_order_and_the_rest_refused_in_its_place() -> None:
    till, scarce, rich = Till(), application(7, stamps=3, name="scarce"), application(8)
    answered = await till.ask(scarce, rich, scarce, rich, scarce, scarce, rich, scarce)
    granted, refused = bytes, LicenceExhausted
    assert_answers(answered, [granted, granted, granted, granted, granted, refused, granted, refused])
    assert rows(till.ledger) == [7, 8, 7, 8, 7, 8]
    assert (till.used(scarce), till.used(rich)) == ((3, 2), (3, 0))
    refusal = answered[5][1]
    assert isinstance(refusal, LicenceExhausted)
    assert "scarce has used all 3 stamps of its 1 licences" in str(refusal)
    assert refusal.retry_after_s == 3600


async def test_each_is_told_of_its_own_licences() -> None:
    till, one, other = Till(), application(7, stamps=1, name="one"), application(8, stamps=0, name="other")
    answered = await till.ask(other, one, one, other)
    assert_answers(answered, [LicenceExhausted, bytes, LicenceExhausted, LicenceExhausted])
    assert ["other" in str(answered[at][1]) for at in (0, 2, 3)] == [True, False, True]
    assert "one has used all 1" in str(answered[2][1])


async def test_where_nothing_is_left_nothing_is_signed_or_recorded() -> None:
    till, broke = Till(pool := FakePool()), application(7, stamps=0)
    assert_answers(await till.ask(broke, broke), [LicenceExhausted] * 2)
    assert (pool.taken, till.ledger.entries, till.used(broke)) == ([], [], (0, 2))


@pytest.mark.long
@settings(max_examples=times(50), deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 3), max_size=12), max_size=6), st.lists(st.integers(0, 12), min_size=4, max_size=4)
)
async def test_each_gets_what_it_bought_and_no_more_however_batches_are_mixed(
    batches: list[list[int]], bought: list[int]
) -> None:
    till = Till()
    clients = [application(number, stamps=stamps) for number, stamps in enumerate(bought)]
    had: Counter[int] = Counter()
    for batch in batches:
        kinds = []
        for number in batch:
            had[number] += 1
            kinds.append(bytes if had[number] <= bought[number] else LicenceExhausted)
        assert_answers(await till.ask(*(clients[number] for number in batch)), kinds)
    for number, client in enumerate(clients):
        granted = min(had[number], bought[number])
        assert till.used(client) == (granted, had[number] - granted)
        assert rows(till.ledger).count(number) == granted


async def test_an_application_that_was_read_anew_has_no_second_count() -> None:
    """A batch may hold requests of before and after a change in control.db."""
    till, before = Till(), application(7, stamps=3)
    after = dataclasses.replace(before)
    assert_answers(await till.ask(before, after, before, after), [bytes, bytes, bytes, LicenceExhausted])
    assert till.used(before) == (3, 1)


async def test_the_hour_is_that_of_gen_time() -> None:
    till, client = Till(), application(7, stamps=2)
    till.now = NEW_HOUR - 1
    late = await till.ask(client, client, client)
    assert_answers(late, [bytes, bytes, LicenceExhausted])
    refusal = late[2][1]
    assert isinstance(refusal, LicenceExhausted)
    assert refusal.retry_after_s == 1
    till.now = NEW_HOUR
    assert_answers(await till.ask(client, client, client), [bytes, bytes, LicenceExhausted])
    assert [entry.gen_time for entry in till.ledger.entries] == [NEW_HOUR - 1] * 2 + [NEW_HOUR] * 2


@pytest.mark.parametrize("fault", [SigningFault("unplugged"), RuntimeError("no such slot")])
async def test_what_was_not_signed_is_given_back(fault: Exception, logged: list[MutableMapping[str, Any]]) -> None:
    till, scarce, rich = Till(pool := FakePool()), application(7, stamps=2), application(8)
    asking = asyncio.create_task(till.ask(scarce, scarce, rich, scarce))
    (await pool.batches.get()).set_exception(fault)
    assert_answers(await asking, [SystemFailure, SystemFailure, SystemFailure, LicenceExhausted])
    assert (till.used(scarce), till.used(rich)) == ((0, 1), (0, 0))
    assert till.ledger.entries == []
    assert [(event["event"], event["exc_info"]) for event in logged] == [("batch failed", True)]

    asking = asyncio.create_task(till.ask(scarce, scarce, scarce))
    (await pool.batches.get()).set_result(None)
    assert [type(answer) for _, answer in await asking] == [bytes, bytes, LicenceExhausted]


async def test_what_is_given_back_goes_to_the_hour_that_it_came_from() -> None:
    till, client = Till(pool := FakePool()), application(7, stamps=5)
    till.now = NEW_HOUR - 1
    asking = asyncio.create_task(till.ask(client, client))
    gate = await pool.batches.get()
    till.now = NEW_HOUR
    gate.set_exception(SigningFault("unplugged"))
    assert_answers(await asking, [SystemFailure] * 2)
    assert till.used(client) == (0, 0)
    till.now = NEW_HOUR - 1
    assert till.used(client) == (0, 0)


@pytest.mark.parametrize(
    ("fault", "billed"),
    [
        (LedgerFault("disk full", lost=True), 0),
        (LedgerFault("who knows", lost=False), 2),  # perhaps the rows are there, and then they count
        (RuntimeError("a fault of ours"), 0),
    ],
)
async def test_what_is_certainly_not_recorded_is_not_billed(fault: Exception, billed: int) -> None:
    till, client = Till(), application(7, stamps=2)
    till.ledger.breaks = fault
    answered = await till.ask(client, client)
    assert_answers(answered, [SystemFailure] * 2)
    assert not any(str(fault) in str(answer) for _, answer in answered)
    assert till.used(client) == (billed, 0)
    till.ledger.breaks = None
    assert_answers(await till.ask(client, client), ([LicenceExhausted] if billed else [bytes]) * 2)


async def test_a_batch_without_a_time_costs_nothing() -> None:
    till, client = Till(), application(7, stamps=2)
    await till.ask(client)
    for moment, refused in ((NEW_HOUR - HOUR_US, TimeNotAvailable), (1 << 62, SystemFailure)):
        till.now = moment
        assert_answers(await till.ask(client, client, client), [refused] * 3)
    till.now = NEW_HOUR
    assert till.used(client) == (1, 0)


async def test_a_ledger_entry_has_what_its_token_says() -> None:
    till = Till()
    callers = [application(7), application(8, policy="2.999.8")]
    queries = [Query(cert_req=None, nonce=None), Query()]
    batch = [asked(till.authority, query.encode(), by) for query, by in zip(queries, callers, strict=True)]
    answers = await till.authority.issue(batch)
    for query, caller, entry, answer in zip(queries, callers, till.ledger.entries, answers, strict=True):
        assert isinstance(answer, bytes)
        info = tst_info(answer)
        assert entry.application == caller.id
        assert entry.gen_time == NEW_HOUR
        assert entry.serial == info["serial_number"].contents
        assert entry.policy == info["policy"].contents
        assert entry.imprint == info["message_imprint"]["hashed_message"].native
        assert entry.cert_req == query.wants_certificates
        assert entry.tst_info == info.dump()
        assert answer.endswith(entry.signature)
    assert len({entry.tsu for entry in till.ledger.entries}) == 1


async def test_every_signer_has_a_number_of_its_own() -> None:
    """Its key, its certificate, or what it signs besides: whatever makes other octets of the same row."""
    ledgers = [ListLedger() for _ in range(4)]
    makers = [
        authority(ledger=ledgers[0]),
        authority("p384", ledger=ledgers[1]),
        authority(ledger=ledgers[2], token={"signing_time": True}),
        authority(ledger=ledgers[3], token={"include_tsa_name": True}),  # which is in the TSTInfo
    ]
    for maker in makers:
        await maker.issue([asked(maker, Query().encode())])
    first, other_key, other_attributes, same = [ledger.entries[0].tsu for ledger in ledgers]
    assert len({first, other_key, other_attributes}) == 3
    assert same == first


def test_a_passphrase_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(b" with spaces \r\n")
    monkeypatch.delenv("TSA_KEY_PASSPHRASE", raising=False)
    assert read_passphrase(None) is None
    assert read_passphrase(file) == b" with spaces "
    monkeypatch.setenv("TSA_KEY_PASSPHRASE", "geheim ü")
    assert read_passphrase(None) == "geheim ü".encode()
    assert read_passphrase(file) == b" with spaces "
    with pytest.raises(UnusableTsu, match=r"passphrase file .*missing cannot be read: No such file"):
        read_passphrase(tmp_path / "missing")
