"""Capacity is exact: so many stamps an hour as were bought, through whichever worker, and whoever is killed."""

import asyncio
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import applications
from tests.support.http import post_bytes
from tests.support.load import Load
from tests.support.processes import wait_until_gone, worker_pids
from tests.support.query import Query
from tests.support.raw_client import wait_known
from tests.support.server import Server, start_server
from tests.support.token import refusal
from tsa.state.control import Control

Start = Callable[..., Server]
LICENCE = 20_000
MAX_BATCH = 128


@pytest.fixture(autouse=True)
def _within_an_hour() -> None:
    """Wait, at most a minute, until a test can end in the hour that it begins in."""
    applications.stay_within_an_hour(60)


def register(server: Server, name: str) -> str:
    """An application with one licence; its APP_KEY, once both workers know it, and without a stamp spent."""
    key = applications.add(server.directory, name, 1)
    opened = [server.connect() for _ in range(8)]
    for connection in opened:
        wait_known(connection, key)
        connection.socket.close()
    return key


def rows(directory: Path, name: str) -> int:
    """How many stamps of an application the ledger has."""
    return sum(rows_by_worker(directory, name).values())


def rows_by_worker(directory: Path, name: str) -> Counter[int]:
    """Its stamps by the worker that issued them."""

    def number(control: Control) -> int:
        [found] = control.connection.execute("SELECT id FROM application WHERE name = ?", (name,)).fetchone()
        return int(found)

    application, found = applications.change(directory, number), Counter[int]()
    for file, connection in ledger_files(directory):
        query = "SELECT count(*) FROM stamp WHERE application = ?"
        found[int(file.stem.partition("-")[0])] += connection.execute(query, (application,)).fetchone()[0]
    return found


def ledger_files(directory: Path) -> Iterator[tuple[Path, sqlite3.Connection]]:
    """Every file of the ledger, opened beside its writer."""
    for file in sorted((directory / "ledger").glob("????-??/*.db")):
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            yield file, connection


def assert_exhausted(server: Server, key: str) -> None:
    """One more request is refused."""
    with server.connect() as connection:
        answer = connection.ask(post_bytes(Query().encode(), f"/tsa/{key}"))
    assert f"{LICENCE} stamps" in refusal(answer, "systemFailure", status=429)


def test_exactly_what_was_bought(start: Start) -> None:
    """Over both workers, then another application's over one connection, so through one worker."""
    server = start(workers=2)
    for name, connections in (("many", 8), ("one", 1)):
        key = register(server, name)
        statuses = asyncio.run(Load(server.address, key).run(connections))
        assert statuses[200] == LICENCE, statuses
        assert set(statuses) == {200, 429}
        assert_exhausted(server, key)
    many, one = (rows_by_worker(server.directory, name) for name in ("many", "one"))
    assert many.total() == one.total() == LICENCE
    assert min(many.values()) > LICENCE // 10, f"both workers issued some: {many}"
    assert sorted(one.values()) == [0, LICENCE]


def test_a_killed_worker_gives_nothing_away(start: Start) -> None:
    """What it had debited is lost to the buyer, at most a batch; what it has issued is remembered."""
    server = start(workers=2)
    key = register(server, "survivor")
    load = Load(server.address, key)

    async def kill_amid() -> Counter[int]:
        running = asyncio.create_task(load.run(8))
        while load.statuses[200] < LICENCE // 4:
            await asyncio.sleep(0.001)
        os.kill(worker_pids(server)[0], signal.SIGKILL)
        return await running

    statuses = asyncio.run(kill_amid())
    assert_exhausted(server, key)
    recorded = rows(server.directory, "survivor")
    assert statuses[200] <= recorded <= LICENCE
    assert recorded >= LICENCE - MAX_BATCH
    assert statuses[200] < LICENCE or recorded == LICENCE


def test_what_is_left_after_everything_was_killed(start: Start) -> None:
    """In the same hour: what the ledger does not have."""
    server = start(workers=2)
    key = register(server, "restored")
    before = Load(server.address, key)

    async def kill_amid() -> None:
        running = asyncio.create_task(before.run(8, until=lambda: before.statuses[200] >= LICENCE // 3))
        while before.statuses[200] < LICENCE // 4:
            await asyncio.sleep(0.001)
        kill_all(server)
        running.cancel()

    asyncio.run(kill_amid())
    recorded = rows(server.directory, "restored")
    assert before.statuses[200] <= recorded < LICENCE
    again = start_server(server.directory, workers=2)
    statuses = asyncio.run(Load(again.address, key).run(8))
    assert statuses[200] == LICENCE - recorded
    assert_exhausted(again, key)
    assert rows(server.directory, "restored") == LICENCE
    again.stop()


def kill_all(server: Server) -> None:
    """SIGKILL to the supervisor and its children, and wait for their end."""
    pids = [server.process.pid, *worker_pids(server)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    server.process.wait()
    Server.running.remove(server)
    wait_until_gone(*pids)


def test_each_window_has_as_much(start: Start) -> None:
    """Under steady load no window has more than was bought, and one after the other has exactly that."""
    quota = 500
    server = start(workers=2, options={("licence", "stamps_per_licence_hour"): quota, ("licence", "window_s"): 1})
    key = register(server, "steady")
    end = time.monotonic() + 60

    async def load_on() -> None:
        while list(by_window(server.directory).values()).count(quota) < 4:
            assert time.monotonic() < end, by_window(server.directory)
            await Load(server.address, key).run(8)
            await asyncio.sleep(0.01)

    asyncio.run(load_on())
    assert max(by_window(server.directory).values()) == quota


def by_window(directory: Path) -> Counter[int]:
    """All stamps of the ledger by the second of their genTime."""
    found = Counter[int]()
    for _, connection in ledger_files(directory):
        found.update(dict(connection.execute("SELECT gen_time / 1000000, count(*) FROM stamp GROUP BY 1").fetchall()))
    return found
