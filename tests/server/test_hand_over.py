"""From the lane to aiohttp: no octet is lost, none comes twice, and the answers stay in their order (decision 14)."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.counts import times
from tests.support.http import Answer, chunked, post_bytes
from tests.support.inside import everybody
from tests.support.processes import wait_until
from tests.support.query import Query
from tests.support.server import Server
from tests.support.stamping import Authority
from tests.support.units import books
from tsa.licensing.applications import Application
from tsa.server.connections import Connections
from tsa.server.lane import MAX_PIPELINED, Lane
from tsa.server.service import Service
from tsa.stamping.intake import Job
from tsa.state.config import ServerTable
from tsa.state.meter import shared_meters

Judge = Callable[[Answer], object]
GET = b"GET /healthz HTTP/1.1\r\nHost: tsa.test\r\n\r\n"


def is_healthz(answer: Answer) -> None:
    assert answer.status == 200
    assert b"alive" in answer.body


def stream_of(authority: Authority) -> list[tuple[bytes, Judge]]:
    """POST, GET, POST, chunked POST, POST: each request with the judge of its answer."""
    queries = [Query() for _ in range(4)]
    in_chunks = post_bytes(b"", framing="Transfer-Encoding: chunked") + chunked(queries[2].encode())
    judges: list[Judge] = [partial(authority.judge, query=query) for query in queries]
    plain = [post_bytes(query.encode()) for query in queries]
    return [
        (plain[0], judges[0]),
        (GET, is_healthz),
        (plain[1], judges[1]),
        (in_chunks, judges[2]),
        (plain[3], judges[3]),
    ]


def test_every_split(authority: Authority) -> None:
    """The stream in two writes, cut at each octet in turn, each time on a fresh connection; complete and in order."""
    requests = stream_of(authority)
    octets = b"".join(request for request, _ in requests)
    with authority.connect() as other:
        for at in range(1, len(octets)):
            with authority.connect() as connection:
                connection.send(octets[:at])
                is_healthz(other.get("/healthz"))  # by now the server has read the first part
                connection.send(octets[at:])
                for _, judge in requests:
                    judge(connection.answer())
                if at % 50 == 0:
                    connection.socket.shutdown(1)
                    connection.assert_closed()


@pytest.fixture
def slow(start: Callable[..., Server]) -> Authority:
    """An authority whose signatures take some milliseconds, so that the lane owes answers for a while."""
    return Authority(start(workers=1, key="rsa4096"))


def test_while_answers_are_owed(slow: Authority) -> None:
    """The GET comes, alone or with more behind it, while the lane still waits for signatures."""
    for behind in (0, 1, 5):
        queries = [Query() for _ in range(8 + behind)]
        with slow.connect() as connection:
            connection.send(b"".join(post_bytes(query.encode()) for query in queries[:8]))
            connection.send(GET + b"".join(post_bytes(query.encode()) for query in queries[8:]))
            for query in queries[:8]:
                slow.judge(connection.answer(), query)
            is_healthz(connection.answer())
            for query in queries[8:]:
                slow.judge(connection.answer(), query)
            slow.stamp(connection)


class Successor(asyncio.Protocol):
    """Stands for aiohttp: keeps what it is given, and what had been written when it was given the connection."""

    def __init__(self) -> None:
        self.received = b""
        self.transport: Transport | None = None
        self.written_before = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, Transport)
        self.transport, self.written_before = transport, len(transport.written)

    def data_received(self, data: bytes) -> None:
        self.received += data


class Transport(asyncio.Transport):
    """A connection without a network. What arrives while reading is paused waits; writing may be told to pause."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.protocol: Any = protocol
        self.written: list[bytes] = []
        self.reading, self.closed = True, False
        self._waiting: deque[bytes] = deque()

    def arrive(self, data: bytes) -> None:
        self._waiting.append(data)
        self.pump()

    def pump(self) -> None:
        """Deliver what waits, as the event loop would: never from within a call of the protocol's own."""
        while self.reading and self._waiting and not self.closed:
            self.protocol.data_received(self._waiting.popleft())

    def write(self, data: Any) -> None:
        assert not self.closed
        assert self.protocol.__class__ is Lane
        self.written.append(bytes(data))

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


class Vanished(Transport):
    """A connection whose client is gone, from when the test says so: nothing more is written to it, or read."""

    def write(self, data: Any) -> None:
        if not self.closed:
            super().write(data)

    def resume_reading(self) -> None:
        """As a closing transport does."""


class Desk:
    """Stands for the intake: holds each request until the test has it answered."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.owed: deque[tuple[bytes, Job]] = deque()

    def submit(self, octets: bytes, job: Job, _application: Application) -> None:
        self.taken.append(octets)
        self.owed.append((octets, job))

    def answer_one(self, *, last: bool = False) -> None:
        """Give the longest held request its answer, which is its own octets; or the most recent one."""
        if self.owed:
            octets, job = self.owed.pop() if last else self.owed.popleft()
            job.deliver(octets)


def lane_on(desk: Desk, kind: type[Transport] = Transport) -> tuple[Lane, Transport, Successor]:
    """A lane, its connection, and what would take over from it."""
    (meter,) = shared_meters(1)
    intake: Any = desk
    service = Service(intake, everybody(), books(), Connections(ServerTable(), meter))
    successor = Successor()
    service.successor = lambda: successor
    lane = Lane(service)
    transport = kind(lane)
    lane.connection_made(transport)
    return lane, transport, successor


def plain(body: bytes) -> bytes:
    """A request that is the lane's."""
    return post_bytes(body)


