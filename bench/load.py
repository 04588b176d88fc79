"""The load generator: closed loop, one outstanding TimeStampReq a keep-alive connection, every answer checked.

It has one core and shares it with nothing, and it must be faster than the server it measures. So a request is two
constant pieces around a distinct messageImprint and a distinct nonce, and a reply is looked at, not parsed; a
sample of whole replies is kept for the caller to verify in earnest.
"""

import asyncio
import os
import re
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

import uvloop

from bench import BenchError

HOST = "127.0.0.1"
WARM_UP_S = 1.0
PATIENCE_S = 15.0
"""How long the last outstanding answers are waited for, once the load has ended, in s."""

# RFC 3161 2.4.1: TimeStampReq { version 1, messageImprint { id-sha256 with NULL, OCTET STRING (32) },
# nonce INTEGER (8) }; reqPolicy, certReq and extensions absent.
QUERY = bytes.fromhex("3040 020101 3031 300d 0609 608648016503040201 0500 0420")
NONCE = bytes.fromhex("0208")
QUERY_OCTETS = len(QUERY) + 32 + len(NONCE) + 8
GRANTED = bytes.fromhex("020100")
"""PKIStatus granted(0), octets 6 to 8 of a TimeStampResp longer than 255 octets; one with a token always is."""

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass
class Run:
    """What one load found. Times in ns."""

    latencies: "array[int]" = field(default_factory=lambda: array("q"))
    """Of the right answers in the measured time, in the order they came."""
    elapsed: int = 0
    server_cpu: int = 0
    own_cpu: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    """Every wrong answer of the whole load, warm-up included, by what was wrong with it."""
    sample: list[tuple[bytes, bytes]] = field(default_factory=list)
    """(TimeStampReq, TimeStampResp) of right answers, evenly over the measured time."""


def queries() -> Iterator[tuple[bytes, bytes]]:
    """Endless (hashed message, nonce) of 32 and 8 octets, no two alike; the nonce is a positive minimal INTEGER."""
    number = (1 << 62) + int.from_bytes(os.urandom(7), "big")
    while True:
        block = os.urandom(32 * 1024)
        for start in range(0, len(block), 32):
            number += 1
            yield block[start : start + 32], number.to_bytes(8, "big")


def fault(status: int, body: bytes, imprint: bytes, nonce: bytes) -> str | None:
    """What is wrong with an answer, at a glance; None when nothing is."""
    if status != 200:
        return f"HTTP status {status}"
    if body[6:9] != GRANTED:
        return "PKIStatus is not granted"
    if imprint not in body:
        return "messageImprint is not the one asked for"
    if nonce not in body:
        return "nonce is not the one asked for"
    return None


@lru_cache(maxsize=256)
def read_head(head: bytes) -> tuple[int, int]:
    """HTTP status and Content-Length of a response head, 0 for what it does not say. Heads hardly vary: so cached."""
    length = CONTENT_LENGTH.search(head)
    status = head[9:12]
    return int(status) if status.isdigit() else 0, int(length[1]) if length else 0


class Client(asyncio.Protocol):
    """One keep-alive connection: sends, waits for the answer, has it judged, sends the next."""

    __slots__ = ("imprint", "load", "nonce", "partial", "sent", "transport")

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.partial = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.load.clients.add(self)
        self.send()

    def send(self) -> None:
        self.imprint, self.nonce = next(self.load.queries)
        request = b"".join((self.load.head, self.imprint, NONCE, self.nonce))
        self.sent = time.perf_counter_ns()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self.partial:
            data = self.partial + data
        end = data.find(b"\r\n\r\n") + 4
        status, length = read_head(data[:end])
        if end < 4 or len(data) < end + length:
            self.partial = data
            return
        self.partial = b""
        self.load.judge(self, status, data[end:])
        if self.load.ending:
            self.transport.close()
        else:
            self.send()

    def connection_lost(self, error: Exception | None) -> None:
        self.load.lost(self)


