"""A disk that is full or read-only, a file that another holds: no token, a reason at /readyz, recovery by itself."""

import contextlib
import json
import os
import resource
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.test_kill import assert_whole
from tests.support.http import Answer
from tests.support.processes import States, events, start, states, wait_until
from tests.support.query import Query
from tests.support.server import Server, start_server
from tests.support.stamping import Authority
from tests.support.steady_load import Load
from tests.support.token import refusal
from tsa.ledger.archive import Archive
from tsa.state import layout

__all__ = ["start", "states"]

SIZE_KIB = 4096
BALLAST_KIB = 2048


def get(server: Server, path: str) -> Answer:
    with server.connect() as connection:
        return connection.get(path)


def reasons(server: Server) -> list[str]:
    """Why the server is not ready; nothing when it is."""
    answer = get(server, "/readyz")
    told = json.loads(answer.body)["reasons"]
    assert answer.status == (503 if told else 200)
    return list(told)


@pytest.fixture
def small(states: States, tmp_path: Path) -> Iterator[Path]:
    """A state folder whose ledger is on a disk of its own, half of it taken by the file `ballast`."""
    if os.geteuid():
        pytest.skip("only root may mount")
    directory = states.copy(tmp_path / "state")
    ledger = layout.ledger(directory)
    ledger.mkdir()
    command: list[str | Path] = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_KIB}k", "tmpfs", ledger]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mount is not permitted here: {done.stderr.strip()}")
    try:
        (ledger / "ballast").write_bytes(bytes(BALLAST_KIB << 10))
        yield directory
    finally:
        subprocess.run(["umount", ledger], check=True)


@pytest.fixture
def serving(small: Path) -> Iterator[Server]:
    """A server on it; it ends before the disk goes."""
    server = start_server(small, workers=1)
    try:
        yield server
    finally:
        if server in Server.running:
            Server.running.remove(server)
            server.process.kill()
            server.process.wait(10)
            wait_until(lambda: not _mounted_open(layout.ledger(small)), "the workers are gone")


def _mounted_open(folder: Path) -> bool:
    """Whether any process has a file open below a folder."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(link.readlink()).startswith(f"{folder}/"):
                return True
    return False


def judge_refused(server: Server) -> None:
    """A request is refused with systemFailure, at once, and not told more than that it is our fault."""
    began = time.monotonic()
    with server.connect() as connection:
        sentence = refusal(connection.post(Query().encode()), "systemFailure")
    assert time.monotonic() - began < 2
    assert sentence == "The request could not be stamped for a fault on our side: try again."


def stamped(server: Server) -> bytes:
    """The TimeStampResp that a good request is granted now."""
    query = Query()
    with server.connect() as connection:
        answer = connection.post(query.encode())
    Authority(server).judge(answer, query)
    return answer.body


def assert_kept(server: Server, tokens: list[bytes]) -> None:
    """No process was started anew; after its end, every token that was received is in the ledger, which is whole."""
    assert len(events(server, "worker started")) == 1
    server.stop()
    kept = {record.token for record in Archive(layout.ledger(server.directory)).records()}
    assert set(tokens) <= kept
    assert_whole(server.directory)


def test_a_disk_that_is_full(serving: Server) -> None:
    fill_and_recover(serving, (layout.ledger(serving.directory) / "ballast").unlink)


def test_a_file_that_may_not_grow(start: Callable[..., Server]) -> None:
    """The same wherever nothing may be mounted: a quota, as far as one process can set it for another."""
    server = start(workers=1)
    [worker] = events(server, "worker started")
    limit_file_size(worker["pid"], 300 << 10)
    fill_and_recover(server, lambda: limit_file_size(worker["pid"], resource.RLIM_INFINITY))


def limit_file_size(pid: int, octets: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (octets, resource.RLIM_INFINITY))


def fill_and_recover(server: Server, make_room: Callable[[], None]) -> None:
    """Stamp until there is no room, and again when there is: by the same process."""
    load = Load(server.address, ("/",))
    wait_until(lambda: load.refused, "there is no room", 60)
    wait_until(lambda: len(load.refused) > 500, "many more were refused")
    load.end()
    assert load.broken == 0
    assert any("disk is full" in each or "I/O error" in each for each in reasons(server)), reasons(server)
    assert get(server, "/healthz").status == 200
    judge_refused(server)
    assert len(events(server, "ledger commit failed")) < 10, "it is told once, not for every request"
    make_room()
    server.wait_ready()
    again = Load(server.address, ("/",))
    again.wait_for(300)
    again.end()
    assert (again.refused, again.broken) == ([], 0)
    assert_kept(server, [token for _, token in load.tokens + again.tokens])


def test_a_disk_that_is_read_only(serving: Server) -> None:
    server = serving
    first = stamped(server)
    with sealed(server):
        judge_refused(server)
        wait_until(lambda: any("unable to open" in each for each in reasons(server)), "not ready, and why")
        judge_refused(server)
        assert get(server, "/healthz").status == 200
    server.wait_ready()
    assert_kept(server, [first, stamped(server)])


@contextlib.contextmanager
def sealed(server: Server) -> Iterator[None]:
    """The ledger's disk is read-only. The kernel makes it so only while no file is open to be written: between two
    attempts of a worker that is at fault already."""
    folder = layout.ledger(server.directory)
    limit = time.monotonic() + 20
    while True:
        with held(server):
            judge_refused(server)
        done = subprocess.run(["mount", "-o", "remount,ro", folder], capture_output=True, check=False)
        if done.returncode == 0:
            break
        assert time.monotonic() < limit, done.stderr
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)


@contextlib.contextmanager
def held(server: Server) -> Iterator[None]:
    """The worker's file is locked by this process."""
    [path] = (layout.ledger(server.directory)).glob("*/*.db")
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def test_a_file_that_another_process_holds(start: Callable[..., Server]) -> None:
    """The worker does not wait for it: who wants no stamp is answered meanwhile."""
    server = start(workers=1)
    first = stamped(server)
    with held(server):
        judge_refused(server)
        wait_until(lambda: any("database is locked" in each for each in reasons(server)), "not ready, and why")
        for _ in range(20):
            began = time.monotonic()
            assert get(server, "/healthz").status == 200
            judge_refused(server)
            assert time.monotonic() - began < 1
    server.wait_ready()
    assert_kept(server, [first, stamped(server)])
