"""aiohttp's side of a connection, with the lane's deadlines (DESIGN 5.14); it takes over what the lane hands on."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from tsa.server.answers import SERVER
from tsa.server.connections import Connections


class Handed(web.RequestHandler):
    """aiohttp's connection handler, which knows how long it has been waiting for its client."""

    def __init__(self, server: web.Server, connections: Connections) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=connections.limits.keepalive_s,
            lingering_time=0,
            access_log=None,
        )
        self._connections = connections
        self._busy = False  # a request is being answered
        self._since: float | None = None  # when the first octets of one came that is not complete
        self._stalled_since: float | None = None  # when the client stopped reading its answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connections.enter(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._since is None:
            self._since = self._connections.now
        super().data_received(data)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client has sent all it will; it still gets what it asked for."""
        self.close()
        return self._busy or self._since is not None

    def begin(self) -> None:
        """The head of a request is complete; its body has until body_deadline()."""
        self._busy = True

    def body_deadline(self) -> float:
        """When the body of the present request must have arrived, by the event loop's clock."""
        return (self._since or self._connections.now) + self._connections.limits.deadline_s

    async def finish_response(self, request: Any, resp: Any, start_time: float | None) -> Any:
        """Write the response; while this process drains, the connection ends with it."""
        if self._connections.draining and isinstance(resp, web.StreamResponse):
            resp.force_close()
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._busy, self._since = False, None

    def handle_error(self, *args: Any, **kwargs: Any) -> web.StreamResponse:
        """What aiohttp answers to malformed HTTP (400), without its own name and version."""
        response = super().handle_error(*args, **kwargs)
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
        if self.transport is None:
            return
        if self._stalled_since is not None and self._stalled_since < deadline:
            self.transport.abort()
        elif not self._busy and self._since is not None and self._since < deadline:
            self.force_close()

    def close_if_idle(self) -> None:
        if not self._busy and self._since is None:
            self.force_close()
