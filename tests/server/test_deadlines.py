"""Clients that are slow, silent, deaf, gone or too many: each ends in time, and the others are served meanwhile.

What is slow to send is in the conformance tests; here is the rest, on both sides of the hand-over (decision 14).
"""

import asyncio
import contextlib
import select
import socket
import struct
import time
from collections.abc import Callable

import pytest

from tests.conftest import Fleet
from tests.support.http import Connection, post_bytes
from tests.support.processes import memory_of, wait_until, worker_pids
from tests.support.query import Query
from tests.support.server import Server
from tests.support.stamping import Authority
from tests.support.token import refusal
from tsa.server.acceptor import Acceptor
from tsa.server.listening import listen
from tsa.state.meter import shared_meters

MIB = 1 << 20
GET = b"GET /healthz HTTP/1.1\r\nHost: tsa.test\r\n\r\n"
INDEX = b"GET / HTTP/1.1\r\nHost: tsa.test\r\n\r\n"


@pytest.fixture(scope="module")
def hurried(fleet: Fleet) -> Authority:
    """Deadlines of half a second."""
    options = {("server", "deadline_s"): 0.5, ("server", "keepalive_s"): 0.5, ("server", "drain_s"): 0.5}
    return Authority(fleet.get("half-second", options=options))


@pytest.fixture(params=["lane", "aiohttp"])
def via(request: pytest.FixtureRequest) -> str:
    """Which side of the server answers."""
    return str(request.param)


def test_silent_connection(hurried: Authority, via: str) -> None:
    """On the lane a word of why; on either side an end."""
    with hurried.connect(via) as connection, hurried.connect() as other:
        hurried.stamp(other)
        said = connection.rest()
    if via == "lane":
        assert said.startswith(b"HTTP/1.1 408 ")
        assert b"did not arrive within 0.5 s" in said
    else:
        assert said == b""


def test_head_of_a_handed_request_behind_another(hurried: Authority) -> None:
    """The start of a request that came in one packet with the one before it has its deadline too."""
    with hurried.connect("aiohttp") as connection:
        query = Query()
        connection.send(post_bytes(query.encode()) + GET[:10])
        hurried.judge(connection.answer(), query)
        connection.assert_closed()


def test_head_of_a_request_behind_another_in_one_packet(fleet: Fleet) -> None:
    """It has the deadline of a head, not that of an idle connection, which is far longer here; on either side."""
    server = Authority(fleet.get("half-second-heads", options={("server", "deadline_s"): 0.5}))
    stamp = post_bytes(Query().encode())
    for whole in (GET, stamp):
        with server.connect("aiohttp") as connection:
            connection.send(whole + GET[:10])
            assert connection.answer().status == 200
            connection.assert_closed()
        with server.connect("aiohttp") as connection:
            assert connection.ask(whole).status == 200
            time.sleep(1.5)  # idle for three deadlines
            assert connection.ask(whole).status == 200


@pytest.mark.parametrize("requests", [post_bytes(Query().encode()), INDEX], ids=["stamps", "pages"])
def test_client_that_does_not_read(hurried: Authority, via: str, requests: bytes) -> None:
    """It asks and asks and reads nothing: what is kept for it stays small, and its connection is reset in the end."""
    (pid,) = worker_pids(hurried.server)
    before = memory_of(pid)
    with hurried.connect(via) as deaf, hurried.connect() as other:
        _ask_until_stalled(deaf, requests, lambda: hurried.stamp(other))
        assert memory_of(pid) - before < 16 * MIB
        wait_until(lambda: _reset(deaf), "the connection of the client that does not read is reset")
    with hurried.connect() as other:
        hurried.stamp(other)


def _ask_until_stalled(deaf: Connection, requests: bytes, meanwhile: Callable[[], object]) -> None:
    """Send until the server takes no more; fails where it takes more than the kernel could have kept."""
    sent, block = 0, requests * 200
    deaf.socket.setblocking(False)
    while sent < 256 * MIB:
        if not select.select([], [deaf.socket], [], 0.25)[1]:
            return
        with contextlib.suppress(BlockingIOError):
            try:
                sent += deaf.socket.send(block[sent % len(requests) :])
            except ConnectionError:
                return
        meanwhile()
    raise AssertionError("the server reads on although nobody reads its answers")


def _reset(connection: Connection) -> bool:
    """Whether the connection is reset: found without reading its answers."""
    return connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0 or bool(
        connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in (7, 8)  # CLOSE, CLOSE_WAIT
    )


