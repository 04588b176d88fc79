"""One application's burst does not starve another: batches are filled in turn, by licences (docs/architecture.md).

In process, batches are counted, not seconds: what the machine is like that day does not matter. Over sockets the
figures are printed, and only that everybody is served is asserted.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.conftest import start, states
from tests.support import applications
from tests.support.applications import bearer
from tests.support.counts import times
from tests.support.http import post_bytes
from tests.support.load import Load, read_status
from tests.support.processes import wait_until
from tests.support.query import Query
from tests.support.server import Server
from tests.support.units import FakePool, books, config, unit
from tsa.licensing.applications import Application
from tsa.licensing.contract import Licence
from tsa.protocol.errors import QueueFull, Refusal
from tsa.protocol.tsp import TimeStampReq, decode_request
from tsa.stamping.intake import Intake, Job
from tsa.stamping.issue import Admitted, Authority
from tsa.state.meter import shared_meters

__all__ = ["start", "states"]
PATIENCE_S = 30
REQUEST = decode_request(Query().encode())


def application(number: int, licences: int) -> Application:
    """An application with so many licences, called by its number."""
    held = (Licence(licences, 20_000, 0, None),)
    return Application(number, str(number), None, None, (), None, disabled=False, licences=held)


class Desk(Authority):
    """An authority that writes down whose requests each batch has, and answers when it is told to."""

    def __init__(self, **signing: int) -> None:
        super().__init__(config(signing={"max_wait_ms": 60_000, **signing}), unit(), FakePool(cost_us=1.0), books())
        self.batches: list[Counter[int]] = []
        self._gates: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()

    def admit(self, _octets: bytes, _application: Application) -> tuple[TimeStampReq, bytes]:
        return REQUEST, b""

    async def issue(self, batch: Sequence[Admitted]) -> list[bytes | Refusal]:
        self.batches.append(Counter(job.application.id for job in batch))
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gates.put_nowait(gate)
        await gate
        return [b"token"] * len(batch)

    async def let_through(self, count: int = 1) -> None:
        """Have so many batches answered, and wait until the next is taken."""
        for _ in range(count):
            (await asyncio.wait_for(self._gates.get(), PATIENCE_S)).set_result(None)
        limit, wanted = time.monotonic() + PATIENCE_S, len(self.batches)
        while self._gates.empty():
            assert time.monotonic() < limit, f"no batch after {wanted}"
            await asyncio.sleep(0)


class Flood(Job):
    """A connection that asks again as soon as it is answered."""

    __slots__ = ("_client", "_intake")

    def __init__(self, intake: Intake, client: Application) -> None:
        self._intake, self._client = intake, client
        intake.submit(b"", self, client)

    def deliver(self, answer: bytes | Refusal) -> None:
        assert isinstance(answer, bytes)
        self._intake.submit(b"", self, self._client)


class Single(Job):
    """One request, which knows how many batches were taken before its own; with one signing worker."""

    __slots__ = ("_desk", "before")

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.before: int | None = None

    def deliver(self, answer: bytes | Refusal) -> None:
        assert isinstance(answer, bytes)
        self.before = len(self._desk.batches) - 1


@contextmanager
def opened(desk: Desk, workers: int = 1) -> Iterator[Intake]:
    """An intake whose signing workers bring their batches to the desk."""
    before = asyncio.all_tasks()
    intake = Intake(desk, shared_meters(1)[0])
    intake.staff(workers)
    yield intake
    for task in asyncio.all_tasks() - before:
        task.cancel()


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    ("max_batch", "licences"), [(128, (1, 3)), (128, (3, 1)), (4, (1, 3)), (4, (1, 19)), (1, (1, 2)), (100, (2, 3, 5))]
)
async def test_full_batches_are_shared_by_licences(max_batch: int, licences: Sequence[int], workers: int) -> None:
    desk = Desk(max_batch=max_batch)
    with opened(desk, workers) as intake:
        clients = [application(number, count) for number, count in enumerate(licences)]
        for client in clients:
            for _ in range(6 * max_batch):
                Flood(intake, client)
        await desk.let_through(40)
        steady = desk.batches[2:40]
        assert all(batch.total() == max_batch for batch in steady), "every batch is full"
        for number, count in enumerate(licences):
            fair = len(steady) * max_batch * count / sum(licences)
            assert abs(sum(batch[number] for batch in steady) - fair) <= max_batch


async def test_what_one_does_not_use_is_the_others() -> None:
    """A share is no reservation: alone, an application has whole batches, whatever its licences."""
    desk = Desk(max_batch=32)
    with opened(desk) as intake:
        for _ in range(64):
            Flood(intake, application(0, 1))
        guest = Single(desk)
        await desk.let_through(3)
        intake.submit(b"", guest, application(1, 99))
        await desk.let_through(5)
        assert guest.before is not None
        assert [batch.total() for batch in desk.batches] == [32] * len(desk.batches)


async def test_a_flood_of_256_connections_does_not_hold_up_another() -> None:
    """Each request of B, asked at any time, is in one of the two batches that are taken next."""
    desk = Desk()
    flooder, victim = application(0, 1), application(1, 1)
    with opened(desk) as intake:
        for _ in range(256):
            Flood(intake, flooder)
        for _ in range(100):
            await desk.let_through()
            single, taken = Single(desk), len(desk.batches)
            intake.submit(b"", single, victim)
            await desk.let_through(3)
            assert single.before is not None
            assert single.before - taken < 2


@pytest.mark.long
@settings(max_examples=times(100), deadline=None)
@given(
    max_batch=st.integers(1, 128),
    floods=st.lists(st.tuples(st.integers(0, 200), st.integers(1, 256)), min_size=1, max_size=25),
    licences=st.integers(0, 200),
    together=st.booleans(),
    warm_up=st.integers(0, 7),
)
async def test_whoever_floods_with_whatever_licences(
    max_batch: int, floods: list[tuple[int, int]], licences: int, together: bool, warm_up: int
) -> None:
    """A round of all that flood is at most two batches, so a request is in one of the two that are taken next."""
    max_batch = max(max_batch, len(floods) + 1)  # each sends at least one a round
    desk = Desk(max_batch=max_batch, queue=100_000)
    with opened(desk) as intake:
        for number, (held, connections) in enumerate(floods):
            for _ in range(connections):
                Flood(intake, application(number, held))
            if not together:
                await asyncio.sleep(0)
        await desk.let_through(warm_up)
        single, taken = Single(desk), len(desk.batches)
        intake.submit(b"", single, application(100, licences))
        await desk.let_through(3)
        assert single.before is not None
        assert single.before - taken < 2


async def test_a_flood_fills_its_own_part_of_the_queue_alone() -> None:
    """One that offers more than can be signed is refused; another finds room."""
    desk = Desk(max_batch=8, queue=40)
    refused = 0
    with opened(desk) as intake:
        for _ in range(100):
            try:
                Flood(intake, application(0, 1))
            except QueueFull:
                refused += 1
        assert refused == 60
        assert intake.full
        single = Single(desk)
        intake.submit(b"", single, application(1, 1))
        await desk.let_through(3)
        assert single.before is not None
        assert single.before < 2


async def one_by_one(server: Server, key: str, count: int) -> list[float]:
    """What requests take, in ms, of one connection that waits for each answer; all of them must be granted."""
    reader, writer = await asyncio.open_connection(*server.address)
    latencies = []
    for _ in range(count):
        began = time.perf_counter()
        writer.write(post_bytes(Query().encode(), headers=(bearer(key),)))
        assert await read_status(reader) == 200
        latencies.append((time.perf_counter() - began) * 1e3)
    writer.close()
    return sorted(latencies)


def test_over_sockets(start: Callable[..., Server]) -> None:
    """A floods over 256 connections, B asks one by one: B is always served. What it waits is printed, not judged."""
    server, asked = start(workers=1), 300
    flooding, sparse = (applications.add(server.directory, name, 1000) for name in ("A", "B"))
    with server.connect() as connection:
        request = f"GET /api/v1/usage HTTP/1.1\r\nHost: tsa.test\r\n{bearer(sparse)}\r\n\r\n".encode()
        wait_until(lambda: connection.ask(request).status == 200, "B, and A before it, are known")

    async def measure() -> tuple[list[float], list[float], Load]:
        alone = await one_by_one(server, sparse, asked)
        load, ended = Load(server.address, flooding, pipelined=1), asyncio.Event()
        flood = asyncio.create_task(load.run(256, until=ended.is_set))
        while load.statuses[200] < 512:
            await asyncio.sleep(0.001)
        beside = await one_by_one(server, sparse, asked)
        ended.set()
        await flood
        return alone, beside, load

    alone, beside, load = asyncio.run(measure())
    for name, latencies in (("alone", alone), ("beside the flood", beside)):
        print(f"B {name}: median {latencies[asked // 2]:.1f} ms, p99 {latencies[asked * 99 // 100]:.1f} ms")
    assert load.statuses[200] > 512 + asked, "the flood went on meanwhile"
    assert set(load.statuses) <= {200, 503}