OTHERS = [
    GET,
    post_bytes(b"", framing="Transfer-Encoding: chunked") + chunked(b"abc"),
    post_bytes(b"abc", content_type="text/plain"),
    post_bytes(b"abc", path="/tsa/%6bey"),
    b"no HTTP\r\n\r\n",
    post_bytes(b"abc", framing="Content-Length: 99999"),
    b"POST / HTTP/1.1\r\nX: " + b"x" * 17_000,
]
Moves = list[tuple[str, int]]


@pytest.mark.long
@settings(max_examples=times(400), deadline=None)
@given(
    before=st.lists(st.binary(min_size=1, max_size=40), max_size=2 * MAX_PIPELINED),
    other=st.sampled_from(OTHERS),
    behind=st.binary(max_size=300),
    moves=st.lists(
        st.one_of(
            st.tuples(st.just("arrive"), st.integers(1, 2000)),
            st.tuples(st.sampled_from(["answer", "answer last", "stall", "read on"]), st.just(0)),
        ),
        max_size=60,
    ),
)
async def test_no_octet_is_lost(before: list[bytes], other: bytes, behind: bytes, moves: Moves) -> None:
    """Whatever the packets, the pace of the answers and the client's reading: what the lane has answered and what its
    successor receives is, put together, what was sent; and the successor gets it when every answer is written."""
    stream = b"".join(map(plain, before)) + other + behind
    desk = Desk()
    lane, transport, successor = lane_on(desk)
    at, stalled = 0, False
    for move, size in moves:
        if move == "arrive":
            transport.arrive(stream[at : at + size])
            at += size
        elif move.startswith("answer"):
            desk.answer_one(last=move == "answer last")
        elif (move == "stall") != stalled and successor.transport is None:
            stalled = not stalled
            (lane.pause_writing if stalled else lane.resume_writing)()
        assert not (stalled and successor.transport), "handed over while the client does not read"
        transport.pump()
    _finish(desk, lane, transport, stream[at:], stalled=stalled)
    assert desk.taken == before
    assert [answer.partition(b"\r\n\r\n")[2] for answer in transport.written] == before
    assert successor.written_before == len(before)
    assert b"".join(map(plain, desk.taken)) + successor.received == stream


def _finish(desk: Desk, lane: Lane, transport: Transport, rest: bytes, *, stalled: bool) -> None:
    """Let all arrive and all be answered."""
    if stalled:
        lane.resume_writing()
    if rest:
        transport.arrive(rest)
    transport.pump()
    while desk.owed:
        desk.answer_one()
        transport.pump()


async def test_nothing_is_handed_over_to_nobody() -> None:
    """The client is gone when the last answer comes: there is no connection to hand over."""
    desk = Desk()
    _, transport, successor = lane_on(desk, Vanished)
    transport.arrive(plain(b"abc") + GET)
    transport.closed = True
    desk.answer_one()
    assert successor.transport is None


async def test_half_a_request_of_a_client_that_is_gone() -> None:
    """Its answer comes after the connection has ended, with octets of a next request still there."""
    desk = Desk()
    _, transport, _ = lane_on(desk, Vanished)
    transport.arrive(b"".join(plain(b"%03d" % number) for number in range(MAX_PIPELINED)) + plain(b"abc")[:-1])
    transport.closed, transport.reading = True, False
    while desk.owed:
        desk.answer_one()
    assert len(desk.taken) == MAX_PIPELINED


@pytest.mark.parametrize("reset", [False, True])
def test_clients_that_vanish_in_the_middle_of_a_body(authority: Authority, reset: bool) -> None:
    """On aiohttp's side: nobody is left to answer, which is no fault of ours for the log (see `judged_logs`)."""
    half = post_bytes(Query().encode())[:-20]
    for turn in range(40):
        with authority.connect("aiohttp") as vanishing, authority.connect() as other:
            vanishing.send(half)
            if turn % 2:
                authority.stamp(other)  # by now its head has been read
            if reset:
                vanishing.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_until(lambda: b"\ntsa_connections 1.0\n" in _metrics(authority), "the server has noticed all of them")


def _metrics(authority: Authority) -> bytes:
    with authority.connect() as connection:
        return connection.get("/metrics").body


def test_clients_that_vanish_disturb_nobody(authority: Authority) -> None:
    """Thousands of pipelines cut off by a reset, at any point of being served, with and without a GET behind them."""
    request = post_bytes(Query().encode())
    with authority.connect() as steady:
        for turn in range(1500):
            with authority.connect() as vanishing:
                vanishing.send(request * (1 + turn % 70) + (GET if turn % 3 == 0 else b"") + request[: turn % 200])
                if turn % 5 == 0:
                    authority.stamp(steady)
                vanishing.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        authority.stamp(steady)
    wait_until(lambda: b"\ntsa_connections 1.0\n" in _metrics(authority), "the server has noticed all of them")
