"""What one worker writes: durable before it is answered, one commit at a time, in order, from file to file."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from signer.key import SigningKey
from signer.pool import SigningPool
from tests.support.faulty_ledger import START, Desk, assert_whole, control, keep_heads
from tests.support.units import unit
from tsa.ledger import segment
from tsa.ledger import writer as ledgers
from tsa.ledger.archive import Archive
from tsa.ledger.row import Entry
from tsa.ledger.segment import LedgerFault
from tsa.state import layout

DAY_US = 86_400_000_000
DECEMBER = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp() * 1e6)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    control(tmp_path).close()
    return tmp_path


def tokens(state: Path) -> list[bytes]:
    """What the ledger rebuilds, in its order."""
    return [record.token for record in Archive(layout.ledger(state)).records()]


class Watched(sqlite3.Connection):
    """A connection whose COMMITs a test holds back at a gate, and counts."""

    gate = threading.Semaphore(0)
    began = threading.Semaphore(0)
    running = most = commits = 0

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql != "COMMIT" or threading.current_thread() is threading.main_thread():
            return super().execute(sql, *parameters)
        Watched.running += 1
        Watched.most, Watched.commits = max(Watched.most, Watched.running), Watched.commits + 1
        Watched.began.release()
        try:
            assert Watched.gate.acquire(timeout=10)
            return super().execute(sql, *parameters)
        finally:
            Watched.running -= 1


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> type[Watched]:
    """Ledgers opened from now on commit only through the gate."""
    Watched.gate, Watched.began = threading.Semaphore(0), threading.Semaphore(0)
    Watched.running = Watched.most = Watched.commits = 0
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: connect(*args, factory=Watched, **more))
    return Watched


async def passed(gate: threading.Semaphore) -> None:
    assert await asyncio.to_thread(gate.acquire, timeout=10)


async def test_what_comes_during_a_commit_shares_the_next(state: Path, watched: type[Watched]) -> None:
    desk = Desk(state).open()
    first = asyncio.create_task(desk.stamp(range(3)))
    await passed(watched.began)
    others = [asyncio.create_task(desk.stamp([number])) for number in range(3, 20)]
    await asyncio.sleep(0)
    assert watched.commits == 1
    watched.gate.release()
    await first
    await passed(watched.began)
    assert not any(other.done() for other in others)
    watched.gate.release()
    answered = [*first.result(), *(token for [token] in await asyncio.gather(*others))]
    assert (watched.commits, watched.most) == (2, 1)
    assert tokens(state) == answered
    await desk.ledger.close()
    assert_whole(state, 20)


async def test_no_token_leaves_before_its_row_is_there(state: Path, watched: type[Watched]) -> None:
    desk = Desk(state).open()
    stamping = asyncio.create_task(desk.stamp([1]))
    await passed(watched.began)
    assert not stamping.done()
    assert tokens(state) == []
    watched.gate.release()
    assert await stamping == tokens(state)
    await desk.ledger.close()


async def test_a_client_that_goes_away_leaves_the_others_alone(state: Path, watched: type[Watched]) -> None:
    desk = Desk(state).open()
    stamping = [asyncio.create_task(desk.stamp([number])) for number in range(3)]
    await passed(watched.began)
    stamping[0].cancel()
    stamping[2].cancel()
    watched.gate.release(2)
    [gone, token, gone_too] = await asyncio.gather(*stamping, return_exceptions=True)
    assert isinstance(gone, asyncio.CancelledError)
    assert isinstance(gone_too, asyncio.CancelledError)
    assert isinstance(token, list)
    assert tokens(state)[1] == token[0]
    watched.gate.release()
    assert await desk.stamp([4]) == tokens(state)[3:]
    await desk.ledger.close()


def test_rows_are_durable_when_the_token_leaves(state: Path) -> None:
    """A process that ends without any goodbye, right after its tokens came, leaves their rows."""
    program = (
        "import asyncio, os, pathlib, sys\n"
        "from tests.support.faulty_ledger import Desk\n"
        "desk = Desk(pathlib.Path(sys.argv[1])).open()\n"
        "sent = asyncio.run(desk.stamp(range(50)))\n"
        "os.write(1, b''.join(sent))\n"
        "os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, state], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (9, b"")
    assert b"".join(tokens(state)) == done.stdout
    assert_whole(state, 50)


class Gates(SigningPool):
    """A signing pool with threads, of which a test says who is done first."""

    def __init__(self, key: SigningKey) -> None:
        super().__init__(key, 1)
        self.gates: list[asyncio.Future[None]] = []

    async def sign(self, batch: Sequence[bytes]) -> list[bytes]:
        gate = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        await gate
        return [self._sign(octets) for octets in batch]


async def test_rows_are_in_the_order_of_gen_time_whoever_signs_faster(state: Path) -> None:
    """Slow keys sign in threads: the batch that was taken first may be signed last, or never."""
    desk = Desk(state).open()
    pool = desk.authority.pool = Gates(desk.authority.tsu.key)
    batches = [asyncio.create_task(desk.issue([number])) for number in range(4)]
    while len(pool.gates) < 4:
        await asyncio.sleep(0)
    pool.gates[3].set_result(None)
    pool.gates[1].set_result(None)
    pool.gates[2].set_exception(RuntimeError("the token was pulled out"))
    await batches[2]
    assert not batches[1].done()
    pool.gates[0].set_result(None)
    [[first], [second], _, [fourth]] = await asyncio.gather(*batches)
    assert tokens(state) == [first, second, fourth]
    await desk.ledger.close()
    assert_whole(state, 3)


# From file to file.


async def test_a_month_ends(state: Path) -> None:
    """Batches from before and after midnight wait together for the same commit to end."""
    desk = Desk(state)
    desk.time_us = DECEMBER - 4_000
    desk.open()
    batches = [asyncio.create_task(desk.stamp([number, number + 10])) for number in range(5)]
    sent = [token for tokens in await asyncio.gather(*batches) for token in tokens]
    assert segment.list_segments(desk.folder) == ["2026-11/0.db", "2026-12/0.db"]
    archive = Archive(desk.folder)
    for record, token in zip(archive.records(), sent, strict=True):
        assert record.token == token
        assert record.gen_time.startswith(record.segment[:7])
        assert archive.find_serial(record.entry.serial) == record
    assert len(list(archive.records(DECEMBER))) == archive.count(DECEMBER) == 4
    await desk.ledger.close()
    keep_heads(state, DECEMBER)
    assert_whole(state, 10)


async def test_a_file_grows_too_large(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "SIZE_CHECK_COMMITS", 2)
    desk = Desk(state, roll_octets=1).open()
    sent = [token for number in range(7) for token in await desk.stamp([number])]
    assert segment.list_segments(desk.folder) == [f"2026-11/0{number}.db" for number in ("", "-01", "-02", "-03")]
    assert tokens(state) == sent
    await desk.ledger.close()
    again = Desk(state, roll_octets=1)
    again.time_us = desk.time_us
    sent += await again.open().stamp([7])
    assert tokens(state) == sent
    assert_whole(state, 8)


async def test_a_restart_goes_on_with_the_chain(state: Path) -> None:
    sent = []
    for hour in range(3):
        desk = Desk(state)
        desk.time_us += hour * 3_600_000_000
        sent += await desk.open().stamp(range(5))
        await desk.ledger.close()
    assert segment.list_segments(desk.folder) == ["2026-11/0.db"]
    assert tokens(state) == sent
    assert_whole(state, 15)


async def test_workers_have_files_of_their_own(state: Path) -> None:
    desks = [Desk(state, worker).open() for worker in (0, 1, 11)]
    sent = [await desk.stamp(range(4)) for desk in (*desks, *desks)]
    assert segment.list_segments(layout.ledger(state)) == ["2026-11/0.db", "2026-11/1.db", "2026-11/11.db"]
    assert sorted(tokens(state)) == sorted(token for each in sent for token in each)
    assert_whole(state, 24)


async def test_another_key_and_other_settings_in_the_middle_of_a_file(state: Path) -> None:
    """Every row is rebuilt as its own signer wrote it."""
    desk, sent = Desk(state).open(), []
    for tables in ({}, {"token": {"signing_time": True}}, {"token": {"include_tsa_name": True, "fraction_digits": 6}}):
        for key in ("p256", "ed25519", "rsa2048"):
            desk.use(unit(key), **tables)
            sent += await desk.stamp(range(4))
    assert tokens(state) == sent
    with segment.reading(desk.folder / "2026-11/0.db") as connection:
        assert connection.execute("SELECT count(*) FROM tsu").fetchone() == (6,)
    await desk.ledger.close()
    assert_whole(state, 36)


async def test_a_crash_while_a_file_is_begun_leaves_no_file(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(state)

    def crash(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("CREATE TABLE stamp (half INTEGER)")
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(segment, "create", crash)
        with pytest.raises(LedgerFault, match=r"ledger cannot be opened: database or disk is full\.$"):
            desk.open()
    assert segment.list_segments(desk.folder) == []
    await desk.open().stamp([1])
    await desk.ledger.close()
    assert [path.name for path in (desk.folder / "2026-11").iterdir()] == ["0.db"]
    assert_whole(state, 1)


async def test_a_newer_schema_is_left_alone(state: Path) -> None:
    desk = Desk(state).open()
    await desk.stamp([1])
    await desk.ledger.close()
    path = desk.folder / "2026-11/0.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    before = path.read_bytes()
    sentence = rf"^{path} has schema 2, this program knows 1: use the newer program\.$"
    with pytest.raises(LedgerFault, match=sentence):
        Desk(state).open()
    with pytest.raises(LedgerFault, match=sentence):
        tokens(state)
    assert path.read_bytes() == before


@pytest.mark.parametrize("behind_us", [1, DAY_US, 40 * DAY_US])
async def test_a_clock_behind_the_ledger_is_told(state: Path, behind_us: int) -> None:
    """Rows are found by halving, and by decision 3 genTime never goes back: also not across a restart."""
    desk = Desk(state).open()
    await desk.stamp([1])
    last = desk.time_us
    await desk.ledger.close()
    late = Desk(state)
    late.time_us = last - behind_us
    with pytest.raises(LedgerFault, match=r"The clock is behind the newest row of .*2026-11/0\.db: set it right\."):
        late.open()
    late.retry()
    assert "clock" in (late.ledger.fault or "")
    late.time_us = last
    late.retry()
    assert late.ledger.fault is None
    await late.stamp([2])
    await late.ledger.close()
    assert_whole(state, 2)


async def test_a_file_of_a_later_month_without_rows(state: Path) -> None:
    desk = Desk(state)
    desk.time_us = DECEMBER
    desk.open()
    await desk.ledger.close()
    with pytest.raises(LedgerFault, match=r"2026-12/0\.db: set it right"):
        Desk(state).open()


def test_entries_are_the_columns_of_the_table(state: Path) -> None:
    Desk(state).open()
    with segment.reading(layout.ledger(state) / "2026-11/0.db") as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(stamp)")]
    assert columns == ["seq", *Entry._fields, "link"]


def test_the_name_of_a_segment() -> None:
    names = ["2026-09/0.db", "2026-10/0.db", "2026-10/0-01.db", "2026-10/0-10.db", "2026-10/0-100.db"]
    assert [segment.name_of(name[:7], 0, segment.number_of(name)) for name in names] == names
    assert segment.month_of(START) == "2026-11"
    with pytest.raises(LedgerFault, match=r"0\.imprints is not the name of a ledger file"):
        segment.worker_of("2026-09/0.imprints")


def test_files_are_listed_as_they_were_written(tmp_path: Path) -> None:
    names = ["2026-09/0.db", "2026-10/0.db", "2026-10/0-02.db", "2026-10/0-10.db", "2026-09/2.db", "2026-09/10.db"]
    for name in (*reversed(names), "2026-10/0.db.part", "2026-10/0.imprints", "2026-10/x.db", "new/0.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert segment.list_segments(tmp_path) == names
