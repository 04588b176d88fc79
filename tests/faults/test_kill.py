"""SIGKILL at any moment, to a worker or to all: what a client has received is in the ledger, octet for octet."""

import contextlib
import json
import os
import random
import signal
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import applications
from tests.support.applications import bearer
from tests.support.counts import times
from tests.support.processes import States, events, states, wait_until, wait_until_gone, worker_pids
from tests.support.server import Server, start_server, tsa
from tests.support.steady_load import Load
from tsa.ledger.archive import Archive
from tsa.state import layout
from tsa.state.control import Control

__all__ = ["states"]

SEED = 20_261_122
LIVES = times(10)  # of the server, each of which ends with the death of everything
WORKERS_KILLED = 4  # in each life, before that


class Life:
    """A server from its start to its death, under load by two applications."""

    def __init__(self, directory: Path, paths: tuple[str, ...]) -> None:
        self.server = start_server(directory, workers=2)
        wait_until(lambda: len(events(self.server, "worker serves")) >= 2, "both workers serve")
        self.load = Load(self.server.address, paths)

    def kill_worker(self, number: int) -> None:
        """And wait until another serves in its place."""
        serving = len(events(self.server, "worker serves"))
        os.kill(self._pids()[number], signal.SIGKILL)
        wait_until(lambda: len(events(self.server, "worker serves")) > serving, "a worker serves in its place")

    def kill_all(self, chance: random.Random) -> None:
        """The supervisor and all that it has started, in any order."""
        Server.running.remove(self.server)
        pids = [self.server.process.pid, *worker_pids(self.server)]
        chance.shuffle(pids)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.server.process.wait(10)
        wait_until_gone(*pids)
        self.server.check_log()

    def _pids(self) -> dict[int, int]:
        return {event["worker"]: event["pid"] for event in events(self.server, "worker started")}


def assert_whole(directory: Path) -> None:
    """`tsa ledger verify` says so."""
    done = tsa("ledger", "verify", "--dir", directory, "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["whole"]) == (0, True), answer
    assert answer["rows"] == Archive(layout.ledger(directory)).count()


def used(server: Server, key: str) -> int:
    """What an application is billed, by the server's own account."""
    with server.connect() as connection:
        answer = connection.get("/api/v1/usage", bearer(key))
    assert answer.status == 200, answer
    return sum(window["stamps"] for window in json.loads(answer.body))


@pytest.fixture
def shops(states: States, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A state folder with two applications, and their APP_KEYs."""
    directory = states.copy(tmp_path / "state")
    return directory, {name: applications.add(directory, name, 1000) for name in ("bakery", "brewery")}


@pytest.mark.long
def test_fifty_kills(shops: tuple[Path, dict[str, str]]) -> None:
    directory, keys = shops
    chance = random.Random(SEED)  # noqa: S311 - moments, not secrets
    received: list[tuple[str, bytes]] = []
    broken = 0
    for _ in range(LIVES):
        load = _live_and_die(directory, keys, chance)
        received += load.tokens
        broken += load.broken
        assert load.refused == []
    assert broken >= LIVES * (WORKERS_KILLED + 1), "every kill has cost somebody a connection"
    counts = _assert_kept(directory, keys, received)
    assert_whole(directory)
    server = start_server(directory, workers=2)
    assert {name: used(server, key) for name, key in keys.items()} == counts
    load = Load(server.address, paths(keys))
    load.wait_for(100)
    load.end()
    server.stop()
    received += load.tokens
    counts = _assert_kept(directory, keys, received)
    assert_whole(directory)
    server = start_server(directory, workers=2)
    assert {name: used(server, key) for name, key in keys.items()} == counts
    server.stop()


def _live_and_die(directory: Path, keys: dict[str, str], chance: random.Random) -> Load:
    life = Life(directory, paths(keys))
    try:
        for _ in range(WORKERS_KILLED):
            life.load.wait_for(chance.randrange(1, 200))
            life.kill_worker(chance.randrange(2))
        life.load.wait_for(chance.randrange(1, 200))
        life.kill_all(chance)
    finally:
        life.load.end()
    return life.load


def test_sigterm_under_load(shops: tuple[Path, dict[str, str]]) -> None:
    """Nothing is lost in an orderly end either, and every row has been answered for: heads are written at the end."""
    directory, keys = shops
    server = start_server(directory, workers=2)
    load = Load(server.address, paths(keys))
    load.wait_for(300)
    server.stop()
    load.end()
    counts = _assert_kept(directory, keys, load.tokens)
    assert sum(counts.values()) == len(load.tokens), "who was stamped has had the token"
    assert_whole(directory)
    with closing(Control(directory)) as control:
        heads = dict(control.connection.execute("SELECT segment, seq FROM head"))
        billed = dict(
            control.connection.execute(
                "SELECT name, sum(stamps) FROM usage JOIN application ON application = id GROUP BY name"
            )
        )
    assert sum(heads.values()) == sum(counts.values())
    assert billed == counts


def paths(keys: dict[str, str]) -> tuple[str, ...]:
    """Where each application stamps."""
    return tuple(f"/tsa/{key}" for key in keys.values())


def _assert_kept(directory: Path, keys: dict[str, str], received: list[tuple[str, bytes]]) -> dict[str, int]:
    """Everything that was received is there, by whom it was asked for, and no serialNumber twice; stamps by name."""
    with closing(Control(directory)) as control:
        names = dict(control.connection.execute("SELECT id, name FROM application"))
    kept = list(Archive(layout.ledger(directory)).records())
    issued = {record.token: names[record.application] for record in kept}
    assert len(issued) == len(kept) == len({record.entry.serial for record in kept})
    asked = {f"/tsa/{key}": name for name, key in keys.items()}
    lost = [token for path, token in received if issued.get(token) != asked[path]]
    assert lost == [], f"{len(lost)} of {len(received)} tokens are not in the ledger as they were sent"
    assert len({token for _, token in received}) == len(received)
    return dict(Counter(issued.values()))
