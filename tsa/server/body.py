"""The body of a request on aiohttp's side: read within its limit and deadline, or answered without being read."""

from __future__ import annotations

import asyncio
from typing import cast

import structlog
from aiohttp import HttpVersion11, hdrs, web

from tsa.server.web_connection import WebConnection

DISCARD_S = 2.0
DISCARD_OCTETS = 16 << 20

log = structlog.get_logger()


async def read_body(request: web.Request, limit: int) -> bytes | None:
    """The whole body; None as soon as it is over the limit, in octets.

    Raises TimeoutError when it has not arrived by its deadline, web.RequestPayloadError when it is cut short.
    """
    body = bytearray()
    async with asyncio.timeout_at(cast(WebConnection, request.protocol).body_deadline()):
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > limit:
                return None
    return bytes(body)


async def send_continue(request: web.Request) -> None:
    """Tell a client that asks for it that it may send its body; HTTP/1.0 knows no such answer (RFC 9110 10.1.1)."""
    if request.version < HttpVersion11 or request.headers[hdrs.EXPECT].lower() != "100-continue":
        return
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # what was sent is no part of the answer


async def refuse_unread(request: web.Request, response: web.Response) -> web.Response:
    """Answer before the body was read, then read on for a while.

    Closing at once would reset the client's connection before the client has seen the answer.
    """
    await response.prepare(request)
    await response.write_eof()
    if request.transport is not None and request.transport.can_write_eof():
        request.transport.write_eof()
    discarded = 0
    try:
        async with asyncio.timeout(DISCARD_S):
            async for piece in request.content.iter_any():
                discarded += len(piece)
                if discarded > DISCARD_OCTETS:
                    break
    except (TimeoutError, ConnectionError, web.RequestPayloadError):
        log.debug("client went on sending", octets=discarded)
    cast(WebConnection, request.protocol).force_close()
    return response
