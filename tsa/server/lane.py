"""The plain POST of a TimeStampReq, and nothing else: every other request is handed, with all its octets, to aiohttp.

Here speed comes before beauty: a stamp costs some 40 µs, of which the signature is half, and aiohttp would add as much
again. A connection sends the same head with every request, so a head is parsed once and then found again by its octets;
a body is cut out by its length. What the lane has not understood it has not consumed, so handing over loses nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from http import HTTPStatus
from typing import cast

import structlog

from tsa.licensing.applications import Application, Applications
from tsa.protocol.errors import NoCredentials, Refusal
from tsa.server.connections import outlives_eof
from tsa.server.heads import MAX_HEAD, PlainHead, plain_head
from tsa.server.service import Service
from tsa.stamping.intake import Job

MAX_HEADS_KEPT = 8
MAX_PIPELINED = 64

log = structlog.get_logger()


class Stamp(Job):
    """A request on a lane, in its place among those pipelined there."""

    __slots__ = ("_lane", "answer", "close")

    def __init__(self, lane: Lane, close: bool) -> None:
        self._lane = lane
        self.close = close
        self.answer: bytes | Refusal | None = None

    def deliver(self, answer: bytes | Refusal) -> None:
        self.answer = answer
        self._lane.flush()


class Lane(asyncio.Protocol):
    """One connection, until it is handed over or ends."""

    __slots__ = (
        "_buffer",
        "_closing",
        "_handing_over",
        "_heads",
        "_known",
        "_pending",
        "_served",
        "_service",
        "_since",
        "_stalled",
        "_transport",
    )

    def __init__(self, service: Service) -> None:
        self._service = service
        self._transport: asyncio.Transport | None = None
        self._buffer = b""  # of a request that is not complete yet, or that must wait for its turn
        self._heads: dict[bytes, PlainHead] = {}
        self._known: tuple[PlainHead, Applications, Application] | None = None
        self._pending: deque[Stamp] = deque()  # asked and not answered, in order
        self._handing_over = False  # what is in the buffer goes to aiohttp once nothing is pending
        self._closing = False
        self._served = False
        self._stalled = False  # the client does not read its answers
        self._since = service.connections.now  # when the present wait began

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._since = asyncio.get_running_loop().time()
        if self._service.connections.full:
            self._end(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections are open: try again later.")
        self._service.connections.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._service.connections.leave(self)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if not self._buffer:
            self._since = self._service.connections.now
        self._buffer = self._buffer + data if self._buffer else data
        self._serve()

    def _serve(self) -> None:
        """Take every complete request out of the buffer."""
        data, at, size = self._buffer, 0, len(self._buffer)
        heads, pending = self._heads, self._pending
        while at < size and not self._closing:
            if len(pending) >= MAX_PIPELINED:
                self._pause_reading()
                break
            body = data.find(b"\r\n\r\n", at) + 4
            if body == 3:
                self._handing_over = not _may_become_plain(data[at:])
                break
            head = heads.get(data[at:body]) or self._learn(data[at:body])
            if head is None:
                self._handing_over = True
                break
            after = body + head.length
            if after > size:
                break
            self._submit(data[body:after], head)
            at = after
        self._buffer = data[at:]
        if at:
            self._since = self._service.connections.now
        if self._handing_over:
            self._pause_reading()
        if self._handing_over or not pending or pending[0].answer is not None:
            self.flush()

    def _learn(self, octets: bytes) -> PlainHead | None:
        head = plain_head(octets, self._service.connections.limits.body_limit) if len(octets) <= MAX_HEAD else None
        if head is not None:
            if len(self._heads) == MAX_HEADS_KEPT:
                self._heads.clear()
            self._heads[octets] = head
        return head

    def _submit(self, body: bytes, head: PlainHead) -> None:
        stamp, intake = Stamp(self, head.close), self._service.intake
        try:
            intake.submit(body, stamp, self._caller(head))
        except Refusal as refusal:
            intake.refuse(stamp, refusal)
        # The stamp has its place only now: a refusal delivered above is written by _serve(), in its turn.
        self._pending.append(stamp)
        self._closing = head.close

    def _caller(self, head: PlainHead) -> Application:
        """The application behind a head; remembered while neither the head nor the applications change."""
        callers = self._service.callers
        if self._known is None or self._known[0] is not head or self._known[1] is not callers.applications:
            if self._transport is None:
                raise NoCredentials("The connection has ended.")
            found = callers.find(head.key, head.forwarded_for, self._transport)
            self._known = (head, callers.applications, found)
        return self._known[2]

    def flush(self) -> None:
        """Write the answers that are next in order; when no answer is owed any more, do what waited for that."""
        pending, transport, service = self._pending, self._transport, self._service
        while pending and (answer := pending[0].answer) is not None:
            close = pending.popleft().close
            if service.connections.draining and not pending and not self._buffer:
                close = self._closing = True
            if transport is not None:
                transport.write(service.replies.octets(answer, close=close))
            if service.log_requests:
                _log_request(answer)
            self._served = True
        if pending or self._stalled or transport is None or transport.is_closing():
            return
        if self._handing_over:
            self._hand_over(transport)
        elif self._closing:
            transport.close()
        elif not transport.is_reading():
            transport.resume_reading()
            self._serve()

    def _hand_over(self, transport: asyncio.Transport) -> None:
        """Give the connection, with every octet that was not answered, to aiohttp."""
        self._service.connections.leave(self)
        successor = self._service.successor()
        transport.set_protocol(successor)
        self._transport = None
        successor.connection_made(transport)
        transport.resume_reading()
        successor.data_received(self._buffer)
        self._buffer = b""

    def _pause_reading(self) -> None:
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The client has sent all it will; it still gets what it asked for."""
        self._closing = True
        return bool(self._pending) and outlives_eof(self._transport)

    def pause_writing(self) -> None:
        self._stalled = True
        self._since = self._service.connections.now
        self._pause_reading()

    def resume_writing(self) -> None:
        self._stalled = False
        self.flush()

    def check(self, now: float) -> None:
        limits, waited = self._service.connections.limits, now - self._since
        if self._transport is None:
            return
        if self._stalled or self._transport.is_closing():  # what was written waits for the client to read it
            if waited > limits.deadline_s:
                self._transport.abort()
        elif self._pending:
            return
        elif self._buffer or not self._served:
            if waited > limits.deadline_s:
                self._end(HTTPStatus.REQUEST_TIMEOUT, f"The request did not arrive within {limits.deadline_s:g} s.")
        elif waited > limits.keepalive_s:
            self._transport.close()

    def close_if_idle(self) -> None:
        if self._transport is not None and not self._pending and not self._buffer:
            self._transport.close()

    def _end(self, status: HTTPStatus, text: str) -> None:
        if self._transport is not None:
            self._closing = True
            self._transport.write(self._service.replies.sentence(status, text))
            self._transport.close()


def _may_become_plain(octets: bytes) -> bool:
    """Whether a head that is not complete yet may still be one for the lane."""
    starts_right = b"POST ".startswith(octets[:5])
    return starts_right and len(octets) <= MAX_HEAD and octets.count(b"\n") == octets.count(b"\r\n")


def _log_request(answer: bytes | Refusal) -> None:
    if isinstance(answer, Refusal):
        log.info("request", status=int(answer.status), fail_info=answer.fail_info.name)
    else:
        log.info("request", status=200)
