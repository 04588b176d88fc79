"""The load generator: closed loop, one outstanding TimeStampReq a connection, every answer checked.

It has a core for itself and must be faster than the server it measures. So a request is two constant pieces around a
distinct messageImprint and a distinct nonce, and an answer is searched for both, not parsed. A sample of whole answers
is kept, which the caller verifies in full.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ssl import SSLContext

import uvloop

from bench import BenchError
from bench.cost.client import CERT_REQ, NONCE, QUERY, Client, fault, queries, query_head
from bench.server import HOST

WARM_UP_S = 1.0
CLOSED, NO_CONNECTION = "connection closed before the answer", "no connection"


@dataclass(frozen=True)
class Way:
    """The way of requests to a server: address, path, header lines.

    `lines` are header lines with their CRLF: the connections take one each, in turn. With `reopen` a connection
    that the server closed after an answer is opened anew, which counts towards the latency of what is sent on it.
    After the load has ended, outstanding answers have `patience_s` to come.
    """

    host: str = HOST
    path: str = "/"
    tls: SSLContext | None = None
    lines: Sequence[str] = ("",)
    cert_req: bool = False
    reopen: bool = False
    patience_s: float = 15.0


LOOPBACK = Way()


@dataclass
class Run:
    """The result of one load. Times in ns."""

    latencies: array[int] = field(default_factory=lambda: array("q"))
    """Of the right answers in the measured time, in the order they came."""
    elapsed: int = 0
    server_cpu: int = 0
    own_cpu: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    """The wrong answers of the whole load, warm-up included, by their fault."""
    sample: list[tuple[bytes, bytes]] = field(default_factory=list)
    """(TimeStampReq, TimeStampResp) of right answers, evenly over the measured time."""
    reopened: int = 0
    """Connections opened anew in the whole load, because the server had closed them after an answer."""
    starved: int = 0
    """Connections without any answer at the end of the measured time."""


class Load:
    """The common part of the connections of one load. One event loop, one thread: nothing here is locked."""

    def __init__(self, port: int, way: Way) -> None:
        self.port, self.way, self.reopens = port, way, way.reopen
        self.queries = queries()
        self.tail = CERT_REQ if way.cert_req else b""
        self.run = Run()
        self.clients: set[Client] = set()
        self.measuring = self.ending = False
        self.wanted = 0
        self.all_closed = asyncio.Event()
        self.opening: set[asyncio.Task[None]] = set()

    def judge(self, client: Client, status: int, body: bytes) -> None:
        """Count one answer: as a stamp with its latency while measuring, or under its fault at any time."""
        if wrong := fault(status, body, client.imprint, client.nonce):
            self.run.faults[wrong] += 1
        elif self.measuring:
            self.run.latencies.append(time.perf_counter_ns() - client.sent)
            if self.wanted:
                self.wanted -= 1
                query = QUERY[self.way.cert_req] + client.imprint + NONCE + client.nonce + self.tail
                self.run.sample.append((query, body))

    def lost(self, client: Client, *, owed: bool, may_repeat: bool) -> None:
        """Take note of a lost connection, with an answer owed on it or not; the way says whether to open it anew.

        A server may close a connection after an answer, without notice, while the next request is on its way. That
        request is sent again (RFC 9112 9.3.1), and its latency still runs from its first sending.
        """
        repeat = owed and may_repeat and self.reopens
        if owed and not repeat:
            self.run.faults[CLOSED] += 1
        if self.ending or not self.reopens:
            self.gone(client)
            return
        if not repeat:
            client.draw()
        self.run.reopened += 1
        task = asyncio.get_running_loop().create_task(self.open_again(client))
        self.opening.add(task)
        task.add_done_callback(self.opening.discard)

    async def open_again(self, client: Client) -> None:
        """Open another connection for a client, or count a fault."""
        try:
            await self.open(client)
        except OSError as error:
            self.run.faults[f"{NO_CONNECTION}: {error.strerror or error}"] += 1
            self.gone(client)

    async def open(self, client: Client) -> None:
        """Connect; the client then sends the request that it has drawn. OSError when there is no connection."""
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: client, self.way.host, self.port, ssl=self.way.tls)

    def gone(self, client: Client) -> None:
        """One client less."""
        self.clients.discard(client)
        if not self.clients:
            self.all_closed.set()

    async def go(self, connections: int, seconds: float, sample: int, server_cpu: Callable[[], int]) -> Run:
        """Warm up, measure for `seconds`, end. BenchError when the server closes every connection."""
        lines = self.way.lines
        heads = [query_head(f"{self.way.host}:{self.port}", self.way.path, line, self.way.cert_req) for line in lines]
        try:
            await self.start([Client(self, heads[number % len(heads)]) for number in range(connections)])
            await self.flow(WARM_UP_S)
            await self.measure(seconds, sample, server_cpu)
        finally:
            await self.end()
        return self.run

    async def start(self, clients: list[Client]) -> None:
        """Connect all clients. OSError when one cannot connect: then all are given up."""
        self.clients.update(clients)
        try:
            await asyncio.gather(*map(self.open, clients))
        except OSError:
            while self.clients:
                self.clients.pop().abort()
            raise

    async def measure(self, seconds: float, sample: int, server_cpu: Callable[[], int]) -> None:
        """Let the load flow, and read CPU and wall clocks at both ends."""
        run, self.measuring = self.run, True
        started, own, server = time.perf_counter_ns(), time.thread_time_ns(), server_cpu()
        for _ in range(sample):
            self.wanted += 1
            await self.flow(seconds / sample)
        run.server_cpu, run.own_cpu = server_cpu() - server, time.thread_time_ns() - own
        run.elapsed = time.perf_counter_ns() - started
        run.starved = sum(not client.served for client in self.clients)
        self.measuring = False

    async def flow(self, seconds: float) -> None:
        """Let the load go on for `seconds`; BenchError as soon as no connection is left."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.all_closed.wait(), seconds)
            raise BenchError(f"the server closed every connection; its answers: {self.said()}")

    async def end(self) -> None:
        """Send no more, and wait for outstanding answers: an answer that does not come is a fault too."""
        self.ending = True
        if self.clients:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.all_closed.wait(), self.way.patience_s)
        if self.clients:
            self.run.faults[f"no answer within {self.way.patience_s:g} s"] += len(self.clients)
        for client in self.clients:
            client.abort()

    def said(self) -> str:
        """The faults so far, most frequent first, as part of a sentence."""
        return ", ".join(f"{what} ({count})" for what, count in self.run.faults.most_common()) or "none"


def drive(
    port: int, connections: int, seconds: float, server_cpu: Callable[[], int], sample: int = 20, way: Way = LOOPBACK
) -> Run:
    """Load the server on this port over `connections` for `seconds`, after a warm-up of 1 s.

    `server_cpu` reads the server's CPU time in ns. BenchError when there is nothing to measure: the server cannot be
    reached, closes every connection, or gives no right answer at all.
    """

    async def go() -> Run:
        load = Load(port, way)
        run = await load.go(connections, seconds, sample, server_cpu)
        if not run.latencies:
            raise BenchError(f"no right answer in {seconds:g} s from {way.host}:{port}; its answers: {load.said()}")
        return run

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(go())
    except OSError as error:
        raise BenchError(f"no connection to {way.host}:{port}: {error}") from error