def test_slow_reader_gets_everything(hurried: Authority, via: str) -> None:
    """Answers that fill every buffer, to a client that reads them after a pause shorter than the deadline."""
    queries = [Query() for _ in range(3000)]
    octets = b"".join(post_bytes(query.encode()) for query in queries)
    with hurried.connect(via) as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.socket.settimeout(0.1)
        sent = 0
        answers = 0
        while sent < len(octets):
            with contextlib.suppress(TimeoutError):
                sent += connection.socket.send(octets[sent : sent + 65536])
                continue
            connection.socket.settimeout(20)
            hurried.judge(connection.answer(), queries[answers])
            answers += 1
            connection.socket.settimeout(0.1)
        connection.socket.settimeout(20)
        for query in queries[answers:]:
            hurried.judge(connection.answer(), query)


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("first", [b"", GET], ids=["alone", "behind-a-get"])
def test_half_closed_client(hurried: Authority, via: str, count: int, first: bytes) -> None:
    """A client that ends its side when it has asked gets every answer, then the end (RFC 9112 9.6)."""
    queries = [Query() for _ in range(count)]
    with hurried.connect(via) as connection:
        connection.send(first + b"".join(post_bytes(query.encode()) for query in queries))
        connection.socket.shutdown(socket.SHUT_WR)
        if first:
            assert connection.answer().status == 200
        for query in queries:
            hurried.judge(connection.answer(), query)
        connection.assert_closed()


def test_half_closed_in_the_middle_of_a_request(hurried: Authority, via: str) -> None:
    """What is not whole gets no token; what was before it does."""
    query = Query()
    request = post_bytes(query.encode())
    with hurried.connect(via) as connection:
        connection.send(request + request[:-5])
        connection.socket.shutdown(socket.SHUT_WR)
        hurried.judge(connection.answer(), query)
        assert b" 200 " not in connection.rest()


def test_gone_while_its_signature_is_under_way(start: Callable[..., Server], via: str) -> None:
    """A slow key: clients that vanish while they wait do not disturb those that stay (decision 5)."""
    authority = Authority(start(workers=1, key="rsa4096"))
    staying = [(authority.connect(via), Query()) for _ in range(10)]
    leaving = [authority.connect(via) for _ in range(20)]
    for number in range(10):
        for connection in leaving[2 * number : 2 * number + 2]:
            connection.send(post_bytes(Query().encode()) * 2)
        staying[number][0].send(post_bytes(staying[number][1].encode()))
    for number, connection in enumerate(leaving):
        if number % 2:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.socket.close()
    for connection, query in staying:
        authority.judge(connection.answer(), query)
        authority.stamp(connection)
        connection.socket.close()


@pytest.fixture
def small(start: Callable[..., Server]) -> Authority:
    """A server for 5 connections."""
    server = start(workers=1, options={("server", "max_connections"): 5})
    wait_until(lambda: b"tsa_connections 1.0" in _metrics(server), "the connections of the start are gone")
    return Authority(server)


def _metrics(server: Server) -> bytes:
    with server.connect() as connection:
        return connection.get("/metrics").body


def test_too_many_connections(small: Authority, via: str) -> None:
    """One more than max_connections gets 503 at once; those that are open do not notice; room is used again."""
    opened = [small.connect(via) for _ in range(5)]
    for _ in range(3):
        with small.server.connect() as extra:
            answer = extra.answer()
            assert answer.status == 503
            assert answer.header("connection") == "close"
            assert answer.body.endswith(b".\n")
            extra.assert_closed()
    for connection in opened:
        small.stamp(connection)
    opened.pop().socket.close()
    wait_until(lambda: _is_let_in(small), "a place is free again")
    for connection in opened:
        small.stamp(connection)
        connection.socket.close()


def _is_let_in(authority: Authority) -> bool:
    with authority.server.connect() as connection:
        try:
            return connection.post(Query().encode()).status == 200
        except ConnectionError:
            return False


def test_deadlines_of_the_queue(start: Callable[..., Server], via: str) -> None:
    """What waits too long to be signed is refused with 503; it is counted, and those behind it are stamped again."""
    options = {("signing", "max_wait_ms"): 20, ("signing", "threads"): 1}
    authority = Authority(start(workers=1, key="rsa4096", options=options))
    asked = [(authority.connect(via), Query()) for _ in range(40)]
    for connection, query in asked:
        connection.send(post_bytes(query.encode()))
    answers = [connection.answer() for connection, _ in asked]
    refused = [answer for answer in answers if answer.status == 503]
    assert refused
    for answer in refused:
        refusal(answer, "systemFailure", 503)
    for connection, _ in asked:
        connection.socket.close()
    with authority.connect(via) as connection:
        authority.stamp(connection)


class Greeter(asyncio.Protocol):
    """Says a word to whoever is accepted."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"welcome")
        transport.close()


@pytest.fixture
async def acceptor() -> tuple[Acceptor, tuple[str, int]]:
    """An acceptor on a port of its own, and the address."""
    listening = listen("127.0.0.1:0")
    (meter,) = shared_meters(1)
    made = Acceptor(listening, meter, [meter], Greeter)
    made.start(None, 1.0)
    return made, listening.getsockname()


async def test_a_handshake_that_began_before_is_accepted(acceptor: tuple[Acceptor, tuple[str, int]]) -> None:
    """While finish() looks for the last, a handshake whose first packet came in time may still be completed."""
    accepting, address = acceptor
    finishing = asyncio.create_task(accepting.finish(asyncio.get_running_loop().time() + 20))
    await asyncio.sleep(0)
    reader, writer = await asyncio.open_connection(*address)  # some turns of the loop: finish() finds the queue empty
    assert await reader.read() == b"welcome"
    writer.close()
    await finishing
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)
