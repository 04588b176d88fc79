"""Looking at the processes of a running server, and waiting for what must become true of them."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Options, Server, init, start_server

PATIENCE_S = 20.0


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
    """Wait until *condition* is true; fails, naming *what* was waited for, after *seconds*."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"{what}: not within {seconds} s"
        time.sleep(0.01)


def events(server: Server, name: str | None = None) -> list[dict[str, Any]]:
    """What the server has logged, each line of which must be a JSON object; all events, or those of one name."""
    found = [json.loads(line) for line in server.log_text().splitlines(keepends=True) if line.endswith("\n")]
    return [event for event in found if name in (None, event["event"])]


def wait_for_event(server: Server, name: str, count: int = 1) -> dict[str, Any]:
    """Wait until *name* was logged *count* times; the last of them."""
    wait_until(lambda: len(events(server, name)) >= count, f"{count} x {name!r} in the log")
    return events(server, name)[count - 1]


def worker_pids(server: Server) -> list[int]:
    """The worker processes that the supervisor has now; it has others, for the clock and the books."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    started = {event["pid"] for event in events(server, "worker started")}
    return [pid for pid in map(int, children.read_text().split()) if pid in started]


def alive(pid: int) -> bool:
    """Whether the process runs: neither gone nor a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_gone(*pids: int) -> None:
    """Wait until none of the processes runs."""
    wait_until(lambda: not any(map(alive, pids)), f"processes {pids} are gone")


def stop_process(pid: int) -> None:
    """SIGSTOP, and wait until the kernel has stopped every thread of it."""
    os.kill(pid, signal.SIGSTOP)
    tasks = Path(f"/proc/{pid}/task")
    wait_until(
        lambda: all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks.iterdir()),
        f"process {pid} stopped",
    )


def connections_of(pid: int, port: int) -> int:
    """How many of the process's files are established TCP connections to *port*."""
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    established = {row[9] for row in rows if row[3] == "01" and int(row[1].split(":")[1], 16) == port}
    return len(established & {str(link.readlink())[8:-1] for link in Path(f"/proc/{pid}/fd").iterdir()})


def memory_of(pid: int) -> int:
    """The resident memory of a process, octets."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class States:
    """State folders as `tsa init` makes them: made once a key type, then copied."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def copy(self, directory: Path, key: str = "p256") -> Path:
        """*directory*, which must not be there yet, with a key of that type."""
        made = self._root / key
        if not made.exists():
            init(made, key)
        return Path(shutil.copytree(made, directory))


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> States:
    """State folders of this session."""
    return States(tmp_path_factory.mktemp("states"))


@pytest.fixture
def start(tmp_path: Path, states: States) -> Iterator[Callable[..., Server]]:
    """Starts servers of a test of its own, and ends what is left of them with the test."""
    started: list[Server] = []

    def begin(*, workers: int = 2, key: str = "p256", options: Options | None = None) -> Server:
        directory = states.copy(tmp_path / f"server-{len(started)}", key)
        started.append(start_server(directory, workers=workers, options=options))
        wait_until(lambda: len(events(started[-1], "worker serves")) == workers, "all workers serve")
        return started[-1]

    yield begin
    for server in started:
        _end(server)


def _end(server: Server) -> None:
    """End a server however it is left; the tests judge those ends that matter."""
    if server in Server.running:
        Server.running.remove(server)
    pids = worker_pids(server) if server.process.poll() is None else []
    server.process.kill()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.process.wait(5)
    server.check_log()
