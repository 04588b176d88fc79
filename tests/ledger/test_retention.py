"""Copies beside a writing server, and the end of what need not be kept."""

import asyncio
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.faulty_ledger import START, Desk, assert_whole, audit, control, keep_heads
from tsa.commands.ledger import app
from tsa.ledger import retention, segment
from tsa.ledger.archive import Archive
from tsa.ledger.retention import back_up, prune
from tsa.ledger.segment import LedgerFault
from tsa.state import layout
from tsa.state.control import Control

DAY_US = 86_400_000_000
FILES = ["2026-11/0.db", "2026-12/0.db", "2027-01/0.db"]


def first_of(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp() * 1e6)


async def stamp_months(state: Path, worker: int = 0, months: tuple[int, ...] = (0, 31, 62)) -> None:
    """Five stamps in each of some months, which begin so many days after November 22nd."""
    for days in months:
        desk = Desk(state, worker)
        desk.time_us = START + days * DAY_US
        await desk.open().stamp(range(5))
        await desk.ledger.close()
        keep_heads(state)  # of those files that are written to, each minute


@pytest.fixture(autouse=True)
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the year 2100, so that nothing is too young to go."""
    monkeypatch.setattr(time, "time", lambda: first_of(2100, 1) / 1e6)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A ledger of one worker and FILES, with heads."""
    state = tmp_path / "state"
    state.mkdir()
    control(state).close()
    asyncio.run(stamp_months(state))
    keep_heads(state)
    return state


def files(folder: Path) -> list[str]:
    """The names of all files below it, but for those that SQLite puts beside a database that is read."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix[3:] not in ("-wal", "-shm"))


def no_telling(_name: str) -> None:
    """For who does not want to hear how far it is."""


# Copies.


def test_a_copy_is_whole_and_holds_no_key(state: Path, tmp_path: Path) -> None:
    for name in ("tsa.toml", "certs/ca.pem", "certs/tsa.pem", "keys/tsa.key"):
        (state / name).parent.mkdir(exist_ok=True)
        (state / name).write_text(name)
    told: list[str] = []
    target = tmp_path / "new" / "copy"
    assert back_up(state, target, told.append) == 3
    assert told == FILES
    assert_whole(target, 15)
    assert [*Archive(layout.ledger(target)).records()] == [*Archive(layout.ledger(state)).records()]
    assert files(target) == ["0.db", "0.db", "0.db", "ca.pem", "control.db", "tsa.pem", "tsa.toml"]
    assert {path.stat().st_mode & 0o077 for path in target.rglob("*.db")} == {0}


async def test_only_what_has_grown_is_copied_again(state: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    back_up(state, target, no_telling)
    before = {name: (layout.ledger(target) / name).stat().st_ino for name in FILES}
    assert back_up(state, target, no_telling) == 0
    desk = Desk(state)
    desk.time_us = START + 63 * DAY_US
    await desk.open().stamp([1])
    assert back_up(state, target, no_telling) == 1, "while the file is open, and the row in its WAL"
    await desk.ledger.close()
    after = {name: (layout.ledger(target) / name).stat().st_ino for name in FILES}
    assert [name for name in FILES if before[name] != after[name]] == FILES[-1:]
    assert_whole(target, 16)


def test_beside_a_server_that_writes(state: Path, tmp_path: Path) -> None:
    """Copies made while another thread stamps without a pause: each is whole, and none is of the past."""
    stop, copied, stamped = threading.Event(), threading.Event(), threading.Event()
    sent: list[bytes] = []

    async def write() -> None:
        desk = Desk(state)
        desk.time_us = START + 63 * DAY_US
        desk.open()
        while not stop.is_set():
            sent.extend(await desk.stamp(range(20)))
            stamped.set()
        await desk.ledger.close()

    writer = threading.Thread(target=lambda: asyncio.run(write()))
    writer.start()
    try:
        assert stamped.wait(10)
        for number in range(5):
            already, target = len(sent), tmp_path / f"copy-{number % 2}"
            back_up(state, target, no_telling)
            tokens = [record.token for record in Archive(layout.ledger(target)).records(START + 63 * DAY_US)]
            assert tokens == sent[: len(tokens)]
            assert len(tokens) >= already
            assert_whole(target, 15 + len(tokens))
        copied.set()
    finally:
        stop.set()
        writer.join(10)
    assert copied.is_set()


def test_a_copy_that_was_interrupted_is_made_again(state: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    (layout.ledger(target) / "2026-12").mkdir(parents=True)
    (layout.ledger(target) / "2026-12/0.db.part").write_bytes(b"half")
    assert back_up(state, target, no_telling) == 3
    assert not list(target.rglob("*.part"))
    assert_whole(target, 15)


def test_where_nothing_can_be_written(state: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("in the way")
    with pytest.raises(LedgerFault, match=rf"The backup to {tmp_path}/copy is not complete: .*File exists"):
        back_up(state, tmp_path / "copy", no_telling)


def test_the_command_that_copies(state: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["backup", "--dir", str(state), "--to", str(tmp_path / "copy")])
    assert result.exit_code == 0
    assert result.stdout == f"3 ledger files copied to {tmp_path}/copy. The keys are not among them.\n"


# The end.


@pytest.mark.parametrize(
    ("before", "gone"),
    [
        (0, 0),
        (START + 1_000, 0),
        (START + 1_001, 1),
        (first_of(2026, 12), 1),
        (first_of(2027, 1), 2),
        (first_of(2099, 1), 2),
    ],
)
async def test_whole_files_go_and_the_rest_is_whole(state: Path, before: int, gone: int) -> None:
    """What is not older stays, and the newest file always: the chain goes on from it."""
    list(Archive(layout.ledger(state)).find_imprint(bytes(32)))  # makes the indexes, which go with the files
    assert prune(state, before) == FILES[:gone]
    assert segment.list_segments(layout.ledger(state)) == FILES[gone:]
    assert files(layout.ledger(state)) == ["0.db"] * (3 - gone) + ["0.imprints"] * (3 - gone)
    assert_whole(state, 15 - 5 * gone)
    await stamp_months(state, months=(63, 64))
    keep_heads(state)
    assert_whole(state, 25 - 5 * gone)
    assert prune(state, before) == []


def test_the_last_day_stays(state: Path) -> None:
    """From it the counters are rebuilt: what was used must not be sold again."""
    with pytest.raises(LedgerFault, match="Stamps of the last day cannot be pruned"):
        prune(state, first_of(2100, 1) - DAY_US + 1)
    assert segment.list_segments(layout.ledger(state)) == FILES
    assert prune(state, first_of(2100, 1) - DAY_US) == FILES[:2]


def test_it_is_journalled(state: Path) -> None:
    prune(state, first_of(2026, 12))
    with closing(Control(state)) as opened:
        rows = opened.connection.execute("SELECT what, detail FROM event ORDER BY id DESC LIMIT 1").fetchall()
    assert rows[0][0] == "ledger pruned"
    assert '"rows": 5' in rows[0][1]
    assert '"segment": "2026-11/0.db"' in rows[0][1]


def test_what_is_removed_otherwise_is_missed(state: Path) -> None:
    prune(state, first_of(2026, 12))
    (layout.ledger(state) / "2026-12/0.db").unlink()
    assert {verdict.segment: verdict.fault for verdict in audit(state)} == {
        "2027-01/0.db": "2026-12/0.db, which it follows, is missing",
        "2026-12/0.db": "the file is missing; it had 5 rows",
    }


async def test_a_file_without_stamps_among_those_with(tmp_path: Path) -> None:
    """It has no genTime of its own, and goes with those before it, never before them."""
    control(tmp_path).close()
    await stamp_months(tmp_path, months=(0,))
    quiet = Desk(tmp_path)
    quiet.time_us = START + 31 * DAY_US
    await quiet.open().ledger.close()
    await stamp_months(tmp_path, months=(62,))
    keep_heads(tmp_path)
    assert prune(tmp_path, START) == []
    assert_whole(tmp_path, 10)
    assert prune(tmp_path, first_of(2026, 12)) == FILES[:2]
    assert_whole(tmp_path, 5)


async def test_each_worker_keeps_its_newest(tmp_path: Path) -> None:
    control(tmp_path).close()
    await stamp_months(tmp_path)
    await stamp_months(tmp_path, worker=1, months=(0, 31))
    keep_heads(tmp_path)
    assert prune(tmp_path, first_of(2099, 1)) == [*FILES[:2], "2026-11/1.db"]
    assert_whole(tmp_path, 10)


def test_interrupted_it_can_be_done_again(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is still there, when control.db has it already that it went."""

    def cannot(path: Path) -> None:
        raise LedgerFault(f"{path} cannot be removed: Read-only file system.")

    with monkeypatch.context() as patch:
        patch.setattr(retention, "_remove", cannot)
        with pytest.raises(LedgerFault, match="Read-only"):
            prune(state, first_of(2026, 12))
    assert_whole(state, 15)
    keep_heads(state)
    assert prune(state, first_of(2026, 12)) == FILES[:1]
    assert_whole(state, 10)


