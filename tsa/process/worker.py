"""One worker process: it inherits the listening socket, serves, reloads at SIGHUP, and drains at SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
import uvloop
from aiohttp import web

from tsa.clock.clock import Clock
from tsa.clock.gate import SharedGate
from tsa.ledger.serial import SerialNumbers
from tsa.ledger.writer import SegmentWriter
from tsa.licensing.capacity import measure
from tsa.licensing.counters import Counters
from tsa.process.ledger_watch import LedgerWatch
from tsa.server.acceptor import Acceptor
from tsa.server.app import build_app
from tsa.server.callers import Callers
from tsa.server.connections import TICK_S, Connections
from tsa.server.lane import Lane
from tsa.server.listening import refuse_new
from tsa.server.service import Service
from tsa.server.tls import TlsFault, renew, server_context
from tsa.server.web_connection import WebConnection
from tsa.stamping.books import Books
from tsa.stamping.intake import Intake
from tsa.stamping.opening import open_authority
from tsa.stamping.tsu import UnusableTsu
from tsa.state import layout
from tsa.state.config import Config, ConfigFault
from tsa.state.control import ControlFault
from tsa.state.meter import Meter

# A worker whose supervisor died ends the requests under way, and then itself.
ORPHAN_DRAIN_S = 0.1
ORPHAN_END_S = 5.0  # a request that has not arrived whole by then is not waited for

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a worker inherits: the socket, a pipe that reads end-of-file when the supervisor is gone, shared memory."""

    number: int
    listening: socket.socket
    lifeline: int
    meters: list[Meter]
    counters: Counters
    gate: SharedGate


def run(config: Config, read_config: Callable[[], Config], inherited: Inherited) -> None:
    """Serve `config`, and at SIGHUP what `read_config` says, until SIGTERM and every accepted request is answered.

    Raises UnusableTsu or TlsFault when it cannot begin.
    """
    uvloop.run(_Worker(config, read_config, inherited).serve())


class _Worker:
    def __init__(self, config: Config, read_config: Callable[[], Config], inherited: Inherited) -> None:
        self._config = config
        self._read_config = read_config
        self._inherited = inherited
        self._meter = inherited.meters[inherited.number]
        self._meter.started = int(time.time())
        self._ledger = SegmentWriter(
            layout.ledger(config.dir), inherited.number, config.ledger.roll_mib << 20, self._meter
        )
        serials = SerialNumbers(bytes.fromhex(config.tsu.node), inherited.number)
        self._books = Books(Clock(inherited.gate), serials, self._ledger, inherited.counters)
        self._watch = LedgerWatch(self._ledger, self._books, inherited.number)
        self._patience_s: asyncio.Future[float]
        self._turn = asyncio.Lock()
        self._said: object = None  # the licences and the key of the last line on capacity

    async def serve(self) -> None:
        """From the first token to the last answer. Raises UnusableTsu, ControlFault or TlsFault before the first."""
        loop = asyncio.get_running_loop()
        self._patience_s = loop.create_future()
        acceptor = await self._assemble()
        acceptor.start(self._tls, self._config.server.deadline_s)
        self._listen_to_signals(loop)
        ticking = asyncio.create_task(self._tick())
        log.info("worker serves", worker=self._inherited.number)
        await self._drain(acceptor, await self._patience_s)
        ticking.cancel()
        self._service.intake.authority.pool.close()
        await self._ledger.close()
        log.info("worker ends", worker=self._inherited.number)

    async def _assemble(self) -> Acceptor:
        """Make all that serving needs; the acceptor that will let connections in."""
        config = self._config
        authority = await open_authority(config, self._books)
        self._watch.begin()
        connections = Connections(config.server, self._meter)
        self._service = Service(Intake(authority, self._meter), Callers(config), self._books, connections)
        self._service.log_requests = config.log.requests
        self._staff()
        runner = web.AppRunner(build_app(self._service, self._inherited.meters))
        await runner.setup()
        web_server = runner.server
        assert web_server is not None  # noqa: S101 - setup() has made it
        self._service.successor = lambda: WebConnection(web_server, self._service.connections)
        self._tls = server_context(config)
        return Acceptor(self._inherited.listening, self._meter, self._inherited.meters, lambda: Lane(self._service))

    async def _drain(self, acceptor: Acceptor, patience_s: float) -> None:
        """Answer whoever is connected, let nobody new in, and wait until all have gone."""
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        self._service.connections.draining = True
        await acceptor.finish(max(until, loop.time() + 1.0))
        await self._service.connections.drain(until)

    def _listen_to_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.add_signal_handler(signal.SIGTERM, lambda: self._stop(self._config.server.drain_s))
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the supervisor too, which sends SIGTERM
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGCHLD})
        loop.add_reader(self._inherited.lifeline, self._orphaned)

    def _orphaned(self) -> None:
        asyncio.get_running_loop().remove_reader(self._inherited.lifeline)
        refuse_new(self._inherited.listening)
        asyncio.get_running_loop().call_later(ORPHAN_END_S, os._exit, 1)
        self._stop(ORPHAN_DRAIN_S)

    def _stop(self, patience_s: float) -> None:
        if not self._patience_s.done():
            self._patience_s.set_result(patience_s)

    async def _tick(self) -> None:
        """Four times a second: deadlines, the Date header, the gauges, changed applications, a ledger at fault."""
        service = self._service
        while True:
            service.connections.tick()
            service.replies.tick()
            self._meter.queue = service.intake.waiting
            try:
                if service.callers.refresh():
                    self._staff()
                self._watch.tick()
            except Exception:  # the next tick tries again; without ticks there would be no deadlines
                log.exception("tick failed", worker=self._inherited.number)
            self._meter.ledger_fault = self._ledger.fault is not None
            await asyncio.sleep(TICK_S)

    def _staff(self) -> None:
        """Have as many signing workers as the licences ask for, and log whether the sold capacity can be signed."""
        pool, processes = self._service.intake.authority.pool, len(self._inherited.meters)
        capacity = measure(self._config, self._service.callers.applications.everyone, pool.cost_us)
        mine = -(-capacity.signing_workers // processes)
        # In the loop a signing worker is a turn in the round robin, and one at a time fills the largest batches.
        self._service.intake.staff(1 if pool.in_loop else mine)
        if self._inherited.number == 0 and (capacity.licences, pool) != self._said:
            self._said = (capacity.licences, pool)
            log.info("capacity", fits=capacity.headroom >= 1, line=str(capacity))

    def _reload_soon(self) -> None:
        self._reloading = asyncio.create_task(self._reload_in_turn())

    async def _reload_in_turn(self) -> None:
        async with self._turn:  # or a slow reload would end after a later reload, and undo it
            await self._reload()

    async def _reload(self) -> None:
        """Take tsa.toml, key and certificates anew; whatever is wrong with them, the old ones stay in force."""
        try:
            config = self._read_config()
            server_context(config)
            authority = await open_authority(config, self._books)
            self._service.callers.use(config)
        except (ConfigFault, UnusableTsu, TlsFault, ControlFault) as fault:
            log.error("reload refused, the old settings stay", worker=self._inherited.number, reason=str(fault))
            return
        intake, old = self._service.intake, self._service.intake.authority
        if self._tls:
            renew(self._tls, config)
        self._config = config
        self._service.connections.limits = config.server
        self._service.log_requests = config.log.requests
        intake.use(authority)
        self._staff()
        old.pool.close()
        log.info("worker reloaded", worker=self._inherited.number)
