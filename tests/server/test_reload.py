"""SIGHUP: what is good takes effect without a request lost or a connection closed, what is bad changes nothing."""

import os
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import SECOND_POLICY
from tests.support import der
from tests.support.processes import States, events, wait_for_event, wait_until, worker_pids
from tests.support.query import DEFAULT_POLICY, Query
from tests.support.server import Server, set_option
from tests.support.stamping import Authority
from tests.support.token import read_token

Start = Callable[..., Server]


class Load:
    """Clients that stamp without a pause, each on the one connection it has, and what they got."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ending = threading.Event()
        self.answers: list[tuple[Query, bytes]] = []
        self.failures: list[str] = []

    def client(self) -> None:
        try:
            with self._server.connect() as connection:
                while not self._ending.is_set():
                    query = Query(cert_req=None)
                    answer = connection.post(query.encode())
                    assert answer.status == 200, answer
                    assert answer.header("connection") is None
                    self.answers.append((query, answer.body))
        except Exception as failure:
            self.failures.append(repr(failure))

    @contextmanager
    def running(self, clients: int = 6) -> Iterator[None]:
        """Under load, from the first answers on."""
        threads = [threading.Thread(target=self.client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            self.wait_for_more(50)
            yield
        finally:
            self._ending.set()
            for thread in threads:
                thread.join()

    def wait_for_more(self, count: int) -> None:
        """Wait for *count* more answers."""
        enough = len(self.answers) + count
        wait_until(lambda: self.failures or len(self.answers) >= enough, "the load is served")


def judge_all(load: Load, *authorities: Authority) -> list[tuple[bytes, int]]:
    """The policy of each token and which of *authorities* signed it; every token verifies, no serial comes twice."""
    assert load.failures == []
    found, serials = [], set()
    for query, body in load.answers:
        status, token = der.read(body).of(der.SEQUENCE)
        assert status.raw == der.sequence(der.integer(0))
        signer = next(
            at for at, each in enumerate(authorities) if der.integer(each.certificate.serial_number) in token.raw
        )
        info = read_token(token.raw, authorities[signer].certificate).info
        assert (info.imprint, info.nonce) == (query.imprint, query.nonce)
        serials.add(info.serial)
        found.append((info.policy, signer))
    assert len(serials) == len(load.answers)
    return found


def test_a_new_policy_under_load(start: Start) -> None:
    server = start(workers=2)
    load, authority = Load(server), Authority(server)
    with load.running():
        set_option(server.directory, "policy", "default", SECOND_POLICY)
        server.process.send_signal(signal.SIGHUP)
        wait_for_event(server, "worker reloaded", count=2)
        load.wait_for_more(100)
    policies = Counter(policy for policy, _ in judge_all(load, authority))
    assert set(policies) == {der.oid(DEFAULT_POLICY), der.oid(SECOND_POLICY)}
    server.stop()


@pytest.mark.parametrize("key", ["p256", "rsa3072"])
def test_a_new_key_and_certificate_under_load(start: Start, states: States, tmp_path: Path, key: str) -> None:
    """From a key that signs in the event loop to another such, or to one that signs in threads; and back."""
    server = start(workers=2)
    old = Authority(server)
    fresh = _another_state(states, tmp_path, key)
    kept = shutil.copytree(server.directory, tmp_path / "kept")
    load = Load(server)
    with load.running():
        _take(fresh, server)
        wait_for_event(server, "worker reloaded", count=2)
        new = Authority(server)
        load.wait_for_more(60)
        _take(kept, server)
        wait_for_event(server, "worker reloaded", count=4)
        load.wait_for_more(60)
    signers = [signer for _, signer in judge_all(load, old, new)]
    assert set(signers) == {0, 1}
    assert signers[-1] == 0
    server.stop()


def _another_state(states: States, tmp_path: Path, key: str) -> Path:
    """A state folder with another key and certificate."""
    if key != "p256":
        return states.copy(tmp_path / "fresh", key)
    other = States(tmp_path / "others")
    (tmp_path / "others").mkdir()
    return other.copy(tmp_path / "fresh")


def _take(state: Path, server: Server) -> None:
    """Use the key and certificates of another state folder, as an operator would: copy, then SIGHUP."""
    for name in ("keys/tsa.key", "certs/tsa.pem", "certs/ca.pem"):
        shutil.copy(state / name, server.directory / name)
    server.process.send_signal(signal.SIGHUP)


def test_what_is_bad_is_refused_under_load(start: Start, states: States, tmp_path: Path) -> None:
    """An unknown key, a key of another certificate, no TOML at all: a sentence in the log, and stamps go on."""
    server = start(workers=2)
    authority, load = Authority(server), Load(server)
    toml = server.directory / "tsa.toml"
    good = toml.read_text()
    other = states.copy(tmp_path / "other", "p384")
    pids = set(worker_pids(server))
    with load.running():
        toml.write_text(good + "\n[poliqy]\ndefault = '1.2.3'\n")
        assert "poliqy" in _refused(server, 1)
        toml.write_text(good.replace("deadline_s = 10.0", "deadline_s = -1.0"))
        assert "[server] deadline_s" in _refused(server, 2)
        toml.write_text("[[[")
        assert "TOML" in _refused(server, 3)
        toml.write_text(good)
        shutil.copy(other / "keys" / "tsa.key", server.directory / "keys" / "tsa.key")
        assert "key" in _refused(server, 4)
        load.wait_for_more(50)
    assert {signer for _, signer in judge_all(load, authority)} == {0}
    assert not events(server, "worker reloaded")
    assert set(worker_pids(server)) == pids
    server.stop()


def _refused(server: Server, count: int) -> str:
    """Send SIGHUP; why the settings were refused, which is one sentence or a few."""
    server.process.send_signal(signal.SIGHUP)
    reason = str(wait_for_event(server, "reload refused, the old settings stay", count)["reason"])
    assert reason.endswith(".")
    return reason


def test_a_worker_started_after_a_refused_reload_serves_the_old(start: Start) -> None:
    """What was refused does not come in by the back door of a restart."""
    server = start(workers=1)
    toml = server.directory / "tsa.toml"
    toml.write_text(toml.read_text() + "\n[poliqy]\n")
    _refused(server, 1)
    (pid,) = worker_pids(server)
    os.kill(pid, signal.SIGKILL)
    wait_for_event(server, "worker serves", count=2)
    authority = Authority(server)
    with authority.connect() as connection:
        authority.stamp(connection)


def test_reloads_in_quick_succession(start: Start) -> None:
    """The last one holds, whatever overtakes whatever on the way."""
    server = start(workers=2)
    authority = Authority(server)
    for number in range(8):
        set_option(server.directory, "policy", "default", f"2.999.{number}")
        server.process.send_signal(signal.SIGHUP)
        if number % 3 == 0:
            wait_for_event(server, "worker reloaded")
    final = der.oid("2.999.7")

    def everywhere() -> bool:
        policies = set()
        for _ in range(12):
            with authority.connect() as connection:
                body = connection.post(Query().encode()).body
                _, token = der.read(body).of(der.SEQUENCE)
                policies.add(read_token(token.raw, authority.certificate).info.policy)
        return policies == {final}

    wait_until(everywhere, "the last policy is in force in both workers")


def test_shorter_deadlines_hold_for_open_connections(start: Start) -> None:
    server = start(workers=1)
    authority = Authority(server)
    with authority.connect() as lane, authority.connect("aiohttp") as handed:
        authority.stamp(lane)
        for name in ("deadline_s", "keepalive_s"):
            set_option(server.directory, "server", name, 0.2)
        server.process.send_signal(signal.SIGHUP)
        lane.assert_closed()
        handed.send(b"GET ")
        handed.assert_closed()


def test_drain_s_of_the_last_reload_holds(start: Start) -> None:
    server = start(workers=1, options={("server", "drain_s"): 3600.0})
    with server.connect() as idle:
        idle.get("/healthz")
        set_option(server.directory, "server", "drain_s", 0.1)
        server.process.send_signal(signal.SIGHUP)
        wait_for_event(server, "worker reloaded")
        server.stop()
        idle.assert_closed()
    assert not events(server, "workers killed that did not end in time")
