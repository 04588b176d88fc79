"""tsa-bench compare against small authorities that speak HTTP in every manner, or lie: what it finds, and finds out."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner

from bench import BenchError, cli, host, server
from bench.cost import compare, limit, load
from bench.cost.compare import Comparison, measure
from bench.cost.introduce import Subject, introduce, subject
from tests.support.liar import Honest
from tsa.protocol import tsp
from tsa.protocol.errors import UnacceptedPolicy

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\n"


class Tsa(asyncio.Protocol):
    """Real tokens, by HTTP/1.1 with keep-alive and Content-Length."""

    authority = Honest(10**9)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.heard = cast(asyncio.Transport, transport), b""

    def data_received(self, data: bytes) -> None:
        self.heard += data
        body = self.heard.partition(b"\r\n\r\n")[2]
        if len(body) > 2 and len(body) >= body[1] + 2:
            self.heard = b""
            self.answer(self.token(body))

    def token(self, query: bytes) -> bytes:
        return self.authority.token(tsp.decode_request(query), time.time_ns() // 1000)

    def answer(self, token: bytes) -> None:
        self.transport.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(token) + token)


class Chunked(Tsa):
    def answer(self, token: bytes) -> None:
        self.transport.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for part in (token[:99], token[99:], b""):
            self.transport.write(b"%x\r\n%b\r\n" % (len(part), part))


class OldFashioned(Tsa):
    def answer(self, token: bytes) -> None:
        self.transport.write(HEAD.replace(b"1.1", b"1.0") + b"\r\n" + token)
        self.transport.close()


class Slow(Tsa):
    """Keeps one connection, and answers the others when that is gone."""

    holder: "Slow | None" = None
    waiting: "list[tuple[Slow, bytes]]" = []  # noqa: RUF012 - of all of them together, on purpose

    def answer(self, token: bytes) -> None:
        if Slow.holder in (None, self):
            Slow.holder = self
            asyncio.get_running_loop().call_later(0.01, super().answer, token)
        else:
            Slow.waiting.append((self, token))

    def connection_lost(self, error: Exception | None) -> None:
        if Slow.holder is self:
            Slow.holder = None
            while Slow.waiting and Slow.holder is None:
                client, token = Slow.waiting.pop()
                if not client.transport.is_closing():
                    client.answer(token)


class WrongNonce(Tsa):
    """Every third token has the nonce of another request."""

    count = 0

    def token(self, query: bytes) -> bytes:
        WrongNonce.count += 1
        if WrongNonce.count % 3 == 0:
            query = query[:-8] + bytes([1] * 8)
        return super().token(query)


class Refusing(Tsa):
    def token(self, query: bytes) -> bytes:
        return tsp.encode_refusal(UnacceptedPolicy("no such policy"))


@contextmanager
def serving(protocol: type[Tsa], name: str = "it") -> Iterator[Subject]:
    """The authority as a subject, served by a thread of this process."""
    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(loop.create_server(protocol, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield Subject(name, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/tsa?x=1")
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        listening.close()
        loop.close()


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "WARM_UP_S", 0.05)
    monkeypatch.setattr(compare, "TRIAL_PATIENCE_S", 0.3)
    monkeypatch.setattr(limit, "constant_per_s", lambda *_, **__: 1e9)


def compared(*subjects: Subject, connections: int = 4, rounds: int = 1, cert_req: bool = False) -> Comparison:
    return measure(subjects, connections, 0.2, rounds, lambda _: None, cert_req=cert_req)


def test_every_manner_of_http_is_served_the_same_load() -> None:
    with serving(Tsa, "kept") as one, serving(Chunked, "chunked") as two, serving(OldFashioned, "old") as three:
        found = compared(one, two, three, rounds=2, cert_req=True)
    assert [turn.name for turn in found.turns] == ["kept", "chunked", "old"] * 2
    assert found.exit_status == 0
    for each, keeps_alive in zip(found.results, (True, True, False), strict=True):
        assert (each.key, each.proof, each.wrong, each.connections) == ("p256", "", 0, 4)
        assert each.keeps_alive == keeps_alive
        assert each.stamps_per_s is not None
        assert each.stamps_per_s > 0
        assert each.latency_ms is not None
        assert 0 < each.latency_ms["p50"] <= each.latency_ms["p99"]
        assert (each.cpu_us, each.cpu_ratio, each.raw_ratio) == (None, None, None)
        assert each.raw_us is not None
        assert each.raw_us > 0
        assert each.not_measured == [compare.NO_PID]
    assert found.results[0].rate_ratio == 1


def test_a_server_that_serves_one_connection_gets_one() -> None:
    with serving(Slow) as it:
        (found,) = compared(it).results
    assert (found.connections, found.wrong) == (1, 0)
    assert found.stamps_per_s is not None
    assert found.stamps_per_s < 100


def test_wrong_answers_are_counted_by_what_is_wrong() -> None:
    WrongNonce.count = 0
    with serving(Tsa, "right") as right, serving(WrongNonce, "wrong") as wrong:
        found = compared(right, wrong)
    assert [each.wrong > 0 for each in found.results] == [False, True]
    assert set(found.results[1].faults) == {"nonce is not the one asked for"}
    assert found.results[1].connections == 4
    assert found.exit_status == 1


def test_a_server_faster_than_the_generator_has_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit, "constant_per_s", lambda *_, **__: 1.0)
    with serving(Tsa) as it:
        found = compared(it)
    (only,) = found.results
    assert limit.NOT_MEASURED in only.not_measured
    assert (only.stamps_per_s, only.rate_ratio, only.cpu_us, only.latency_ms) == (None, None, None, None)
    assert (found.turns, found.exit_status) == ([], 2)


@pytest.mark.parametrize(
    ("protocol", "why"),
    [
        (
            Refusing,
            "it: a TimeStampReq with SHA-256, nonce and certReq gets no token: Step 2 .* rejection: no such policy",
        ),
        (None, "cannot be reached"),
    ],
)
def test_what_is_no_authority_is_said(protocol: type[Tsa] | None, why: str) -> None:
    with serving(protocol or Tsa) as it:
        if protocol:
            with pytest.raises(BenchError, match=why):
                introduce(it)
    if not protocol:
        with pytest.raises(BenchError, match=why):
            introduce(it)


def test_names_are_not_alike() -> None:
    with pytest.raises(BenchError, match="same name"):
        compared(Subject("a", "http://127.0.0.1:1/"), Subject("a", "http://127.0.0.1:2/"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a=http://h:1/p?q=1,2", Subject("a", "http://h:1/p?q=1", 2)),
        ("a=https://h/p,q", Subject("a", "https://h/p,q")),
    ],
)
def test_a_subject_is_read(text: str, found: Subject) -> None:
    assert subject(text) == found


@pytest.mark.parametrize("text", ["http://h/", "a=h:1", "=http://h/", "a=ftp://h/", "a=http://user:word@h/"])
def test_what_is_no_subject_is_named(text: str) -> None:
    result = CliRunner().invoke(cli.app, ["compare", text])
    assert result.exit_code == 2
    assert "is not NAME=URL[,PID]" in " ".join(result.stderr.replace("│", " ").split())


@pytest.fixture(scope="module")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """`openssl ts`, a process a request, with the PID of the server that starts them."""
    directory = tmp_path_factory.mktemp("openssl")
    server.initialise(directory, "p256")
    port = server.free_port()
    command: list[str | Path] = [sys.executable, "-m", "bench.cost.openssl_ts", "--dir", directory, "--port", str(port)]
    (directory / "tmp").mkdir()
    environment = os.environ | {"TMPDIR": str(directory / "tmp")}
    with server.running(command, 0, subprocess.DEVNULL, environment) as process:
        it = Subject("openssl", f"http://127.0.0.1:{port}/", process.pid)
        for _ in range(200):
            try:
                introduce(it)
                break
            except BenchError:
                time.sleep(0.05)
        yield it
    assert not list((directory / "tmp").iterdir())


def test_cpu_time_is_that_of_the_whole_family_of_processes(openssl: Subject, tmp_path: Path) -> None:
    arguments = [f"{openssl.name}={openssl.url},{openssl.pid}", "--connections", "2", "--seconds", "0.5"]
    arguments += ["--rounds", "1", "--plot", str(tmp_path / "plot.png")]
    result = CliRunner().invoke(cli.app, ["compare", *arguments, "--json"])
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    (each,) = found["results"]
    assert (each["key"], each["proof"], each["wrong"], each["keeps_alive"]) == ("p256", "", 0, False)
    assert each["cpu_us"] > 1000  # to start a process takes longer; its parent alone does not use so much
    assert each["raw_ratio"] == pytest.approx(each["cpu_us"] / each["raw_us"])
    assert each["cpu_ratio"] == each["rate_ratio"] == 1
    assert {"cpu", "command"} <= found["host"].keys()
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_table_for_people(openssl: Subject) -> None:
    with serving(Tsa, "other") as other:
        arguments = [f"first={openssl.url},{openssl.pid}", f"other={other.url}"]
        options = ["--connections", "1", "--seconds", "0.2", "--rounds", "1"]
        result = CliRunner().invoke(cli.app, ["compare", *arguments, *options])
    assert result.exit_code == 0, result.stderr
    for said in ("rate to the first", "first", "other", f"other: {compare.NO_PID}"):
        assert said in result.stdout


def test_no_record_shows_an_app_key(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://127.0.0.1:1/tsa/SECRET"
    monkeypatch.setattr("sys.argv", ["tsa-bench", "compare", f"ours={url},4711", "other=https://tsa.example/tsa"])
    command = host.describe()["command"]
    assert command == "tsa-bench compare ours=http://127.0.0.1:1/tsa/…,4711 other=https://tsa.example/tsa"
    with pytest.raises(BenchError, match="cannot be reached") as raised:
        introduce(subject(f"ours={url}"))
    assert "SECRET" not in str(raised.value)
