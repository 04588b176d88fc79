"""TLS on the port, where tsa.toml asks for it: stamps over https, client certificates, slow handshakes, SIGTERM."""

import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.http import Connection, GoneError, post_bytes
from tests.support.processes import (
    States,
    connections_of,
    events,
    stop_process,
    wait_for_event,
    wait_until,
    worker_pids,
)
from tests.support.query import Query
from tests.support.server import STOP_LIMIT, TSA, Server, free_port, set_option, tsa
from tests.support.stamping import Authority
from tests.support.tls_certificates import Pair, issued, self_signed

Serve = Callable[..., Server]


class TlsConnection(Connection):
    """A TLS connection, once `secure` is called; it trusts *trusted*, and shows *client* where it is given."""

    def __init__(self, server: Server, trusted: Path, client: Pair | None = None) -> None:
        super().__init__(server.address)
        self.context = ssl.create_default_context(cafile=trusted)
        if client is not None:
            self.context.load_cert_chain(client.certificate, client.key)

    def secure(self) -> "TlsConnection":
        self.socket = self.secured = self.context.wrap_socket(self.socket, server_hostname="localhost")
        return self


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    """Server certificates "one" and "two", a client CA, a client's certificate by it, and one by nobody."""
    directory = tmp_path_factory.mktemp("tls")
    made = {name: self_signed(directory, name) for name in ("one", "two", "clients", "stranger")}
    return made | {"client": issued(directory, "client", made["clients"])}


def with_tls(directory: Path, pair: Pair, **options: object) -> None:
    """Put [tls] into tsa.toml."""
    set_option(directory, "tls", "certificate", str(pair.certificate))
    set_option(directory, "tls", "key", str(pair.key))
    for name, value in options.items():
        set_option(directory, "tls", name, value)


@pytest.fixture
def serve(states: States, tmp_path: Path, pairs: dict[str, Pair]) -> Iterator[Serve]:
    """Serves https with certificate "one"."""
    started: list[Server] = []

    def begin(workers: int = 1, **options: object) -> Server:
        directory, port = states.copy(tmp_path / f"server-{len(started)}"), free_port()
        with_tls(directory, pairs["one"], **options)
        set_option(directory, "server", "deadline_s", 0.5)
        set_option(directory, "server", "drain_s", 0.5)
        arguments = ["--dir", str(directory), "--listen", f"127.0.0.1:{port}", "--workers", str(workers)]
        log = directory / "serve.log"
        with log.open("wb") as output:
            process = subprocess.Popen([str(TSA), "serve", *arguments], stdout=output, stderr=subprocess.STDOUT)
        started.append(Server(directory, process, port, log))
        wait_until(lambda: len(events(started[-1], "worker serves")) == workers, "all workers serve")
        return started[-1]

    yield begin
    for server in started:
        if server.process.poll() is None:
            server.stop()


def test_stamps_over_tls(serve: Serve, pairs: dict[str, Pair]) -> None:
    """Both sides of the hand-over; ALPN says http/1.1; plain HTTP gets nowhere."""
    server = serve()
    authority = Authority(server)
    connection = TlsConnection(server, pairs["one"].certificate)
    connection.context.set_alpn_protocols(["h2", "http/1.1"])
    with connection.secure():
        assert connection.secured.selected_alpn_protocol() == "http/1.1"
        authority.stamp(connection)
        assert connection.get("/healthz").status == 200
        authority.stamp(connection)
    with server.connect() as plain:
        plain.send(post_bytes(Query().encode()))
        assert b" 200 " not in plain.rest()


def test_the_command_over_tls(serve: Serve, tmp_path: Path) -> None:
    """`tsa stamp` does not trust a certificate that nobody vouches for, and says so."""
    document = tmp_path / "document"
    document.write_text("text")
    done = tsa("stamp", document, "--url", f"https://127.0.0.1:{serve().address[1]}/")
    assert done.returncode == 1
    assert "certificate verify failed" in done.stderr
    assert "Traceback" not in done.stderr


def test_client_certificates(serve: Serve, pairs: dict[str, Pair]) -> None:
    server = serve(client_ca=str(pairs["clients"].certificate))
    authority = Authority(server)
    with TlsConnection(server, pairs["one"].certificate, pairs["client"]).secure() as connection:
        authority.stamp(connection)
    for client in (None, pairs["stranger"]):
        with TlsConnection(server, pairs["one"].certificate, client) as connection:
            assert not _served(connection), "without a certificate of the client CA"
    with TlsConnection(server, pairs["one"].certificate, pairs["client"]).secure() as connection:
        authority.stamp(connection)


def _served(connection: TlsConnection) -> bool:
    """In TLS 1.3 a client learns only after its handshake that its certificate was not accepted."""
    try:
        return connection.secure().post(Query().encode()).status == 200
    except (ssl.SSLError, ConnectionError, GoneError):
        return False


