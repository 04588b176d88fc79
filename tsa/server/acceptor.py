"""Connections from the listening socket that all workers share, in equal parts.

The kernel wakes every worker for a connection, and the first that comes gets it; left alone, an idle worker takes whole
bursts and the other cores stay idle. So a worker accepts one connection at a time, and when another has fewer than
itself it steps back for a millisecond, once.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import Callable, Sequence

import structlog

from tsa.state.meter import Meter

STEP_BACK_S = 0.001
OUT_OF_FILES_S = 0.1
HANDSHAKE_S = 0.25  # how long a TCP handshake under way is waited for

log = structlog.get_logger()


class Acceptor:
    """Accepts from `listening` for the worker whose meter is `mine`; `make` makes a connection's protocol."""

    def __init__(
        self, listening: socket.socket, mine: Meter, meters: Sequence[Meter], make: Callable[[], asyncio.Protocol]
    ) -> None:
        self._listening = listening
        self._mine = mine
        self._meters = meters
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[object]] = set()
        self._stepped_back = False
        self._resumption: asyncio.TimerHandle | None = None

    def start(self, tls: ssl.SSLContext | None, handshake_s: float) -> None:
        """Accept from now on; a TLS handshake may take `handshake_s` seconds."""
        self._tls = tls
        self._handshake_s = handshake_s if tls else None
        self._loop.add_reader(self._listening, self._ready)

    async def finish(self, until: float) -> None:
        """Accept the connections that have begun: the kernel lets no new connection begin by now (refuse_new).

        Not beyond `until`, by the event loop's clock.
        """
        queue = select.poll()
        queue.register(self._listening, select.POLLIN)
        end = self._loop.time() + HANDSHAKE_S
        while self._loop.time() < until and (queue.poll(0) or self._beginning or self._loop.time() < end):
            await asyncio.sleep(0.001)
        if self._resumption is not None:
            self._resumption.cancel()
        self._loop.remove_reader(self._listening)
        self._listening.close()

    def _ready(self) -> None:
        if not self._stepped_back and self._mine.connections > min(meter.connections for meter in self._meters):
            self._stepped_back = True
            self._pause(STEP_BACK_S)
            return
        self._stepped_back = False
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            log.error("connection not accepted", reason=error.strerror)
            self._pause(OUT_OF_FILES_S)
            return
        task = self._loop.create_task(self._begin(connection))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _begin(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make, connection, ssl=self._tls, ssl_handshake_timeout=self._handshake_s
            )
        except OSError as error:  # a TLS handshake that failed or took too long, or a client that is gone
            log.debug("connection not begun", reason=str(error))

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._resumption = self._loop.call_later(seconds, self._loop.add_reader, self._listening, self._ready)
