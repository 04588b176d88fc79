"""POST /verify from inside: turns, places and rests, so that stamping goes on beside it; and the root it trusts."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.server.test_verification import DATA, json_bytes, judged, refused, text
from tests.support.http import Answer, Connection, GoneError, post_bytes
from tests.support.inside import serving
from tests.support.query import Query
from tests.support.stamping import query_for
from tests.support.units import authority as authority_inside
from tests.support.units import grant
from tsa.server import verification
from tsa.server.verification import PLACES


class Gate:
    """Verifications that wait until they are let through, and how many were begun."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun = 0

    def __call__(self, *_: object) -> dict[str, Any]:
        self.begun += 1
        assert self.open.wait(20)
        return {"verdict": "proved"}


async def eventually(state: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not state():
            await asyncio.sleep(0.01)


async def test_one_at_a_time_few_in_line_and_stamping_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """While every place is taken: 503 with Retry-After for one more, and stamps are granted as before."""
    gate = Gate()
    monkeypatch.setattr(verification, "verify_to_report", gate)
    request = json_bytes({"token": "MAA=", "digest": "00"})
    async with serving(authority_inside()) as (service, address):
        service.intake.staff(1)
        service.connections.tick()  # deadlines are counted from the last
        waiting = [asyncio.create_task(asyncio.to_thread(_ask, address, request)) for _ in range(4)]
        idle = [Connection(address) for _ in range(PLACES - 4)]
        for connection in idle:
            connection.send(request[:-1])  # a place is taken while the body comes
        await eventually(lambda: gate.begun == 1)
        answer = await asyncio.to_thread(_until_refused, address, request)
        assert "later" in refused(answer, 503)
        assert 1 <= int(answer.header("retry-after") or 0) <= 5
        stamped = await asyncio.to_thread(_ask, address, post_bytes(Query().encode()))
        assert stamped.status == 200
        assert gate.begun == 1, "one at a time"
        gate.open.set()
        assert [(await task).status for task in waiting] == [200] * 4
        for connection in idle:
            connection.send(request[-1:])
            assert (await asyncio.to_thread(connection.answer)).status == 200
            connection.socket.close()
        assert (await asyncio.to_thread(_ask, address, request)).status == 200, "every place is free again"


def _ask(address: tuple[str, int], request: bytes) -> Answer:
    with Connection(address) as connection:
        return connection.ask(request)


def _until_refused(address: tuple[str, int], request: bytes) -> Answer:
    """The first answer to a request without its last octet: whoever gets a place gets none."""
    held = []
    try:
        while True:
            held.append(Connection(address, timeout=0.5))
            held[-1].send(request[:-1])
            try:
                return held[-1].answer()
            except (TimeoutError, GoneError):
                assert len(held) <= PLACES
    finally:
        for connection in held:
            connection.socket.close()


async def test_a_rest_after_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verifications take a tenth of a worker's time at most, whatever they cost."""
    spent = 0.03

    def costly(*_: object) -> dict[str, str]:
        time.sleep(spent)
        return {"verdict": "proved"}

    monkeypatch.setattr(verification, "verify_to_report", costly)
    request = json_bytes({"token": "MAA=", "digest": "00"})
    async with serving(authority_inside()) as (_, address):
        started = time.monotonic()
        answers = await asyncio.gather(*(asyncio.to_thread(_ask, address, request) for _ in range(3)))
        elapsed = time.monotonic() - started
    assert [answer.status for answer in answers] == [200] * 3
    assert elapsed >= 3 * spent + 2 * verification.REST * spent


async def test_our_own_root_is_that_of_the_present_authority() -> None:
    """After a reload with another key the new root is trusted, and the token of the old is not proved by it."""
    query = query_for(DATA)
    first, second = authority_inside(), authority_inside("p384")
    async with serving(first) as (service, address):

        async def verdict(authority: Any) -> str:
            response = await asyncio.to_thread(grant, authority, query.encode())
            fields = {"token": text(response), "data": text(DATA)}
            return str(judged(await asyncio.to_thread(_ask, address, json_bytes(fields)))["verdict"])

        assert [await verdict(first), await verdict(first), await verdict(second)] == ["proved", "proved", "not proved"]
        service.intake.use(second)
        assert [await verdict(second), await verdict(first)] == ["proved", "not proved"]


async def test_nobody_waits_for_a_slow_body_for_ever() -> None:
    async with serving(authority_inside()) as (service, address):
        service.connections.limits = service.connections.limits.model_copy(update={"deadline_s": 0.2})
        service.connections.tick()
        answer = await asyncio.to_thread(_ask, address, json_bytes({})[:-1])
        assert "in time" in refused(answer, 408)
