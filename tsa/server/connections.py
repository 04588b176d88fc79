"""The open connections of a process: how many, how long they may take, and how they end (decisions 13 and 14)."""

from __future__ import annotations

import asyncio
from typing import Protocol

from tsa.state.config import ServerTable
from tsa.state.meter import Meter

TICK_S = 0.25


class Connection(Protocol):
    """A connection on either side of the port."""

    def check(self, now: float) -> None:
        """Close if a deadline has passed; `now` is of the event loop's clock, seconds."""

    def close_if_idle(self) -> None:
        """Close unless a request is under way."""


def outlives_eof(transport: asyncio.BaseTransport | None) -> bool:
    """Whether answers may still be sent to a client that has sent its last: not over TLS, where uvloop then ends it."""
    return transport is not None and transport.get_extra_info("ssl_object") is None


class Connections:
    """All connections, their common settings, and a clock that is read four times a second for all."""

    def __init__(self, limits: ServerTable, meter: Meter) -> None:
        self.limits = limits
        self.draining = False  # whether a connection is to end with its next answer
        self._meter = meter
        self._meter.connections = 0
        self.now = 0.0
        self._open: set[Connection] = set()

    @property
    def full(self) -> bool:
        """Whether another connection would be too many."""
        return len(self._open) >= self.limits.max_connections

    def enter(self, connection: Connection) -> None:
        self._open.add(connection)
        self._meter.connections = len(self._open)

    def leave(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._meter.connections = len(self._open)

    def tick(self) -> None:
        """Let every connection look at its deadline; to be called each TICK_S in the event loop."""
        self.now = asyncio.get_running_loop().time()
        for connection in tuple(self._open):
            connection.check(self.now)

    async def drain(self, until: float) -> None:
        """Wait until all have gone: busy ones after their next answer, idle ones at `until` (loop time)."""
        while self._open:
            await asyncio.sleep(0.01)
            if asyncio.get_running_loop().time() >= until:
                for connection in tuple(self._open):
                    connection.close_if_idle()
