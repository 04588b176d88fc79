"""Authorities in this process: a key and certificate of each type made once, the rest as each test wants it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from certs.devca import create_development_chain
from certs.fitness import usable_until
from signer.pool import SigningPool
from signer.software import SoftwareKey, generate
from tsa.authority.clock import SystemClock
from tsa.authority.issue import Authority
from tsa.authority.serial import SerialNumbers
from tsa.authority.tsu import TimeStampingUnit
from tsa.config import Config
from tsa.protocol.errors import Refusal
from tsa.protocol.tsp import TimeStampReq

NODE = bytes.fromhex("0a0b0c0d")


def unit(key_type: str = "p256") -> TimeStampingUnit:
    """A time-stamping unit with a development certificate, the same one for every test."""
    return _unit(key_type)


@cache
def _unit(key_type: str) -> TimeStampingUnit:
    key = SoftwareKey(generate(key_type))
    chain = create_development_chain(key.private_key, datetime.now(UTC))
    start, end = chain.certificate.not_valid_before_utc, usable_until(chain)
    return TimeStampingUnit(key, chain, int(start.timestamp() * 1e6), int(end.timestamp() * 1e6))


def config(**tables: object) -> Config:
    """The defaults, with these tables."""
    return Config.model_validate({"dir": Path("/nowhere"), **tables})


class FakePool:
    """A SigningPool whose batches a test lets through, or fails, one by one; `cost_us` limits queue and batch."""

    def __init__(self, cost_us: float = 10.0, workers: int = 1) -> None:
        self.cost_us = cost_us
        self.workers = workers
        self.batches: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()
        self.taken: list[int] = []  # the sizes of the batches that came

    async def sign(self, batch: Sequence[bytes]) -> list[bytes]:
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.taken.append(len(batch))
        self.batches.put_nowait(gate)
        await gate
        return [b"no signature"] * len(batch)


def authority(
    key_type: str = "p256",
    *,
    pool: object = None,
    now_ns: Callable[[], int] = time.time_ns,
    accuracy_us: int = 1_000_000,
    tsu: TimeStampingUnit | None = None,
    **tables: object,
) -> Authority:
    """An authority that has not been proved; `tables` are those of tsa.toml."""
    tables.setdefault("clock", {"accuracy_floor_ms": 1})
    tsu = tsu or unit(key_type)
    pool = pool or SigningPool(tsu.key, 1)
    return Authority(config(**tables), tsu, pool, SystemClock(accuracy_us, now_ns), SerialNumbers(NODE, 3))


@dataclass(slots=True)
class Asked:
    """A request that was admitted."""

    request: TimeStampReq
    policy: bytes


async def answer(authority: Authority, octets: bytes) -> bytes | Refusal:
    """What the authority answers to a request, alone in its batch."""
    [answered] = await authority.issue([Asked(*authority.admit(octets))])
    return answered


def grant(authority: Authority, octets: bytes) -> bytes:
    """The TimeStampResp that the authority grants to a request."""
    answered = asyncio.run(answer(authority, octets))
    assert isinstance(answered, bytes), answered
    return answered
