"""The check that the ledger is whole: every link of every chain, the joints between files, the heads (decision 7).

The check cannot see:

- rows cut off the end since the heads were last written, which is each minute and when the server stops;
- rows put after the newest row with correct links, for a link takes no key; their tokens verify against no certificate;
- a ledger and a control.db that were both rewritten: against that stands the hourly time-stamp of a witness.
"""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from tsa.ledger import segment
from tsa.ledger.heads import KeptHead, read_stamps
from tsa.ledger.row import Entry, link
from tsa.ledger.segment import COLUMNS, LedgerFault, SignerRecord
from tsa.state.control import Control
from tsa.verify.datum import OctetsDatum
from tsa.verify.proof import NotJudged, NotProved
from tsa.verify.token import check_token

_SELECT = f"SELECT seq, {COLUMNS}, link FROM stamp ORDER BY rowid"  # noqa: S608 - names of columns


Stamped = dict[str, dict[int, bytes]]
_Ends = dict[str, KeptHead | None]  # the ends of files that another may follow; None where an end is unknown


@dataclass(frozen=True, slots=True)
class SegmentVerdict:
    """The finding on a file: its rows, and the first thing that is wrong, or None."""

    segment: str
    rows: int
    fault: str | None


def read_witnessed(control: Control) -> tuple[Stamped, list[SegmentVerdict]]:
    """The links that the hourly time-stamps cover, by file and row; and the faults of these time-stamps."""
    stamped: Stamped = {}
    wrong = []
    for at, by, heads, request, response in read_stamps(control):
        try:
            found = _stamped_heads(heads, request, response)
        except (NotProved, NotJudged, ValueError) as fault:
            moment = datetime.fromtimestamp(at, UTC).isoformat()
            wrong.append(SegmentVerdict(f"control.db, heads stamped {moment} by {by}", 0, str(fault)))
            continue
        for name, seq, link_ in found:
            stamped.setdefault(name, {})[seq] = bytes.fromhex(link_)
    return stamped, wrong


def _stamped_heads(heads: str, request: bytes, response: bytes) -> list[tuple[str, int, str]]:
    """The heads in this JSON, if the token is on them. Raises NotProved, NotJudged or ValueError."""
    check_token(response, request, datum=OctetsDatum(heads.encode()))
    return [(name, seq, link_) for name, seq, link_ in json.loads(heads)]


def audit(
    folder: Path, heads: dict[str, KeptHead], advance: Callable[[int], None], stamped: Stamped | None = None
) -> Iterator[SegmentVerdict]:
    """Check every file below `folder`, worker by worker and in order; `advance` is told how many rows were checked.

    `stamped` are links that a witness has stamped: their rows must have them still.
    """
    names = segment.list_segments(folder)
    ends: _Ends = {name: head for name, head in heads.items() if head.pruned}
    for name in names:
        chain = _Chain(name, heads.get(name), (stamped or {}).get(name, {}))
        try:
            with segment.reading(folder / name) as connection:
                follows = chain.begin(connection, ends, names)
                chain.walk(connection, advance)
                chain.check_head()
                chain.check_stamped()
        except (LedgerFault, TypeError, ValueError) as fault:
            yield SegmentVerdict(name, chain.seq, chain.fault or f"after row {chain.seq}: {fault}")
            ends[name] = None
        else:
            ends.pop(follows, None)
            yield SegmentVerdict(name, chain.seq, None)
            ends[name] = KeptHead(chain.seq, chain.link, pruned=False)
    for name, head in heads.items():
        if name not in names and not head.pruned:
            yield SegmentVerdict(name, 0, f"the file is missing; it had {head.seq} rows")


class _Chain:
    """The walk through a file. Whatever is wrong is raised as LedgerFault."""

    def __init__(self, name: str, head: KeptHead | None, stamped: Mapping[int, bytes]) -> None:
        self._name = name
        self._head = head
        self._stamped = dict(stamped)  # links of rows that the walk has not reached
        self._signers: dict[int, SignerRecord] = {}
        self._seen: bytes | None = None
        self.fault: str | None = None
        self.seq = 0
        self.link = b""

    def begin(self, connection: sqlite3.Connection, ends: _Ends, names: list[str]) -> str:
        """Check the file's own description and its joint with the file before it; return the name of that file."""
        described = connection.execute(
            "SELECT worker, genesis, follows, follows_seq, follows_link FROM segment"
        ).fetchall()
        if len(described) != 1:
            self._fail("its description is missing or doubled")
        worker, genesis, follows, seq, before = described[0]
        if worker != segment.worker_of(self._name) or genesis != segment.genesis_of(worker, follows, seq, before):
            self._fail("its description was altered")
        earlier = [name for name in names[: names.index(self._name)] if segment.worker_of(name) == worker]
        if earlier and follows != earlier[-1]:
            self._fail(f"it does not follow {earlier[-1]}, the file before it")
        if follows:
            if follows not in ends:
                self._fail(f"{follows}, which it follows, is missing")
            end = ends[follows]
            if end is not None and (end.seq, end.link) != (seq, before):
                self._fail(f"{follows}, which it follows, ends otherwise than it did: at row {end.seq}, then at {seq}")
        for number, text in connection.execute("SELECT id, signer FROM tsu"):
            record = segment.record_of(text)
            if record.number != number:
                self._fail(f"its signer {number} was altered")
            self._signers[number] = record
        self.link = genesis
        if self._head is not None and self._head.seq == 0:
            self._seen = genesis
        return str(follows)

    def walk(self, connection: sqlite3.Connection, advance: Callable[[int], None]) -> None:
        """Check that rows are numbered without a gap, in order of time, and chained to the row before."""
        signers, gen_time = self._signers, 0
        for seq, *columns, found in connection.execute(_SELECT):
            entry = Entry(*columns)
            if seq != self.seq + 1:
                self._fail(f"row {self.seq + 1} is missing")
            if entry.tsu not in signers:
                self._fail(f"row {seq} names a signer that the file lacks")
            try:
                expected = link(self.link, seq, entry, signers[entry.tsu].digest)
            except struct.error:  # a number that was never written
                expected = b""
            if found != expected:
                self._fail(f"row {seq} was altered, or is not the one that was written there")
            if entry.gen_time < gen_time:
                self._fail(f"row {seq} is earlier than the row before it")
            self.seq, self.link, gen_time = seq, expected, entry.gen_time
            if self._stamped.get(seq) == expected:
                del self._stamped[seq]
            if self._head is not None and seq == self._head.seq:
                self._seen = expected
            if seq % 1000 == 0:
                advance(1000)

    def check_head(self) -> None:
        """Check that the newest row of the kept head is still there."""
        head = self._head
        if head is not None and head.seq > self.seq:
            self._fail(f"rows {self.seq + 1} to {head.seq} are missing at its end")
        if head is not None and self._seen != head.link:
            self._fail(f"row {head.seq} is not the one whose link was kept in control.db")

    def check_stamped(self) -> None:
        """Check that every row whose link a witness has stamped has that link."""
        rows = sorted(seq for seq in self._stamped if seq)
        if rows:
            self._fail(f"row {rows[0]} is not the one whose link was time-stamped")

    def _fail(self, what: str) -> NoReturn:
        self.fault = what
        raise LedgerFault(what)
