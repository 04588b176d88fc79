"""What is kept aside of the ledger: heads, usage for billing, counters after a restart, the stamp on the heads."""

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import der
from tests.support import query as queries
from tests.support.clock import open_gate
from tests.support.faulty_ledger import CAPACITY, START, Desk, application, assert_whole, control, keep_heads
from tests.support.processes import events, start, states, wait_for_event, wait_until
from tests.support.query import Query
from tests.support.server import Server, start_server
from tests.support.stamping import Authority
from tests.support.token import read_token
from tests.support.units import config
from tsa.clock.clock import ClockPair
from tsa.clock.gate import SharedGate
from tsa.ledger.archive import Archive
from tsa.ledger.segment import LedgerFault
from tsa.licensing import bookkeeping
from tsa.licensing.applications import add
from tsa.licensing.counters import Counters
from tsa.operate import initialise
from tsa.process.witness import stamp_heads
from tsa.state import layout
from tsa.state.config import load
from tsa.state.control import Control

__all__ = ["start", "states"]
Start = Callable[..., Server]

HOUR_US = 3_600_000_000
WINDOW = START // HOUR_US
SHOP = application(2, "shop")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    with closing(control(tmp_path)) as opened:
        add(opened, "shop", key="a key", licences=1)
    return tmp_path


def rows(state: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(state / "control.db")) as connection:
        return connection.execute(query).fetchall()


# Heads.


async def test_heads_go_on_with_the_ledger(state: Path) -> None:
    desk, other = Desk(state).open(), Desk(state, worker=1).open()
    heads, total = [], 0
    for count in (0, 3, 0, 2):
        if count:
            await desk.stamp(range(count))
        total += count
        keep_heads(state, desk.time_us)
        heads.append(dict(rows(state, "SELECT segment, seq FROM head")))
        assert_whole(state, total)
    assert heads == [{"2026-11/0.db": seq, "2026-11/1.db": 0} for seq in (0, 3, 3, 5)]
    [row] = rows(state, "SELECT link FROM head WHERE segment = '2026-11/0.db'")
    await desk.ledger.close()
    await other.ledger.close()
    with closing(sqlite3.connect(desk.folder / "2026-11/0.db")) as connection:
        assert connection.execute("SELECT link FROM stamp WHERE seq = 5").fetchone() == row


