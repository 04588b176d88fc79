"""What control.db keeps of the ledger: the heads of its files, and when they are stamped."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.faulty_ledger import START, Desk, assert_whole, control, keep_heads, rows
from tests.support.units import config
from tsa.clock.gate import SharedGate
from tsa.ledger import heads
from tsa.process.bookkeeping import keep
from tsa.process.witness import stamp_heads
from tsa.state.control import Control


@pytest.fixture
def state(tmp_path: Path) -> Path:
    control(tmp_path).close()
    return tmp_path


async def test_heads_go_on_with_the_ledger(state: Path) -> None:
    desk, other = Desk(state).open(), Desk(state, worker=1).open()
    found, total = list[dict[str, int]](), 0
    for count in (0, 3, 0, 2):
        if count:
            await desk.stamp(range(count))
        total += count
        keep_heads(state, desk.time_us)
        found.append(dict(rows(state, "SELECT segment, seq FROM head")))
        assert_whole(state, total)
    assert found == [{"2026-11/0.db": seq, "2026-11/1.db": 0} for seq in (0, 3, 3, 5)]
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
    keep(config(dir=state), desk.counters, desk.time_us)
    (desk.folder / "2026-10").mkdir()
    (desk.folder / "2026-10/1.db").write_bytes(b"no database" * 1000)
    await desk.stamp(range(2))
    keep(config(dir=state), desk.counters, desk.time_us)
    await desk.ledger.close()
    assert rows(state, "SELECT segment, seq FROM head") == [("2026-11/0.db", 7)]
    window = START // 1_000_000
    assert rows(state, "SELECT start, application, stamps, refusals FROM usage") == [(window, 1, 7, 0)]
    assert "file is not a database" in capsys.readouterr().out


async def test_only_when_something_has_changed_and_an_hour_has_passed(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamped: list[str] = []
    now = 1_800_000_000.0
    monkeypatch.setattr("tsa.ledger.heads.time.time", lambda: now)

    def due() -> bool:
        with closing(Control(state)) as opened:
            return heads.stamp_due(opened)

    def witness() -> None:
        with closing(Control(state)) as opened:
            stamped.append(heads.heads_text(opened))
            heads.keep_stamp(opened, "self", stamped[-1], b"a request", b"a token")

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
    assert [json.loads(text)[0][1] for text in stamped] == [1, 2]
    await asyncio.to_thread(stamp_heads, config(dir=state), SharedGate())  # not due: it needs no key
    await desk.ledger.close()
