"""A row of docs/conformance.md holds twice: on a fresh connection ("lane"), and on one after a GET ("aiohttp")."""

from collections.abc import Iterator

import pytest

from tests.support.http import Connection
from tests.support.stamping import Authority


@pytest.fixture(params=["lane", "aiohttp"])
def via(request: pytest.FixtureRequest) -> str:
    """Which side of the server answers."""
    return str(request.param)


@pytest.fixture
def connection(authority: Authority, via: str) -> Iterator[Connection]:
    """A connection to the shared server by way of `via`."""
    with authority.connect(via) as opened:
        yield opened
