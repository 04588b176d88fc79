"""A worker's service in this process, on a port of its own: for what must be arranged inside, such as the time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from tests.support.http import Answer, Connection
from tests.support.units import ANYONE
from tsa.licensing.applications import Applications
from tsa.server.app import build_app
from tsa.server.callers import Callers
from tsa.server.connections import Connections
from tsa.server.lane import Lane
from tsa.server.service import Service
from tsa.server.web_connection import WebConnection
from tsa.stamping.intake import Intake
from tsa.stamping.issue import Authority
from tsa.state.config import ServerTable
from tsa.state.meter import shared_meters


def everybody() -> Callers:
    """Callers to whom everybody is the anonymous application."""
    callers = Callers.__new__(Callers)
    callers.applications = Applications([ANYONE], anonymous=True)
    callers._proxies = []
    return callers


@asynccontextmanager
async def serving(authority: Authority) -> AsyncIterator[tuple[Service, tuple[str, int]]]:
    """Serve *authority* to anyone; its signing workers start with `intake.staff(1)`."""
    (meter,) = shared_meters(1)
    connections = Connections(ServerTable(), meter)
    service = Service(Intake(authority, meter), everybody(), authority.books, connections)
    runner = web.AppRunner(build_app(service, [meter]))
    await runner.setup()
    assert runner.server is not None
    web_server = runner.server
    service.successor = lambda: WebConnection(web_server, service.connections)
    listening = await asyncio.get_running_loop().create_server(lambda: Lane(service), "127.0.0.1", 0)
    try:
        yield service, listening.sockets[0].getsockname()
    finally:
        listening.close()
        await runner.cleanup()


async def get(address: tuple[str, int], path: str) -> Answer:
    """GET *path* on a connection of its own."""

    def ask() -> Answer:
        with Connection(address) as connection:
            return connection.get(path)

    return await asyncio.to_thread(ask)
