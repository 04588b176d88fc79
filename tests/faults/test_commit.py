"""Commits that fail, in pairs: not there after all, or there after all. Then the ledger is read again from outside."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.faulty_ledger import Desk, assert_whole, control, keep_heads
from tsa.ledger.archive import Archive
from tsa.protocol.errors import SystemFailure


class Failing(sqlite3.Connection):
    """A connection of which a test says what fails: `before` and `after` are raised by the next COMMIT of the ledger's
    thread, `insert` by the next INSERT, `reopen` by every statement of a connection that is opened meanwhile."""

    before: BaseException | None = None
    after: BaseException | None = None
    insert: BaseException | None = None
    reopen: BaseException | None = None
    holding: threading.Semaphore | None = None

    def execute(self, sql: str, parameters: "sqlite3._Parameters" = (), /) -> sqlite3.Cursor:
        if sql.startswith("PRAGMA") and Failing.reopen is not None:
            raise Failing.reopen
        if sql != "COMMIT" or threading.current_thread() is threading.main_thread():
            return super().execute(sql, parameters)
        if Failing.holding is not None:
            assert Failing.holding.acquire(timeout=10)
        before, after, Failing.before, Failing.after = Failing.before, Failing.after, None, None
        if before is not None:
            raise before
        done = super().execute(sql, parameters)
        if after is not None:
            raise after
        return done

    def executemany(self, sql: str, rows: "Iterable[sqlite3._Parameters]", /) -> sqlite3.Cursor:
        super().executemany(sql, rows)
        if Failing.insert is not None:
            raise Failing.insert
        return self.cursor()


FULL = sqlite3.OperationalError("database or disk is full")
FAULTS = [FULL, OSError(5, "Input/output error"), MemoryError("no room"), RuntimeError("interpreter shutdown")]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Failing]]:
    """Ledgers opened from now on fail as it says."""
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: connect(*args, factory=Failing, **more))
    yield Failing
    Failing.before = Failing.after = Failing.insert = Failing.reopen = Failing.holding = None


@pytest.fixture
def desk(tmp_path: Path, failing: type[Failing]) -> Desk:
    """A desk that has stamped two already."""
    control(tmp_path).close()
    desk = Desk(tmp_path).open()
    asyncio.run(desk.stamp([1, 2]))
    keep_heads(tmp_path, desk.time_us)
    return desk


def rows(desk: Desk) -> int:
    """How many rows the file has, seen from outside."""
    with closing(sqlite3.connect(desk.folder / "2026-11/0.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM stamp").fetchone()[0])


async def refused(desk: Desk, reason: str) -> None:
    """A batch of three gets no token, and the ledger says why."""
    answers = await desk.issue([3, 4, 5])
    assert [type(answer) for answer in answers] == [SystemFailure] * 3
    assert reason not in str(answers[0])  # which is for the log only
    assert desk.ledger.fault is not None
    assert reason in desk.ledger.fault


async def recovered(desk: Desk, there: int) -> None:
    """It stamps again after a retry, and so does another process, on a ledger of `there` rows without a gap."""
    desk.retry()
    assert desk.ledger.fault is None
    [token] = await desk.stamp([6])
    await desk.ledger.close()
    again = Desk(desk.state)
    again.time_us = desk.time_us
    [last] = await again.open().stamp([7])
    await again.ledger.close()
    records = list(Archive(desk.folder).records())
    assert [record.token for record in records[-2:]] == [token, last]
    assert_whole(desk.state, there + 2)


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
async def test_failed_and_not_there(desk: Desk, failing: type[Failing], fault: BaseException) -> None:
    """The licence is given back, to the last stamp."""
    failing.before = fault
    await refused(desk, str(fault))
    assert (rows(desk), desk.used()) == (2, 2)
    await recovered(desk, 2)


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
async def test_failed_and_there_all_the_same(desk: Desk, failing: type[Failing], fault: BaseException) -> None:
    """No token was sent, but it may not be said that none was made: the licence stays debited, as the ledger has it."""
    failing.after = fault
    await refused(desk, str(fault))
    assert (rows(desk), desk.used()) == (5, 5)
    await recovered(desk, 5)


@pytest.mark.parametrize("there", [False, True])
async def test_failed_and_cannot_be_opened_again(desk: Desk, failing: type[Failing], there: bool) -> None:
    """Nobody can say whether it is there, so nothing is given back: never more than was bought."""
    fault = sqlite3.OperationalError("disk I/O error")
    if there:
        failing.after = fault
    else:
        failing.before = fault
    failing.reopen = sqlite3.OperationalError("unable to open database file")
    await refused(desk, "disk I/O error")
    assert desk.used() == 5
    for _ in range(3):
        desk.retry()
        assert "unable to open database file" in (desk.ledger.fault or "")
    failing.reopen = None
    assert rows(desk) == (5 if there else 2)
    await recovered(desk, 5 if there else 2)


@pytest.mark.parametrize("reopen", [None, sqlite3.OperationalError("disk I/O error")], ids=repr)
async def test_failed_before_the_commit(desk: Desk, failing: type[Failing], reopen: sqlite3.Error | None) -> None:
    """What never came to a commit is certainly not there, whether or not the file can be opened again."""
    failing.insert, failing.reopen = FULL, reopen
    await refused(desk, "disk is full")
    assert desk.used() == 2
    failing.insert = failing.reopen = None
    assert rows(desk) == 2
    await recovered(desk, 2)


async def test_those_who_waited_behind_a_commit_that_failed(desk: Desk, failing: type[Failing]) -> None:
    """They were never inserted: refused like the others, but given back even where the others are there."""
    failing.after, failing.holding = FULL, threading.Semaphore(0)
    first = asyncio.create_task(desk.issue([3, 4, 5]))
    await asyncio.sleep(0)
    second = asyncio.create_task(desk.issue([8, 9]))
    await asyncio.sleep(0)
    assert desk.used() == 7
    failing.holding.release(100)
    answers = [*await first, *await second]
    assert [type(answer) for answer in answers] == [SystemFailure] * 5
    assert (rows(desk), desk.used()) == (5, 5)
    await recovered(desk, 5)


async def test_while_it_is_at_fault_nothing_is_tried(
    desk: Desk, failing: type[Failing], capfd: pytest.CaptureFixture[str]
) -> None:
    """One line in the log, however many requests come; each is refused at once, and costs nothing."""
    failing.before = FULL
    await refused(desk, "disk is full")
    before = capfd.readouterr().out.count("ledger commit failed")
    for _ in range(10):
        await refused(desk, "disk is full")
    assert before == 1
    assert "ledger commit failed" not in capfd.readouterr().out
    assert (rows(desk), desk.used()) == (2, 2)
    await recovered(desk, 2)


async def test_the_file_is_gone(desk: Desk, failing: type[Failing]) -> None:
    """No empty one is put in its place, which would hide that it is missing."""
    failing.before = FULL
    path = desk.folder / "2026-11/0.db"
    path.rename(path.with_suffix(".away"))
    await refused(desk, "disk is full")
    assert not path.exists()
    path.with_suffix(".away").rename(path)
    await recovered(desk, 2)


async def test_another_holds_the_file(desk: Desk) -> None:
    """BEGIN EXCLUSIVE by another process: refused, given back, and recovered when it lets go."""
    with closing(sqlite3.connect(desk.folder / "2026-11/0.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        await refused(desk, "database is locked")
        assert desk.used() == 2
        desk.retry()
        assert "database is locked" in (desk.ledger.fault or "")
        other.execute("ROLLBACK")
    await recovered(desk, 2)


async def test_no_thread_can_be_had(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a limit on processes is reached: those who wait are told, and do not wait for ever."""

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(desk.ledger._thread, "submit", refuse)
        await asyncio.wait_for(refused(desk, "can't start new thread"), 10)
    assert (rows(desk), desk.used()) == (2, 2)
    await recovered(desk, 2)
