"""A connection on aiohttp's side, with the lane's deadlines (decision 14); it takes over what the lane hands on."""

from __future__ import annotations

import asyncio
import math
from http import HTTPStatus
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import _ErrInfo

from tsa.server.answers import SERVER
from tsa.server.connections import Connections, outlives_eof
from tsa.server.heads import MAX_HEAD

LINGER_S = 2.0  # for the rest of a body whose request is answered already
MAX_SPLITS = 64

MALFORMED = "This is not HTTP as RFC 9112 has it."

_HEAD_END = b"\r\n\r\n"


class WebConnection(web.RequestHandler):
    """aiohttp's connection handler, which also knows how long it has been waiting for its client."""

    def __init__(self, server: web.Server, connections: Connections) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=connections.limits.keepalive_s,
            lingering_time=LINGER_S,
            auto_decompress=False,  # or what the lane refuses would be granted here
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
            access_log=None,  # type: ignore[arg-type]  # None is how it is switched off
        )
        self._connections = connections
        self._link: asyncio.Transport
        self._answered = 0
        self._body_left = 0.0  # octets to come of the last request's body; negative: octets of a next head have come
        self._ended = False  # the client has sent all it will
        self._since: float | None = None  # when the first octets came of a request that is not answered
        self._stalled_since: float | None = None  # when the client stopped reading its answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._link = cast(asyncio.Transport, transport)
        self._connections.enter(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if data and self._since is None:
            self._since = self._connections.now
        # aiohttp forgets the good requests that stand before a malformed one in what it is given at once.
        *heads, rest = data.split(_HEAD_END, MAX_SPLITS)
        for head in heads:
            self._feed(head + _HEAD_END)
        if rest or not heads:
            self._feed(rest)
        if self._messages and isinstance(self._messages[-1][0], _ErrInfo):
            self._fail_bodies()

    def _feed(self, octets: bytes) -> None:
        """Give aiohttp octets with at most one head's end in them, and keep count of the body behind it."""
        before = self._request_count
        super().data_received(octets)
        if self._request_count == before:
            self._body_left -= len(octets)
            return
        message = self._messages[-1][0]
        if isinstance(message, _ErrInfo) or message.chunked:
            self._body_left = math.inf  # where it ends is not known here
        else:
            self._body_left = int(message.headers.get("Content-Length", "0"))

    def _fail_bodies(self) -> None:
        """Tell the handlers that wait for more of a body that no more will come; aiohttp leaves them waiting."""
        bodies = [body for _, body in self._messages]
        if self._current_request is not None:
            bodies.append(self._current_request.content)
        for body in bodies:
            if not body.is_eof():
                body.set_exception(web.RequestPayloadError(MALFORMED))
                body.feed_eof()

    @property
    def _owed(self) -> int:
        """How many requests have come, their heads at least, and are not answered."""
        return self._request_count - self._answered

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client has sent all it will; it still gets what it asked for."""
        self._ended = True
        self._fail_bodies()
        return self._owed > 0 and outlives_eof(self._link)

    def body_deadline(self) -> float:
        """When the body of the present request must have arrived, by the event loop's clock."""
        return (self._since or self._connections.now) + self._connections.limits.deadline_s

    async def finish_response(self, request: Any, resp: Any, start_time: float | None) -> Any:
        """Write the response; the last one, when the client or this process is about to end, ends the connection."""
        if (self._ended or self._connections.draining) and self._owed == 1 and isinstance(resp, web.StreamResponse):
            resp.force_close()
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._answered += 1
            self._since = self._connections.now if self._owed or self._body_left < 0 else None

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to malformed HTTP, or to a client that is gone, which is not logged; and to a fault of ours."""
        if status < HTTPStatus.INTERNAL_SERVER_ERROR or self.transport is None:
            response: web.StreamResponse = web.Response(status=status, text=f"{MALFORMED}\n")
            response.force_close()
        else:
            response = super().handle_error(request, status, exc, message)
        response.headers["Server"] = SERVER
        return response

    def pause_writing(self) -> None:
        self._stalled_since = self._connections.now
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stalled_since = None
        super().resume_writing()

    def check(self, now: float) -> None:
        deadline = now - self._connections.limits.deadline_s
        if self._stalled_since is None and self._link.is_closing():
            self._stalled_since = now  # what was written waits for the client to read it
        if self._stalled_since is not None and self._stalled_since < deadline:
            self._link.abort()
        elif not self._owed and self._since is not None and self._since < deadline:
            self.force_close()

    def close_if_idle(self) -> None:
        if not self._owed and self._since is None:
            self.force_close()