@pytest.mark.parametrize("start", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], ids=["silent", "begun"])
def test_slow_handshake(serve: Serve, pairs: dict[str, Pair], start: bytes) -> None:
    """A handshake has its deadline; others are served meanwhile."""
    server = serve()
    with server.connect() as slow, TlsConnection(server, pairs["one"].certificate).secure() as other:
        slow.send(start)
        Authority(server).stamp(other)
        assert b" 200 " not in slow.rest()


def test_half_closed_over_tls(serve: Serve, pairs: dict[str, Pair]) -> None:
    """A client that says close_notify behind its request, or just goes, leaves no complaint in the log."""
    server = serve()
    for turn in range(40):
        with TlsConnection(server, pairs["one"].certificate).secure() as connection:
            if turn % 2:
                connection.get("/healthz")
            connection.send(post_bytes(Query().encode()) * 3)
            if turn % 4 < 2:
                _close_notify(connection.socket)
    with TlsConnection(server, pairs["one"].certificate).secure() as connection:
        Authority(server).stamp(connection)
    assert not [event for event in events(server) if event["level"] != "info"]


def _close_notify(connection: socket.socket) -> None:
    assert isinstance(connection, ssl.SSLSocket)
    connection.settimeout(0)
    try:
        connection.unwrap()
    except (ssl.SSLError, OSError):
        return


def test_those_in_the_accept_queue_are_served(serve: Serve, pairs: dict[str, Pair]) -> None:
    """SIGTERM while connections wait to be accepted: their handshakes are made, and they are answered."""
    server = serve(workers=2)
    authority = Authority(server)
    pids = worker_pids(server)
    for pid in pids:
        stop_process(pid)
    waiting = [TlsConnection(server, pairs["one"].certificate) for _ in range(20)]
    server.process.send_signal(signal.SIGTERM)
    wait_for_event(server, "draining")
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    for connection in waiting:
        with connection.secure():
            authority.stamp(connection)
    assert server.process.wait(STOP_LIMIT) == 0


def test_a_slow_handshake_does_not_hold_up_the_end(serve: Serve) -> None:
    """Nor a client that does not answer the end of TLS."""
    server = serve()
    with server.connect() as silent:
        (pid,) = worker_pids(server)
        wait_until(lambda: connections_of(pid, server.address[1]) == 1, "the connection is accepted")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(STOP_LIMIT) == 0
        silent.rest()
    assert not events(server, "workers killed that did not end in time")


def test_certificate_exchange(serve: Serve, pairs: dict[str, Pair]) -> None:
    """SIGHUP: new connections get the new certificate, open ones go on; a pair that does not match is refused."""
    server = serve(workers=2)
    authority = Authority(server)
    with TlsConnection(server, pairs["one"].certificate).secure() as before:
        authority.stamp(before)
        with_tls(server.directory, pairs["two"])
        server.process.send_signal(signal.SIGHUP)
        wait_for_event(server, "worker reloaded", count=2)
        authority.stamp(before)
        for _ in range(8):
            with TlsConnection(server, pairs["two"].certificate).secure() as after:
                authority.stamp(after)
        set_option(server.directory, "tls", "key", str(pairs["one"].key))
        server.process.send_signal(signal.SIGHUP)
        assert "two.pem" in wait_for_event(server, "reload refused, the old settings stay")["reason"]
        with TlsConnection(server, pairs["two"].certificate).secure() as after:
            authority.stamp(after)
        authority.stamp(before)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"certificate": "certs/none.pem"}, "none.pem"),
        ({"key": "keys/tsa.key"}, "tsa.key"),
        ({"client_ca": "certs/none.pem"}, "client_ca"),
        ({"client_ca": "tsa.toml"}, "client_ca"),
    ],
)
def test_unusable_files(
    states: States, tmp_path: Path, pairs: dict[str, Pair], options: dict[str, str], word: str
) -> None:
    directory = states.copy(tmp_path / "state")
    with_tls(directory, pairs["one"], **options)
    done = tsa("serve", "--dir", directory, "--listen", f"127.0.0.1:{free_port()}", timeout=30)
    assert done.returncode == 1
    assert "[tls]" in done.stderr
    assert word in done.stderr
    assert done.stderr.strip().count("\n") == 0


def test_a_key_that_others_can_read(states: States, tmp_path: Path, pairs: dict[str, Pair]) -> None:
    directory = states.copy(tmp_path / "state")
    with_tls(directory, pairs["one"])
    pairs["one"].key.chmod(0o644)
    try:
        done = tsa("serve", "--dir", directory, "--listen", f"127.0.0.1:{free_port()}", timeout=30)
    finally:
        pairs["one"].key.chmod(0o600)
    assert done.returncode == 1
    assert "chmod 600" in done.stderr