async def test_a_file_that_became_shorter_is_told_and_not_forgotten(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(state).open()
    await desk.stamp(range(5))
    await desk.ledger.close()
    keep_heads(state)
    with closing(sqlite3.connect(desk.folder / "2026-11/0.db")) as connection:
        connection.execute("DELETE FROM stamp WHERE seq > 3")
        connection.commit()
    keep_heads(state)
    assert "ledger file is shorter than it was: see `tsa ledger verify`" in capsys.readouterr().out
    assert rows(state, "SELECT seq FROM head") == [(5,)]


async def test_a_file_that_cannot_be_read_does_not_keep_the_others_from_it(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(state).open()
    await desk.stamp(range(5))
    bookkeeping.keep(config(dir=state), desk.counters, desk.time_us)
    (desk.folder / "2026-10").mkdir()
    (desk.folder / "2026-10/1.db").write_bytes(b"no database" * 1000)
    await desk.stamp(range(2))
    bookkeeping.keep(config(dir=state), desk.counters, desk.time_us)
    await desk.ledger.close()
    assert rows(state, "SELECT segment, seq FROM head") == [("2026-11/0.db", 7)]
    assert usage(state) == [(0, 1, 7, 0)]
    assert "file is not a database" in capsys.readouterr().out


# Usage.


def usage(state: Path) -> list[tuple[object, ...]]:
    """(window from START's on, application, stamps, refusals), as it is billed."""
    found = rows(state, "SELECT start / 3600, application, stamps, refusals FROM usage ORDER BY 1, 2")
    return [(int(str(window)) - WINDOW, *figures) for window, *figures in found]


async def stamp_both(desk: Desk, count: int, hours: float = 0) -> None:
    """Some stamps of the anonymous application and twice as many of the shop, so many hours after START."""
    desk.time_us = START + int(hours * HOUR_US)
    desk.open()
    await desk.stamp(range(count))
    await desk.stamp(range(2 * count), SHOP)
    await desk.ledger.close()


async def test_usage_is_written_by_window(state: Path) -> None:
    settings, counters = config(dir=state), Counters(3600)
    await stamp_both(Desk(state, counters=counters), 3)
    counters.refused(SHOP.id, START)
    bookkeeping.keep(settings, counters, START)
    assert usage(state) == [(0, 1, 3, 0), (0, 2, 6, 1)]
    await stamp_both(Desk(state, counters=counters), 1, hours=0.5)
    await stamp_both(Desk(state, counters=counters), 2, hours=1)
    bookkeeping.keep(settings, counters, START + HOUR_US)
    assert usage(state) == [(0, 1, 4, 0), (0, 2, 8, 1), (1, 1, 2, 0), (1, 2, 4, 0)]
    capacities = rows(state, "SELECT DISTINCT application, capacity FROM usage ORDER BY 1")
    assert capacities == [(1, 2 * 20_000), (2, 20_000)]


@pytest.mark.parametrize("kept", [False, True], ids=["killed in its first minute", "killed later"])
@pytest.mark.parametrize("later", [1, 2, 3, 40])
async def test_usage_of_a_server_that_was_killed(state: Path, kept: bool, later: int) -> None:
    """What its last minute had is in the ledger of both workers, and is written down by the next one."""
    settings, first = config(dir=state), Desk(state)
    await stamp_both(first, 3)
    if kept:
        bookkeeping.keep(settings, first.counters, first.time_us)
    for worker, hours in ((0, 0.5), (1, 0.5), (0, 1), (1, 1)):
        await stamp_both(Desk(state, worker), 5, hours)
    after, now = Counters(3600), START + later * HOUR_US + 7
    bookkeeping.restore(settings, after, now)
    bookkeeping.keep(settings, after, now, at_start=True)
    assert usage(state) == [(0, 1, 13, 0), (0, 2, 26, 0), (1, 1, 10, 0), (1, 2, 20, 0)]
    bookkeeping.keep(settings, after, now + HOUR_US)
    assert len(usage(state)) == 4


async def test_refusals_are_not_forgotten_with_the_counters(state: Path) -> None:
    settings, desk = config(dir=state), Desk(state)
    await stamp_both(desk, 1)
    for _ in range(3):
        desk.counters.refused(SHOP.id, desk.time_us)
    bookkeeping.keep(settings, desk.counters, desk.time_us)
    after = Counters(3600)
    bookkeeping.restore(settings, after, desk.time_us)
    bookkeeping.keep(settings, after, desk.time_us)
    assert usage(state) == [(0, 1, 1, 0), (0, 2, 2, 3)]


# Counters after a restart.


async def test_counters_are_what_the_ledger_has(state: Path) -> None:
    """Of the running window and the one before, by both workers, across the end of a month."""
    last = 4 + 8 * 24  # hours from START, 20 o'clock on November 22nd, to the first of December
    for hours in (last - 30, last - 2, last - 1, last):
        for worker in (0, 1):
            await stamp_both(Desk(state, worker), 2 + worker, hours)
    assert len(list(layout.ledger(state).glob("*/0.db"))) == 2
    for now, expected in ((last, (5, 5)), (last + 1, (5, 0)), (last + 2, (0, 0))):
        counters = Counters(3600)
        bookkeeping.restore(config(dir=state), counters, START + now * HOUR_US)
        window = WINDOW + now
        assert tuple(counters.used(1, window - back)[0] for back in (1, 0)) == expected
        assert tuple(counters.used(2, window - back)[0] for back in (1, 0)) == tuple(2 * count for count in expected)


async def test_what_was_used_is_not_sold_again(state: Path) -> None:
    await stamp_both(Desk(state), 100)
    after = Desk(state)
    after.time_us = START + 10_000_000
    bookkeeping.restore(config(dir=state), after.counters, after.time_us)
    wanted = {after.anyone: CAPACITY}
    assert after.counters.debit(wanted, after.time_us) == {after.anyone: CAPACITY - 100}


async def test_a_ledger_that_cannot_be_read_is_not_taken_for_an_empty_one(state: Path) -> None:
    await stamp_both(Desk(state), 100)
    path = layout.ledger(state) / "2026-11/0.db"
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(LedgerFault, match=rf"^{path} cannot be read: database disk image is malformed\.$"):
        bookkeeping.restore(config(dir=state), Counters(3600), START)


# The stamp on the heads.


def kept_witness(state: Path) -> tuple[str, str, bytes]:
    [(by, heads, response)] = rows(state, "SELECT by, heads, response FROM witness")
    return str(by), str(heads), bytes(response)  # type: ignore[arg-type]


def judge(witness: Server, heads: str, response: bytes) -> int:
    """The token on the heads holds in every point; its serialNumber."""
    status, token = der.read(response).of(der.SEQUENCE)
    assert status.raw == der.sequence(der.integer(0))
    found = read_token(token.raw, Authority(witness).certificate)
    assert found.info.imprint == queries.imprint("sha256", hashlib.sha256(heads.encode()).digest(), queries.NULL) or (
        found.info.imprint == queries.imprint("sha256", hashlib.sha256(heads.encode()).digest())
    )
    return found.info.serial


def serials(server: Server) -> set[int]:
    return {int.from_bytes(record.entry.serial, "big") for record in Archive(layout.ledger(server.directory)).records()}


@pytest.fixture
def served(start: Start) -> Iterator[Callable[..., Server]]:
    """A server that has stamped three with each worker and stopped, and serves again: there are heads to stamp."""
    again: list[Server] = []

    def serve(witness: str | None = None) -> Server:
        server = start(workers=1)
        authority = Authority(server)
        with authority.connect() as connection:
            for _ in range(3):
                authority.stamp(connection)
        server.stop()
        options = {("ledger", "witness"): witness} if witness else {}
        again.append(start_server(server.directory, options=options))
        return again[-1]

    yield serve
    for server in again:
        if server in Server.running:
            server.stop()


def test_by_ourselves_where_there_is_no_witness(served: Callable[..., Server]) -> None:
    """Soon after the start; unbilled, not in the ledger, and called what it is."""
    server = served()
    wait_for_event(server, "ledger heads stamped")
    by, heads, response = kept_witness(server.directory)
    assert by == events(server, "ledger heads stamped")[0]["by"] == "self"
    [[name, seq, link]] = json.loads(heads)
    assert name.endswith("/0.db")
    [kept] = rows(server.directory, "SELECT segment, seq, hex(link) FROM head")
    assert (name, seq, link) == kept
    assert seq == 3
    serial = judge(server, heads, response)
    server.stop()
    assert len(serials(server)) == 3
    assert serial not in serials(server)
    assert [stamps for [stamps] in rows(server.directory, "SELECT sum(stamps) FROM usage")] == [3]


def test_by_a_witness(start: Start, served: Callable[..., Server]) -> None:
    """Another authority stamps the heads as anybody's; it is ours that does not bill or record it."""
    witness = start(workers=1)
    server = served(witness.url)
    wait_for_event(server, "ledger heads stamped")
    by, heads, response = kept_witness(server.directory)
    assert by == events(server, "ledger heads stamped")[0]["by"] == witness.url
    serial = judge(witness, heads, response)
    server.stop()
    assert len(serials(server)) == 3
    assert serials(witness) == {serial}


def test_a_witness_that_does_not_answer_is_told(served: Callable[..., Server]) -> None:
    """And nobody waits for it."""
    server = served("http://127.0.0.1:1/")
    wait_until(lambda: "http://127.0.0.1:1/ cannot be reached" in server.log_text(), "the failure is logged")
    assert rows(server.directory, "SELECT * FROM witness") == []
    authority = Authority(server)
    with authority.connect() as connection:
        authority.stamp(connection, Query())
    server.stop()


async def test_by_ourselves_also_after_a_wrong_time_was_accepted(state: Path) -> None:
    initialise.development(state, "p256", 2)
    desk = Desk(state).open()
    await desk.stamp([1])
    keep_heads(state, desk.time_us)
    shared, (wall, boot) = open_gate(), ClockPair().read()
    shared.write(shared.read()._replace(epoch=1, anchor_us=wall - boot))
    await asyncio.to_thread(stamp_heads, load(state), shared)
    assert kept_witness(state)[0] == "self"
    await desk.ledger.close()


async def test_only_when_something_has_changed_and_an_hour_has_passed(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamped: list[str] = []
    now = 1_800_000_000.0
    monkeypatch.setattr(bookkeeping.time, "time", lambda: now)

    def due() -> bool:
        with closing(Control(state)) as opened:
            return bookkeeping.witness_due(opened)

    def witness() -> None:
        with closing(Control(state)) as opened:
            stamped.append(bookkeeping.heads_text(opened))
            bookkeeping.keep_witness(opened, "self", stamped[-1], b"a request", b"a token")

    assert not due()
    desk = Desk(state).open()
    await desk.stamp([1])
    keep_heads(state, desk.time_us)
    assert due()
    witness()
    now += 3600
    assert not due()
    await desk.stamp([2])
    keep_heads(state, desk.time_us)
    assert due()
    now -= 1
    assert not due()
    now += 1
    witness()
    assert [json.loads(heads)[0][1] for heads in stamped] == [1, 2]
    await asyncio.to_thread(stamp_heads, config(dir=state), SharedGate())  # not due: it needs no key
    await desk.ledger.close()
