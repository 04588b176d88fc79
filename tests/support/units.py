"""Authorities in this process: a key and certificate of each type made once, the rest as each test wants it.

They have real counters of licences, and a list in place of a ledger: what the ledger does is for test_ledger.py and
tests/faults to say.
"""

import asyncio
import os
import time
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from certs.devca import create_development_chain
from certs.fitness import usable_until
from signer.pool import SigningPool
from signer.software import SoftwareKey, generate
from tests.support.clock import clock
from tsa.ledger.row import Entry
from tsa.ledger.segment import SignerRecord
from tsa.ledger.serial import SerialNumbers
from tsa.licensing.applications import Application
from tsa.licensing.contract import Licence
from tsa.licensing.counters import Counters
from tsa.protocol.errors import Refusal
from tsa.protocol.tsp import TimeStampReq
from tsa.stamping.books import Books, LedgerPlace
from tsa.stamping.issue import Authority
from tsa.stamping.tsu import TimeStampingUnit
from tsa.state.config import Config

NODE = bytes.fromhex("0a0b0c0d")


def unit(key_type: str = "p256") -> TimeStampingUnit:
    """A time-stamping unit with a development certificate, the same one for every test."""
    return _unit(key_type)


@cache
def _unit(key_type: str) -> TimeStampingUnit:
    key = SoftwareKey(generate(key_type))
    chain = create_development_chain(key.public_key, datetime.now(UTC))
    start, end = chain.certificate.not_valid_before_utc, usable_until(chain)
    return TimeStampingUnit(key, chain, int(start.timestamp() * 1e6), int(end.timestamp() * 1e6))


def config(**tables: object) -> Config:
    """The defaults, with these tables."""
    return Config.model_validate({"dir": Path("/nowhere"), **tables})


class FakePool(SigningPool):
    """A pool without a key. A test lets its batches through, or fails them, one by one; `cost_us` limits their size."""

    def __init__(self, cost_us: float = 10.0) -> None:
        self.cost_us, self.in_loop, self.workers = cost_us, False, 1
        self.batches: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()
        self.taken: list[int] = []  # the sizes of the batches that came

    async def sign(self, batch: Sequence[bytes]) -> list[bytes]:
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.taken.append(len(batch))
        self.batches.put_nowait(gate)
        await gate
        return [b"no signature"] * len(batch)


class ListLedger:
    """A LedgerWriter that keeps its rows in a list, at once; with `breaks`, it raises that instead."""

    fault: str | None = None

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.breaks: Exception | None = None
        self.left = 0  # places that were given and are free again

    @asynccontextmanager
    async def place(self) -> AsyncIterator[LedgerPlace]:
        self.left -= 1
        try:
            yield self
        finally:
            self.left += 1

    async def commit(self, entries: Sequence[Entry], _signer: SignerRecord, /) -> None:
        await asyncio.sleep(0)
        if self.breaks is not None:
            raise self.breaks
        self.entries += entries


def application(number: int = 1, *, stamps: int = 1 << 31, policy: str = "", name: str = "anonymous") -> Application:
    """An application with one licence of so many stamps a window."""
    licences = (Licence(1, stamps, 0, None),)
    return Application(number, name, None, policy or None, (), None, disabled=False, licences=licences)


ANYONE = application()


def counters() -> Counters:
    """The counters of a process, which lets go of its lock's file with the test."""
    made = Counters(3600)
    weakref.finalize(made, os.close, made._lock)
    return made


def books(
    now_ns: Callable[[], int] = time.time_ns, accuracy_us: int = 1_000_000, ledger: ListLedger | None = None
) -> Books:
    """Books as a process has them when it starts."""
    return Books(clock(now_ns, accuracy_us), SerialNumbers(NODE, 3), ledger or ListLedger(), counters())


def authority(
    key_type: str = "p256",
    *,
    pool: SigningPool | None = None,
    now_ns: Callable[[], int] = time.time_ns,
    accuracy_us: int = 1_000_000,
    tsu: TimeStampingUnit | None = None,
    ledger: ListLedger | None = None,
    **tables: object,
) -> Authority:
    """An authority that has not been proved; `tables` are those of tsa.toml."""
    tables.setdefault("clock", {"accuracy_floor_ms": 1})
    tsu = tsu or unit(key_type)
    pool = pool or SigningPool(tsu.key, 1)
    return Authority(config(**tables), tsu, pool, books(now_ns, accuracy_us, ledger))


@dataclass(slots=True)
class Asked:
    """A request that was admitted."""

    application: Application
    request: TimeStampReq
    policy: bytes


def asked(authority: Authority, octets: bytes, by: Application = ANYONE) -> Asked:
    """The request of an application, admitted. Raises Refusal."""
    return Asked(by, *authority.admit(octets, by))


async def answer(authority: Authority, octets: bytes, by: Application = ANYONE) -> bytes | Refusal:
    """What the authority answers to a request, alone in its batch."""
    [answered] = await authority.issue([asked(authority, octets, by)])
    return answered


def grant(authority: Authority, octets: bytes) -> bytes:
    """The TimeStampResp that the authority grants to a request."""
    answered = asyncio.run(answer(authority, octets))
    assert isinstance(answered, bytes), answered
    return answered
