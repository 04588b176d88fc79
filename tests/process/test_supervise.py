"""The supervisor and its workers: what dies comes back, nothing outlives its parent, nothing unfit ever serves."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.http import post_bytes
from tests.support.processes import (
    States,
    alive,
    connections_of,
    events,
    start,
    states,
    stop_process,
    wait_for_event,
    wait_until_gone,
    worker_pids,
)
from tests.support.query import Query
from tests.support.server import STOP_LIMIT, TSA, Server, free_port, set_option, tsa
from tests.support.stamping import Authority

__all__ = ["start", "states"]
Start = Callable[..., Server]


def pids_by_worker(server: Server) -> dict[int, int]:
    """The last process that was started for each worker."""
    return {event["worker"]: event["pid"] for event in events(server, "worker started")}


def test_both_workers_serve(start: Start) -> None:
    """Connections are shared out: the processes' own sockets say so."""
    server = start(workers=2)
    authority = Authority(server)
    opened = [authority.connect() for _ in range(32)]
    for connection in opened:
        authority.stamp(connection)
    sockets = [connections_of(pid, server.address[1]) for pid in worker_pids(server)]
    assert sum(sockets) == 32
    assert min(sockets) >= 4, f"{sockets} of 32"
    for connection in opened:
        connection.socket.close()


def test_a_killed_worker_comes_back(start: Start) -> None:
    """SIGKILL, twice, so that the second wait is the longer one; the other worker serves all the time."""
    server = start(workers=2)
    authority = Authority(server)
    (survivor,) = {pid for pid in worker_pids(server) if pid != pids_by_worker(server)[0]}
    for time in (1, 2):
        victim = pids_by_worker(server)[0]
        os.kill(victim, signal.SIGKILL)
        wait_until_gone(victim)
        with authority.connect() as connection:
            authority.stamp(connection)
        wait_for_event(server, "worker serves", count=2 + time)
    died = events(server, "worker died")
    assert [(event["worker"], event["exit_code"]) for event in died] == [(0, -signal.SIGKILL)] * 2
    assert died[1]["restart_in_s"] == 2 * died[0]["restart_in_s"]
    assert set(worker_pids(server)) == {survivor, pids_by_worker(server)[0]}
    server.stop()


def test_a_worker_that_cannot_start_is_tried_again(start: Start) -> None:
    """Without its key a worker cannot start: each wait is twice the last, the other worker serves, and once the key is
    back so is the worker."""
    server = start(workers=2)
    authority = Authority(server)
    key = server.directory / "keys" / "tsa.key"
    key.rename(key.with_suffix(".away"))
    os.kill(pids_by_worker(server)[1], signal.SIGKILL)
    wait_for_event(server, "worker cannot serve", count=3)
    assert "tsa.key" in events(server, "worker cannot serve")[0]["reason"]
    waits = [event["restart_in_s"] for event in events(server, "worker died")]
    assert waits == [waits[0] * 2**at for at in range(len(waits))]
    with authority.connect() as connection:
        authority.stamp(connection)
    key.with_suffix(".away").rename(key)
    wait_for_event(server, "worker serves", count=3)
    server.stop()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_workers_do_not_outlive_their_supervisor(start: Start, number: signal.Signals) -> None:
    """Killed with idle connections open and requests under way: these are answered, then nobody is left."""
    server = start(workers=2)
    authority = Authority(server)
    pids = worker_pids(server)
    idle = [authority.connect(via) for via in ("lane", "aiohttp") * 8]
    asked = [(authority.connect(via), Query()) for via in ("lane", "aiohttp") * 8]
    for pid in pids:
        stop_process(pid)
    for connection, query in asked:
        connection.send(post_bytes(query.encode()))
    server.process.send_signal(number)
    server.process.wait(STOP_LIMIT)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    for connection, query in asked:
        authority.judge(connection.answer(), query)
    for connection in idle:
        connection.assert_closed()
    for connection, _ in asked:
        connection.assert_closed()
    wait_until_gone(*pids)
    with pytest.raises(ConnectionRefusedError):
        server.connect()


def test_interrupt_at_the_terminal(start: Start) -> None:
    """Ctrl-C reaches the whole group of processes; it drains as SIGTERM does."""
    server = start(workers=2)
    authority = Authority(server)
    pids = worker_pids(server)
    with authority.connect() as connection:
        for pid in (*pids, server.process.pid):
            os.kill(pid, signal.SIGINT)
        wait_for_event(server, "draining")
        authority.stamp(connection)
        connection.assert_closed()
    assert server.process.wait(STOP_LIMIT) == 0
    assert not any(map(alive, pids))


