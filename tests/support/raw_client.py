"""Asking as an application, on either side of the port."""

from typing import Unpack

import pytest

from tests.support import applications
from tests.support.applications import Parts, bearer
from tests.support.http import Answer, Connection, post_bytes
from tests.support.processes import wait_until
from tests.support.query import Query
from tests.support.server import Server

BOTH_SIDES = pytest.mark.parametrize("via", ["lane", "aiohttp"])


def ask(connection: Connection, *headers: str, path: str = "/") -> Answer:
    """The answer to a good request with these headers."""
    return connection.ask(post_bytes(Query().encode(), path, headers=headers))


def known(server: Server, key: str) -> bool:
    """Whether the worker that answers knows the key."""
    with server.connect() as connection:
        status = usage_status(connection, key)
    assert status in (200, 403)
    return status == 200


def wait_known(connection: Connection, key: str) -> None:
    """Wait until the worker at the other end of the connection knows the key."""
    wait_until(lambda: usage_status(connection, key) == 200, "the application is known")


def usage_status(connection: Connection, key: str) -> int:
    """The status of GET /api/v1/usage, which costs no stamp."""
    return connection.get("/api/v1/usage", bearer(key)).status


def ledger_rows(server: Server) -> list[int]:
    """How many rows the ledger of each worker has, by the metrics."""
    with server.connect() as connection:
        lines = connection.get("/metrics").body.decode().splitlines()
    return [int(float(line.split()[-1])) for line in lines if line.startswith("tsa_ledger_seq{")]


def register(server: Server, name: str, licences: int = 2, **parts: Unpack[Parts]) -> str:
    """Register an application with a running server of one worker; its APP_KEY, once it is known.

    It may be one that cannot call from here; so another, registered after it, is waited for.
    """
    key = applications.add(server.directory, name, licences, **parts)
    marker = applications.add(server.directory, f"after {name}", 0)
    wait_until(lambda: known(server, marker), "control.db is read again")
    return key


def by_way_of(via: str, connection: Connection) -> Connection:
    """The connection, handed to aiohttp where `via` says so."""
    if via == "aiohttp":
        assert connection.get("/healthz").status == 200
    return connection
