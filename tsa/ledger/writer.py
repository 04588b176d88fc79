"""The durable record of every token issued: what one worker process writes (decisions 2, 6 and 7).

Rows are inserted in the event loop, at some 5 µs each, where no other thread contends for the interpreter's lock, and
made durable in a thread, whose fsync nobody else need wait for. There is never more than one commit under way: what
comes meanwhile waits, and shares the next one.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import structlog

from signer.files import sync_folder
from tsa.ledger import segment
from tsa.ledger.row import Entry, link
from tsa.ledger.segment import LedgerFault, SignerRecord
from tsa.state import sqlite
from tsa.state.meter import Meter

BUSY_S = 0.05  # no other process writes a worker's file; a longer wait would hold up every connection
SIZE_CHECK_COMMITS = 64

_INSERT = f"INSERT INTO stamp (seq, {segment.COLUMNS}, link) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608

log = structlog.get_logger()


class _Batch(NamedTuple):
    entries: Sequence[Entry]
    signer: SignerRecord
    durable: asyncio.Future[None]

    @property
    def month(self) -> str:
        return segment.month_of(self.entries[0].gen_time)


class Place:
    """The place in the ledger of a batch that is being signed.

    It is settled when its batch has come, or never will; the batches behind it wait for that.
    """

    __slots__ = ("batch", "settled", "writer")

    def __init__(self, writer: SegmentWriter) -> None:
        self.writer = writer
        self.batch: _Batch | None = None
        self.settled = False

    async def __aenter__(self) -> Place:
        return self

    async def __aexit__(self, *_fault: object) -> None:
        self.writer._settle(self)

    async def commit(self, entries: Sequence[Entry], signer: SignerRecord) -> None:
        """Record `entries` here: they are durable when this returns. Raises LedgerFault."""
        self.batch = _Batch(entries, signer, asyncio.get_running_loop().create_future())
        self.writer._settle(self)
        await self.batch.durable


class SegmentWriter:
    """The ledger of one worker, in SQLite files. Belongs to its event loop; its thread does nothing but commit.

    `folder` holds the months; a segment that outgrows `roll_octets` is followed by another. While there is a fault,
    nothing is tried but by retry().
    """

    def __init__(self, folder: Path, worker: int, roll_octets: int, meter: Meter) -> None:
        self._fault: str | None = None
        self.seq, self.last_gen_time = 0, 0  # of the newest row, in µs since the epoch
        self._folder = folder
        self._worker = worker
        self._roll_octets = roll_octets
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._places: deque[Place] = deque()
        self._waiting: list[_Batch] = []
        self._running: list[_Batch] = []
        self._name, self._link = "", b""
        self._signers: set[int] = set()
        self._commits = 0
        self._meter = meter
        self._began = 0.0

    def open(self, microseconds: int) -> None:
        """Open this worker's newest segment of the month of a genTime, or begin one.

        Raises LedgerFault, also when the genTime is before that of a row: rows are in the order of time.
        """
        self._disconnect()
        month = segment.month_of(microseconds)
        try:
            mine = [name for name in segment.list_segments(self._folder) if segment.worker_of(name) == self._worker]
            newest = mine[-1] if mine else ""
            if newest:
                self._connect(newest)
            if microseconds < self.last_gen_time or month < newest[: len(month)]:
                raise LedgerFault(f"The clock is behind the newest row of {self._folder / newest}: set it right.")
            if not newest.startswith(f"{month}/"):
                self._begin(segment.name_of(month, self._worker, 0), newest)
        except (sqlite3.Error, OSError) as error:
            self._disconnect()
            raise LedgerFault(f"The ledger in {self._folder} cannot be opened: {error}.") from error

    @property
    def fault(self) -> str | None:
        """Why nothing can be recorded now; None while it can."""
        return self._fault

    def suspend(self, why: str) -> None:
        """Record nothing until a retry() succeeds; `why` is told to whoever asks for the fault."""
        self._fault = why

    def place(self) -> Place:
        """The next place, for a batch that has its genTime now and is yet to be signed: `async with ledger.place()`."""
        self._places.append(Place(self))
        return self._places[-1]

    def _settle(self, place: Place) -> None:
        """Marks the place settled and releases those behind it. Harmless when done already."""
        place.settled = True
        while self._places and self._places[0].settled:
            if (batch := self._places.popleft().batch) is not None:
                self._waiting.append(batch)
        if self._waiting and not self._running:
            self._write()

    def retry(self, microseconds: int) -> None:
        """After a fault: try whether rows can be recorded again; to be called now and then."""
        try:
            self.open(microseconds)
            connection = self._opened()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE segment SET worker = worker")
            connection.execute("COMMIT")
        except (LedgerFault, sqlite3.Error) as error:
            self._disconnect()
            self._fault = str(error)
            return
        if self._fault is not None:
            log.info("ledger writable again", segment=self._name)
        self._fault = None

    @property
    def idle(self) -> bool:
        """Whether no batch has a place or is being committed."""
        return not (self._places or self._waiting or self._running)

    def move(self, worker: int) -> None:
        """Go on with the files of another worker, from the next retry() on; while idle."""
        self._disconnect()
        self._fault = "The ledger is begun anew."
        self._worker = worker
        self._name, self._link, self._signers = "", b"", set()
        self.seq, self.last_gen_time = 0, 0

    async def close(self) -> None:
        """Wait for what is being committed, then close the file."""
        while self._running:
            await asyncio.sleep(0.001)
        self._thread.shutdown()
        self._disconnect()

    def _write(self) -> None:
        """Insert the waiting batches of the same month, and have the thread commit them."""
        if self._fault is not None:
            waiting, self._waiting = self._waiting, []
            self._refuse(waiting, lost=True)
            return
        month, waiting = self._waiting[0].month, self._waiting
        count = sum(batch.month == month for batch in waiting)
        self._running, self._waiting = waiting[:count], waiting[count:]
        loop = asyncio.get_running_loop()
        try:
            self._roll_if_due(self._running[0].entries[0].gen_time)
            connection = self._opened()
            connection.execute("BEGIN IMMEDIATE")
            seq, head = self._insert(connection)
            self._began = time.monotonic()
            done = self._thread.submit(connection.execute, "COMMIT")
        except Exception as error:  # whatever it is, the callers that wait must hear of it
            self._failed(error)
            return
        done.add_done_callback(lambda done: loop.call_soon_threadsafe(self._committed, done, seq, head))

    def _insert(self, connection: sqlite3.Connection) -> tuple[int, bytes]:
        """Insert the rows of the running batches; the number and link of the last row."""
        seq, head = self.seq, self._link
        rows = []
        for entries, signer, _ in self._running:
            if signer.number not in self._signers:
                connection.execute("INSERT OR IGNORE INTO tsu VALUES (?, ?)", (signer.number, signer.text))
            digest = signer.digest
            for entry in entries:
                seq += 1
                head = link(head, seq, entry, digest)
                rows.append((seq, *entry, head))
        connection.executemany(_INSERT, rows)
        return seq, head

    def _committed(self, done: Future[sqlite3.Cursor], seq: int, head: bytes) -> None:
        """In the loop again: the rows are durable, or not."""
        if (error := done.exception()) is not None:
            self._failed(error, seq)
            return
        self.seq, self._link, self._commits = seq, head, self._commits + 1
        self._meter.commit(time.monotonic() - self._began, seq)
        for entries, signer, durable in self._running:
            self.last_gen_time = entries[-1].gen_time
            self._signers.add(signer.number)
            if not durable.done():
                durable.set_result(None)
        self._running = []
        if self._waiting:
            self._write()

    def _failed(self, error: BaseException, seq: int | None = None) -> None:
        """No token leaves. Where a commit was begun, the file itself must say whether its last row, `seq`, is there."""
        self._fault = f"The ledger {self._folder / self._name} cannot be written: {error}."
        running, waiting, self._running, self._waiting = self._running, self._waiting, [], []
        self._refuse(running, lost=seq is None or self._lacks(seq))
        self._refuse(waiting, lost=True)
        log.error("ledger commit failed", segment=self._name, reason=str(error))

    def _lacks(self, seq: int) -> bool:
        """Whether the file, opened anew, is certain not to have row `seq`."""
        self._disconnect()
        try:
            self._connect(self._name)
        except (sqlite3.Error, OSError, LedgerFault) as error:
            log.error("ledger not readable after a failed commit", segment=self._name, reason=str(error))
            return False
        return self.seq < seq

    def _refuse(self, batches: Sequence[_Batch], *, lost: bool) -> None:
        for batch in batches:
            if not batch.durable.done():
                batch.durable.set_exception(LedgerFault(self._fault or "", lost=lost))

    def _roll_if_due(self, microseconds: int) -> None:
        """Go on in another segment when the month is over or the present one is large."""
        month = segment.month_of(microseconds)
        if not self._name.startswith(f"{month}/"):
            self.open(microseconds)
        elif self._commits >= SIZE_CHECK_COMMITS:
            self._commits = 0
            if (self._folder / self._name).stat().st_size > self._roll_octets:
                number = segment.number_of(self._name) + 1
                self._begin(segment.name_of(month, self._worker, number), self._name)

    def _connect(self, name: str) -> None:
        """Use the segment `name`, which exists and is laid out."""
        path = self._folder / name
        connection = sqlite.open_to_write(path, BUSY_S, threads=True)
        segment.check_version(connection, path)
        self._disconnect()
        self._connection, self._name = connection, name
        self.seq, self._link, self.last_gen_time = segment.head(connection)
        self._signers = {number for [number] in connection.execute("SELECT id FROM tsu")}

    def _begin(self, name: str, follows: str) -> None:
        """Lay out the segment `name` after `follows`, which is open. The file gets its name only when it is whole."""
        path = self._folder / name
        draft = path.with_name(f"{path.name}.part")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in path.parent.glob(f"{draft.name}*"):
            left.unlink()
        with closing(sqlite.open_to_write(draft, BUSY_S, create=True)) as connection:
            seq, head = (self.seq, self._link) if follows else (0, b"")
            segment.create(connection, self._worker, follows, seq, head)
        draft.rename(path)
        for folder in (path.parent, self._folder, self._folder.parent):
            sync_folder(folder)
        self._connect(name)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise LedgerFault(f"The ledger in {self._folder} is not open.")
        return self._connection

    def _disconnect(self) -> None:
        """Close the file; a transaction that is open is rolled back."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
