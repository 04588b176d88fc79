"""One connection of the load generator: the octets of its requests, and a quick check of the answers."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from typing import Protocol, cast

from bench.cost.framing import CHUNKED, HEAD_END, UNTIL_CLOSED, chunks, read_head

# RFC 3161 2.4.1: TimeStampReq { version 1, messageImprint { id-sha256 with NULL, OCTET STRING (32) },
# nonce INTEGER (8), certReq BOOLEAN or absent }; reqPolicy and extensions absent.
_AFTER_LENGTH = bytes.fromhex("020101 3031 300d 0609 608648016503040201 0500 0420")
QUERY = (bytes.fromhex("3040") + _AFTER_LENGTH, bytes.fromhex("3043") + _AFTER_LENGTH)
"""A request up to its hashed message: without certReq, and with it."""
NONCE = bytes.fromhex("0208")
CERT_REQ = bytes.fromhex("0101ff")
GRANTED = bytes.fromhex("020100")
GRANTED_WITH_MODS = bytes.fromhex("020101")
"""PKIStatus, octets 6 to 8 of a TimeStampResp longer than 255 octets; one with a token always is."""


def query_head(host: str, path: str, line: str, cert_req: bool) -> bytes:
    """The head of a POST, with a further header line, and its body up to the hashed message."""
    query = QUERY[cert_req]
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/timestamp-query\r\n{line}"
        f"Content-Length: {query[1] + 2}\r\n\r\n"
    ).encode() + query


def queries() -> Iterator[tuple[bytes, bytes]]:
    """Endless (hashed message, nonce) of 32 and 8 octets, no two alike; the nonce is a positive minimal INTEGER."""
    number = (1 << 62) + int.from_bytes(os.urandom(7), "big")
    while True:
        block = os.urandom(32 * 1024)
        for start in range(0, len(block), 32):
            number += 1
            yield block[start : start + 32], number.to_bytes(8, "big")


def fault(status: int, body: bytes, imprint: bytes, nonce: bytes) -> str | None:
    """The fault of an answer, by a quick look; None without one."""
    if status != 200:
        return f"HTTP status {status}"
    if body[6:9] != GRANTED and body[6:9] != GRANTED_WITH_MODS:
        return "PKIStatus is not granted"
    if imprint not in body:
        return "messageImprint is not the one asked for"
    if nonce not in body:
        return "nonce is not the one asked for"
    return None


class Owner(Protocol):
    """The load that a client is part of: it gives the requests, judges the answers, and hears of lost connections."""

    queries: Iterator[tuple[bytes, bytes]]
    tail: bytes
    """The end of a request, after its nonce."""
    ending: bool
    reopens: bool

    def judge(self, client: Client, status: int, body: bytes) -> None: ...

    def lost(self, client: Client, *, owed: bool, may_repeat: bool) -> None: ...


class Client(asyncio.Protocol):
    """Sends a request, waits for the answer, has it judged, sends the next, over one connection while that lives."""

    __slots__ = (
        "answered",
        "connected",
        "head",
        "imprint",
        "load",
        "nonce",
        "owed",
        "partial",
        "request",
        "sent",
        "served",
        "transport",
    )

    def __init__(self, load: Owner, head: bytes) -> None:
        self.load, self.head = load, head
        self.connected = self.owed = self.served = False
        self.draw()

    def draw(self) -> None:
        """Draw the next request; its time runs from now on."""
        self.imprint, self.nonce = next(self.load.queries)
        self.request = b"".join((self.head, self.imprint, NONCE, self.nonce, self.load.tail))
        self.sent = time.perf_counter_ns()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.partial, self.answered, self.connected, self.owed = b"", False, True, True
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if self.partial:
            data = self.partial + data
        end = data.find(HEAD_END) + 4
        status, length, closes = read_head(data[:end])
        if end >= 4 and length >= 0:
            body = data[end:] if len(data) >= end + length else None
        else:
            body = self.chunked(data, end) if length == CHUNKED else None
        if body is None:
            self.partial = data
        else:
            self.judged(status, body, closes)

    def chunked(self, data: bytes, at: int) -> bytes | None:
        """The body from chunks; b"", which passes no check, from octets that are no chunks."""
        try:
            return chunks(data, at)
        except ValueError:
            return b""

    def judged(self, status: int, body: bytes, closes: bool) -> None:
        """Have an answer judged, and go on: on this connection, or on another when the server closes this one."""
        self.partial, self.owed, self.answered = b"", False, True
        self.served = True
        self.load.judge(self, status, body)
        if self.load.ending or (closes and self.load.reopens):
            self.transport.close()
        else:
            self.draw()
            self.owed = True
            self.transport.write(self.request)

    def connection_lost(self, error: Exception | None) -> None:
        end = self.partial.find(HEAD_END) + 4
        if self.owed and end >= 4 and not error:
            status, length, _ = read_head(self.partial[:end])
            if length == UNTIL_CLOSED:
                self.load.judge(self, status, self.partial[end:])
                self.owed, self.served = False, True
        self.load.lost(self, owed=self.owed, may_repeat=self.answered and not self.partial)

    def abort(self) -> None:
        """End now; the answer still owed has been counted."""
        self.owed = False
        if self.connected:
            self.transport.abort()
