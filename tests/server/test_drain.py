"""SIGTERM: whoever was let in is answered, whoever comes later is refused, and nobody is dropped (decision 13).

The rule that every run is held to. A connection was *accepted* when connect() succeeded. A request that was sent whole
on an accepted connection is answered, unless that connection had ended for the client to see before the request was
sent: by an answer with `Connection: close`, or by end-of-file while nothing was asked on it. Anything else (a reset, an
end-of-file in place of an answer) is a request dropped after acceptance. A connection that was not accepted ended in
ECONNREFUSED.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from tests.support.http import Answer, Connection, post_bytes
from tests.support.processes import events, stop_process, wait_for_event, worker_pids
from tests.support.query import Query
from tests.support.server import STOP_LIMIT, Server
from tests.support.stamping import Authority
from tsa.verify.token import check_token

Start = Callable[..., Server]
STAMPS = 10_000
GET = b"GET /healthz HTTP/1.1\r\nHost: tsa.test\r\n\r\n"


@dataclass
class Load:
    """Clients that want `STAMPS` stamps between them, and what became of each request."""

    address: tuple[str, int]
    halfway: asyncio.Event = field(default_factory=asyncio.Event)
    left: int = STAMPS
    answered: list[tuple[Query, Answer]] = field(default_factory=list)
    refused: int = 0
    dropped: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """24 clients keep their connections, 8 make a new one for each request; until all is asked or refused."""
        await asyncio.gather(*(self._client(keep=number % 4 != 0) for number in range(32)))

    async def _client(self, *, keep: bool) -> None:
        while self.left:
            try:
                reader, writer = await asyncio.open_connection(*self.address)
            except ConnectionRefusedError:
                self.refused += 1
                return
            try:
                await self._ask_on(reader, writer, keep=keep)
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                self.dropped.append(repr(error))
            finally:
                writer.close()

    async def _ask_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, keep: bool) -> None:
        """Ask on one connection until it is announced to end."""
        while self.left and not reader.at_eof():
            self.left -= 1
            query = Query()
            writer.write(post_bytes(query.encode()))
            answer = await _answer(reader)
            self.answered.append((query, answer))
            if len(self.answered) == STAMPS // 2:
                self.halfway.set()
            if not keep or answer.header("connection") == "close":
                return


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    version, status, _ = head[0].split(" ", 2)
    headers = [(name.lower(), value.strip()) for name, value in (line.split(":", 1) for line in head[1:-2])]
    length = int(dict(headers)["content-length"])
    return Answer(version, int(status), headers, await reader.readexactly(length))


@pytest.mark.parametrize("run", range(2))
async def test_sigterm_in_the_middle(start: Start, run: int) -> None:
    """Two workers, 10,000 stamps, SIGTERM when half are answered."""
    server = start(workers=2)
    load = Load(server.address)
    running = asyncio.create_task(load.run())
    await asyncio.wait_for(load.halfway.wait(), 60)
    server.process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(running, STOP_LIMIT)
    assert await asyncio.to_thread(server.process.wait, STOP_LIMIT) == 0
    assert not load.dropped
    assert load.refused == 32, "every client was still asking when the port closed"
    assert STAMPS // 2 <= len(load.answered) < STAMPS
    assert not events(server, "workers killed that did not end in time")
    _judge(Authority(server), load.answered)


def _judge(authority: Authority, answered: list[tuple[Query, Answer]]) -> None:
    """Every token is that of its request; no serial number twice; the verifier agrees on a sample."""
    tokens = [authority.judge(answer, query) for query, answer in answered]
    assert len({token.info.serial for token in tokens}) == len(tokens)
    for query, answer in answered[:: len(answered) // 50]:
        check_token(answer.body, query.encode())


@pytest.fixture
def stopped(start: Start) -> Server:
    """A server whose two workers are stopped (SIGSTOP), so that what is sent waits."""
    server = start(workers=2, options={("server", "drain_s"): 2.0})
    for pid in worker_pids(server):
        stop_process(pid)
    return server


def terminate_and_continue(server: Server) -> None:
    """SIGTERM, and only when the supervisor drains let the workers run again."""
    pids = worker_pids(server)
    server.process.send_signal(signal.SIGTERM)
    wait_for_event(server, "draining")
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def test_those_in_the_accept_queue_are_served(stopped: Server) -> None:
    authority = Authority(stopped)
    asked = [(stopped.connect(), Query()) for _ in range(40)]
    for connection, query in asked:
        connection.send(post_bytes(query.encode()))
    terminate_and_continue(stopped)
    tokens = []
    for connection, query in asked:
        answer = connection.answer()
        assert answer.header("connection") == "close"
        tokens.append(authority.judge(answer, query))
        connection.assert_closed()
    assert len({token.info.serial for token in tokens}) == 40
    assert stopped.process.wait(STOP_LIMIT) == 0


def test_nobody_is_let_in_once_it_drains(stopped: Server) -> None:
    """While the old connections are served, a new one is not accepted to be dropped: its SYN finds no answer."""
    with stopped.connect() as old:
        pids = worker_pids(stopped)
        stopped.process.send_signal(signal.SIGTERM)
        wait_for_event(stopped, "draining")
        with pytest.raises((TimeoutError, ConnectionRefusedError)):
            stopped.connect(timeout=0.5)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        Authority(stopped).stamp(old)
    assert stopped.process.wait(STOP_LIMIT) == 0
    with pytest.raises(ConnectionRefusedError):
        stopped.connect()


@pytest.mark.parametrize("via", ["lane", "aiohttp"])
def test_all_of_a_pipeline_is_answered(start: Start, via: str) -> None:
    """Requests that had come, one behind the other, when SIGTERM came."""
    server = start(workers=1, options={("server", "drain_s"): 1.0})
    authority = Authority(server)
    with authority.connect(via) as connection:
        (pid,) = worker_pids(server)
        stop_process(pid)
        queries = [Query() for _ in range(20)]
        connection.send(b"".join(post_bytes(query.encode()) for query in queries))
        terminate_and_continue(server)
        answers = [connection.answer() for _ in queries]
        for answer, query in zip(answers, queries, strict=True):
            authority.judge(answer, query)
        assert {answer.header("connection") for answer in answers[:-1]} == {None}, "only the last ends the connection"
        connection.assert_closed()
    assert server.process.wait(STOP_LIMIT) == 0


@pytest.mark.parametrize("via", ["lane", "aiohttp"])
def test_a_request_that_is_arriving_is_waited_for(start: Start, via: str) -> None:
    """Half a request at SIGTERM, the rest after it: answered. A connection on which nothing comes ends at drain_s."""
    server = start(workers=1, options={("server", "drain_s"): 1.0})
    authority = Authority(server)
    with authority.connect(via) as asking, authority.connect(via) as idle:
        query = Query()
        request = post_bytes(query.encode())
        asking.send(request[:-10])
        server.process.send_signal(signal.SIGTERM)
        wait_for_event(server, "draining")
        idle.assert_closed()
        asking.send(request[-10:])
        authority.judge(asking.answer(), query)
        asking.assert_closed()
    assert server.process.wait(STOP_LIMIT) == 0


@pytest.mark.parametrize("via", ["lane", "aiohttp"])
def test_signatures_under_way_are_finished(start: Start, via: str) -> None:
    """A slow key, so that SIGTERM comes while most requests wait to be signed."""
    server = start(workers=1, key="rsa4096")
    authority = Authority(server)
    asked = [(authority.connect(via), Query()) for _ in range(60)]
    for connection, query in asked:
        connection.send(post_bytes(query.encode()))
    asked[0][0].socket.settimeout(20)
    first = asked[0][0].answer()
    server.process.send_signal(signal.SIGTERM)
    for (connection, query), answer in [(asked[0], first), *((each, None) for each in asked[1:])]:
        authority.judge(answer or connection.answer(), query)
    for connection, _ in asked:
        connection.socket.close()
    assert server.process.wait(STOP_LIMIT) == 0


def test_twice_sigterm_ends_it_at_once(start: Start) -> None:
    """Whoever cannot wait for idle clients sends SIGTERM again."""
    server = start(workers=2, options={("server", "drain_s"): 600.0})
    with server.connect() as idle:
        idle.get("/healthz")
        server.process.send_signal(signal.SIGTERM)
        wait_for_event(server, "draining")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(STOP_LIMIT) == 0
        idle.assert_closed()
    assert events(server, "workers killed that did not end in time")


def test_a_burst_of_new_connections_at_sigterm(start: Start) -> None:
    """Many clients connect at the moment of SIGTERM: each is answered or refused."""
    server = start(workers=2)
    outcomes: list[str] = []

    def knock() -> None:
        with contextlib.ExitStack() as stack:
            while True:
                try:
                    connection = stack.enter_context(Connection(server.address, 15))
                except (ConnectionRefusedError, TimeoutError):
                    outcomes.append("refused")
                    return
                outcomes.append(str(connection.post(Query().encode()).status))
                stack.pop_all().close()

    with ThreadPoolExecutor(16) as clients:
        knocks = [clients.submit(knock) for _ in range(16)]
        limit = time.monotonic() + 20
        while len(outcomes) < 200 and time.monotonic() < limit:
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        for each in knocks:
            each.result(STOP_LIMIT)
    assert set(outcomes) == {"200", "refused"}
    assert outcomes.count("refused") == 16
    assert server.process.wait(STOP_LIMIT) == 0