def test_as_many_connections_as_the_system_allows(states: States, tmp_path: Path) -> None:
    """A soft limit on open files, as most shells set one, is not the limit of connections."""
    directory, port = states.copy(tmp_path / "state"), free_port()
    set_option(directory, "server", "drain_s", 0.1)
    serve = f"exec {Path(sys.executable).parent}/tsa serve --dir {directory} --listen 127.0.0.1:{port} --workers 1"
    with (directory / "serve.log").open("wb") as output:
        process = subprocess.Popen(["sh", "-c", f"ulimit -Sn 80; {serve}"], stdout=output, stderr=subprocess.STDOUT)
    server = Server(directory, process, port, directory / "serve.log")
    try:
        server.wait_ready()
        authority = Authority(server)
        opened = [authority.connect() for _ in range(100)]
        for connection in opened:
            authority.stamp(connection)
        for connection in opened:
            connection.socket.close()
    finally:
        server.stop()


# What keeps `tsa serve` from beginning: exit code 1 and one sentence that names the thing, never a traceback.


@pytest.fixture
def state(states: States, tmp_path: Path) -> Path:
    """A state folder that could be served."""
    return states.copy(tmp_path / "state")


def refused(state: Path, *words: str, listen: str | None = None) -> str:
    """`tsa serve` ends with exit code 1 and one sentence that holds *words*; nothing has listened."""
    done = tsa("serve", "--dir", state, "--listen", listen or f"127.0.0.1:{free_port()}", timeout=30)
    assert done.returncode == 1, done
    assert done.stdout == ""
    sentence = done.stderr.strip()
    assert "\n" not in sentence
    assert sentence.startswith("tsa: ")
    assert sentence.endswith(".")
    for word in words:
        assert word in sentence
    return sentence


def test_a_key_that_is_not_the_certificates(state: Path, states: States, tmp_path: Path) -> None:
    other = states.copy(tmp_path / "other", "p384")
    shutil.copy(other / "keys" / "tsa.key", state / "keys" / "tsa.key")
    refused(state, "certificate", "key")


def test_port_in_use(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refused(state, address, "in use", "--listen", listen=address)


@pytest.mark.parametrize("address", ["nowhere.invalid:3161", "203.0.113.1:3161"])
def test_an_address_that_is_not_ours(state: Path, address: str) -> None:
    refused(state, address, "--listen", listen=address)


@pytest.mark.parametrize("address", ["3161", "127.0.0.1:", "127.0.0.1:port", "127.0.0.1:70000"])
def test_an_address_that_is_none(state: Path, address: str) -> None:
    refused(state, "[server] listen", "127.0.0.1:3161", listen=address)


def test_an_unknown_key(state: Path) -> None:
    set_option(state, "server", "lisent", "127.0.0.1:1")
    refused(state, "tsa.toml", "[server] lisent", "unknown")


def test_no_toml(state: Path) -> None:
    (state / "tsa.toml").write_text("[server\n")
    refused(state, "tsa.toml", "TOML")


@pytest.mark.parametrize("name", ["keys/tsa.key", "certs/tsa.pem", "certs/ca.pem"])
@pytest.mark.parametrize("content", [None, b"", b"\x00garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_broken_file(state: Path, name: str, content: bytes | None) -> None:
    (state / name).unlink()
    if content is not None:
        (state / name).write_bytes(content)
        (state / name).chmod(0o600)
    refused(state, Path(name).name)


def test_a_key_that_others_can_read(state: Path) -> None:
    (state / "keys" / "tsa.key").chmod(0o644)
    refused(state, "tsa.key", "chmod 600")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused(tmp_path / "file", str(tmp_path / "file"))
    refused(tmp_path / "file" / "state", str(tmp_path / "file" / "state"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    refused(tmp_path / "locked" / "state", str(tmp_path / "locked"))


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    """`tsa serve` alone is enough for a first run."""
    directory, port, log = tmp_path / "new" / "state", free_port(), tmp_path / "serve.log"
    command: list[str | Path] = [TSA, "serve", "--dir", directory, "--listen", f"127.0.0.1:{port}"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    server = Server(directory, process, port, log)
    try:
        server.wait_ready()
        authority = Authority(server)
        with authority.connect() as connection:
            authority.stamp(connection)
        assert oct((directory / "keys" / "tsa.key").stat().st_mode & 0o777) == "0o600"
        assert oct((directory / "keys").stat().st_mode & 0o777) == "0o700"
    finally:
        server.stop()