class Load:
    """What the connections of one load share. One event loop, one thread: nothing here is locked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.head = (
            f"POST / HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: application/timestamp-query\r\n"
            f"Content-Length: {QUERY_OCTETS}\r\n\r\n"
        ).encode() + QUERY
        self.queries = queries()
        self.run = Run()
        self.clients: set[Client] = set()
        self.measuring = self.ending = False
        self.wanted = 0
        self.all_closed = asyncio.Event()

    def judge(self, client: Client, status: int, body: bytes) -> None:
        """Count one answer: as a stamp with its latency while measuring, or under its fault at any time."""
        if wrong := fault(status, body, client.imprint, client.nonce):
            self.run.faults[wrong] += 1
        elif self.measuring:
            self.run.latencies.append(time.perf_counter_ns() - client.sent)
            if self.wanted:
                self.wanted -= 1
                self.run.sample.append((QUERY + client.imprint + NONCE + client.nonce, body))

    def lost(self, client: Client) -> None:
        """A connection is gone; an answer is owed on it unless the load was ending."""
        self.clients.discard(client)
        if not self.ending:
            self.run.faults["connection closed before the answer"] += 1
        if not self.clients:
            self.all_closed.set()

    async def go(self, connections: int, seconds: float, sample: int, server_cpu: Callable[[], int]) -> Run:
        """Warm up, measure for so many seconds, end. BenchError when the server closes every connection."""
        loop = asyncio.get_running_loop()
        try:
            connecting = (loop.create_connection(lambda: Client(self), HOST, self.port) for _ in range(connections))
            await asyncio.gather(*connecting)
            await self.flow(WARM_UP_S)
            await self.measure(seconds, sample, server_cpu)
        finally:
            await self.end()
        return self.run

    async def measure(self, seconds: float, sample: int, server_cpu: Callable[[], int]) -> None:
        """Let the load flow, with the clocks of server, generator and wall read at both ends."""
        run, self.measuring = self.run, True
        started, own, server = time.perf_counter_ns(), time.thread_time_ns(), server_cpu()
        for _ in range(sample):
            self.wanted += 1
            await self.flow(seconds / sample)
        run.server_cpu, run.own_cpu = server_cpu() - server, time.thread_time_ns() - own
        run.elapsed = time.perf_counter_ns() - started
        self.measuring = False

    async def flow(self, seconds: float) -> None:
        """Let the load go on for so long; BenchError as soon as no connection is left to carry it."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.all_closed.wait(), seconds)
            raise BenchError(f"the server closed every connection; its answers: {self.said()}")

    async def end(self) -> None:
        """Send no more, and wait for what is outstanding: an answer that never comes is a fault too."""
        self.ending = True
        if self.clients:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.all_closed.wait(), PATIENCE_S)
        if self.clients:
            self.run.faults[f"no answer within {PATIENCE_S:.0f} s"] += len(self.clients)
        for client in self.clients:
            client.transport.abort()

    def said(self) -> str:
        """The faults so far, most frequent first, as part of a sentence."""
        return ", ".join(f"{what} ({count})" for what, count in self.run.faults.most_common()) or "none"


def drive(port: int, connections: int, seconds: float, server_cpu: Callable[[], int], sample: int = 20) -> Run:
    """Load the server on this port of 127.0.0.1 over so many connections for so many seconds, after a warm-up of 1 s.

    `server_cpu` reads the server's CPU time in ns. BenchError when there is nothing to measure: it cannot be reached,
    closes every connection, or gives no right answer at all.
    """

    async def go() -> Run:
        load = Load(port)
        run = await load.go(connections, seconds, sample, server_cpu)
        if not run.latencies:
            raise BenchError(f"no right answer in {seconds:g} s from {HOST}:{port}; its answers: {load.said()}")
        return run

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(go())
    except ConnectionError as error:
        raise BenchError(f"no connection to {HOST}:{port}: {error}") from error
