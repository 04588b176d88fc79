"""Usage for billing, by window, and the counters after a restart."""

from contextlib import closing
from pathlib import Path

import pytest

from tests.support.faulty_ledger import CAPACITY, START, Desk, application, control, rows
from tests.support.units import config
from tsa.ledger.segment import LedgerFault
from tsa.licensing.applications import add
from tsa.licensing.counters import Counters
from tsa.licensing.store import SqliteApplications
from tsa.licensing.usage import restore
from tsa.process.bookkeeping import keep
from tsa.state import layout

HOUR_US = 3_600_000_000
WINDOW = START // HOUR_US
SHOP = application(2, "shop")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    with closing(control(tmp_path)) as opened:
        add(SqliteApplications(opened), "shop", key="a key", licences=1)
    return tmp_path


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
    keep(settings, counters, START)
    assert usage(state) == [(0, 1, 3, 0), (0, 2, 6, 1)]
    await stamp_both(Desk(state, counters=counters), 1, hours=0.5)
    await stamp_both(Desk(state, counters=counters), 2, hours=1)
    keep(settings, counters, START + HOUR_US)
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
        keep(settings, first.counters, first.time_us)
    for worker, hours in ((0, 0.5), (1, 0.5), (0, 1), (1, 1)):
        await stamp_both(Desk(state, worker), 5, hours)
    after, now = Counters(3600), START + later * HOUR_US + 7
    restore(settings, after, now)
    keep(settings, after, now, at_start=True)
    assert usage(state) == [(0, 1, 13, 0), (0, 2, 26, 0), (1, 1, 10, 0), (1, 2, 20, 0)]
    keep(settings, after, now + HOUR_US)
    assert len(usage(state)) == 4


async def test_refusals_are_not_forgotten_with_the_counters(state: Path) -> None:
    settings, desk = config(dir=state), Desk(state)
    await stamp_both(desk, 1)
    for _ in range(3):
        desk.counters.refused(SHOP.id, desk.time_us)
    keep(settings, desk.counters, desk.time_us)
    after = Counters(3600)
    restore(settings, after, desk.time_us)
    keep(settings, after, desk.time_us)
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
        restore(config(dir=state), counters, START + now * HOUR_US)
        window = WINDOW + now
        assert tuple(counters.used(1, window - back)[0] for back in (1, 0)) == expected
        assert tuple(counters.used(2, window - back)[0] for back in (1, 0)) == tuple(2 * count for count in expected)


async def test_what_was_used_is_not_sold_again(state: Path) -> None:
    await stamp_both(Desk(state), 100)
    counters, now = Counters(3600), START + 10_000_000
    after = Desk(state, counters=counters)
    restore(config(dir=state), counters, now)
    assert counters.debit({after.anyone: CAPACITY}, now) == {after.anyone: CAPACITY - 100}


async def test_a_ledger_that_cannot_be_read_is_not_taken_for_an_empty_one(state: Path) -> None:
    await stamp_both(Desk(state), 100)
    path = layout.ledger(state) / "2026-11/0.db"
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(LedgerFault, match=rf"^{path} cannot be read: database disk image is malformed\.$"):
        restore(config(dir=state), Counters(3600), START)