def test_a_copy_from_before_is_whole_with_the_heads_of_then_and_of_now(state: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    back_up(state, target, no_telling)
    prune(state, first_of(2027, 1))
    back_up(state, target, no_telling)
    assert segment.list_segments(layout.ledger(target)) == FILES
    assert_whole(target, 15)


def test_the_index_of_what_is_gone_is_gone(state: Path) -> None:
    path = layout.ledger(state) / FILES[0]
    list(Archive(layout.ledger(state)).find_imprint(bytes(32)))
    assert layout.imprint_index(path).exists()
    prune(state, first_of(2026, 12))
    assert list(path.parent.iterdir()) == []
    assert list(Archive(layout.ledger(state)).find_imprint(bytes(32))) == []


def test_the_command_that_ends(state: Path) -> None:
    result = CliRunner().invoke(app, ["prune", "--dir", str(state), "--before", "2027-01-01"])
    assert result.exit_code == 0
    assert result.stdout == "removed 2026-11/0.db\nremoved 2026-12/0.db\n2 ledger files removed.\n"
    shown = CliRunner().invoke(app, ["verify", "--dir", str(state)])
    assert (shown.exit_code, "whole" in shown.stdout) == (0, True)


def test_a_file_that_cannot_be_read_ends_it(state: Path) -> None:
    damaged = layout.ledger(state) / FILES[0]
    shutil.copy(damaged, state / "away")
    damaged.write_bytes(damaged.read_bytes()[:5000])
    with pytest.raises(LedgerFault, match=rf"{damaged} cannot be read"):
        prune(state, first_of(2099, 1))
    assert segment.list_segments(layout.ledger(state)) == FILES
    with pytest.raises(sqlite3.DatabaseError), closing(sqlite3.connect(damaged)) as connection:
        connection.execute("SELECT * FROM stamp").fetchall()
