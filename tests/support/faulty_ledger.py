"""A desk that stamps in this process: a real key, a ledger in a folder of its own, and a clock that the test sets."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from signer.pool import SigningPool
from tests.support import query as queries
from tests.support.clock import clock
from tests.support.query import Query
from tests.support.units import NODE, Asked, config, unit
from tsa.ledger import audit as auditing
from tsa.ledger.audit import SegmentVerdict
from tsa.ledger.heads import read_heads
from tsa.ledger.serial import SerialNumbers
from tsa.ledger.writer import SegmentWriter
from tsa.licensing.applications import Application, ensure_anonymous
from tsa.licensing.contract import Licence
from tsa.licensing.counters import Counters
from tsa.licensing.quota import Quota
from tsa.licensing.store import SqliteApplications
from tsa.process.bookkeeping import keep
from tsa.protocol.errors import Refusal
from tsa.stamping.books import Books
from tsa.stamping.issue import Authority
from tsa.stamping.tsu import TimeStampingUnit
from tsa.state import layout
from tsa.state.control import Control
from tsa.state.meter import shared_meters

START = int(datetime(2026, 11, 22, 20, tzinfo=UTC).timestamp() * 1e6)
"""Where its clock stands at first, µs since the epoch."""
HUGE = 1 << 40
CAPACITY = 1_000_000


def application(number: int = 1, name: str = "anonymous") -> Application:
    """An application with licences enough."""
    return Application(number, name, None, None, (), None, disabled=False, licences=(Licence(1, CAPACITY, 0, None),))


def query_for(number: int, *, cert_req: bool = True) -> Query:
    """A request for the digest of a number."""
    imprint = queries.imprint("sha256", queries.digest("sha256", b"%d" % number))
    return Query(imprint=imprint, cert_req=b"\xff" if cert_req else None)


class Desk:
    """An authority of worker `worker`; `time_us` is what its clock says, and moves on by 1 ms with each batch."""

    def __init__(self, state: Path, worker: int = 0, *, roll_octets: int = HUGE, counters: Quota | None = None) -> None:
        self.state = state
        self.folder = layout.ledger(state)
        self.time_us = START
        self.anyone = application()
        self.counters: Quota = counters or Counters(3600)
        self.ledger = SegmentWriter(self.folder, worker, roll_octets, shared_meters(1)[0])
        self._books = Books(
            clock(lambda: self.time_us * 1_000), SerialNumbers(NODE, worker), self.ledger, self.counters
        )
        self.use(unit())

    def use(self, tsu: TimeStampingUnit, **tables: object) -> None:
        """Stamp by another unit, or as `tables` of tsa.toml say, from now on."""
        tsu = replace(tsu, usable_from_us=0, usable_until_us=HUGE << 20)
        self.authority = Authority(config(**tables), tsu, SigningPool(tsu.key, 1), self._books)

    def open(self) -> Desk:
        """Open the ledger as of now."""
        self.ledger.open(self.time_us)
        return self

    def asked(self, number: int, by: Application | None = None) -> Asked:
        """The request for a number, admitted; every third does without certificates."""
        by = by or self.anyone
        return Asked(by, *self.authority.admit(query_for(number, cert_req=number % 3 > 0).encode(), by))

    async def issue(self, numbers: Sequence[int], by: Application | None = None) -> Sequence[bytes | Refusal]:
        """The answers to a batch of requests for these numbers."""
        batch = [self.asked(number, by) for number in numbers]
        self.time_us += 1_000
        return await self.authority.issue(batch)

    async def stamp(self, numbers: Sequence[int], by: Application | None = None) -> list[bytes]:
        """The TimeStampResps of a batch that is granted."""
        answers = await self.issue(numbers, by)
        refused = [str(answer) for answer in answers if isinstance(answer, Refusal)]
        assert not refused, refused
        return [answer for answer in answers if isinstance(answer, bytes)]

    def used(self) -> int:
        """What anyone's licences were debited with in the present window."""
        return self.counters.used(self.anyone.id, self.counters.window(self.time_us))[0]

    def retry(self) -> None:
        """What the worker does four times a second while the ledger is at fault."""
        self.ledger.retry(self.time_us)


def control(state: Path) -> Control:
    """The control.db of a state folder, with the anonymous application."""
    opened = Control(state)
    ensure_anonymous(SqliteApplications(opened))
    return opened


def rows(state: Path, query: str) -> list[tuple[Any, ...]]:
    """What a query finds in control.db."""
    with closing(sqlite3.connect(layout.control(state))) as connection:
        return connection.execute(query).fetchall()


def keep_heads(state: Path, microseconds: int = START) -> None:
    """What bookkeeping does each minute."""
    keep(config(dir=state), Counters(3600), microseconds)


def audit(state: Path) -> list[SegmentVerdict]:
    """The verdicts on a ledger, by the heads in its control.db."""
    with closing(Control(state)) as opened:
        return list(auditing.audit(layout.ledger(state), read_heads(opened), lambda rows: None))


def assert_whole(state: Path, rows: int) -> None:
    """Nothing is wrong with the ledger, and it has so many rows."""
    verdicts = audit(state)
    assert [(verdict.segment, verdict.fault) for verdict in verdicts if verdict.fault] == []
    assert sum(verdict.rows for verdict in verdicts) == rows
