"""All ledger files read as one ledger: stamps, their applications, and the tokens as they were sent."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tsa.ledger import imprints, segment
from tsa.ledger.row import Entry, rebuild
from tsa.ledger.segment import COLUMNS, LedgerFault
from tsa.ledger.serial import PLACES, SERIAL_OCTETS
from tsa.protocol import cms, der

_PLACE = slice(11, 13)  # of the worker in a serial number, see serial.py
_SELECT = f"SELECT seq, {COLUMNS} FROM stamp"  # noqa: S608 - names of columns


class Record(NamedTuple):
    """One row: where it stands, its columns, and the TimeStampResp as it was sent."""

    segment: str
    seq: int
    entry: Entry
    token: bytes

    @property
    def application(self) -> int:
        return self.entry.application

    @property
    def gen_time(self) -> str:
        """genTime as the token has it, in ISO 8601."""
        at = self.entry.tst_info.index(der.tlv(der.INTEGER, self.entry.serial)) + 2 + len(self.entry.serial)
        text = self.entry.tst_info[at + 2 : at + 2 + self.entry.tst_info[at + 1]].decode()
        return f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:{text[12:]}"

    @property
    def policy(self) -> str:
        """The policy, dotted."""
        return der.dotted(self.entry.policy)


def newest_gen_time(folder: Path, epoch: int) -> int:
    """The newest genTime, µs since the epoch, in the files of an epoch's places (serial.py); 0 without a file.

    A file that was begun in a later month than that counts as a stamp of its first moment: nothing can be recorded
    before it. Raises LedgerFault.
    """
    names = [name for name in segment.list_segments(folder) if segment.worker_of(name) // PLACES == epoch]
    newest: dict[int, int] = {}
    for name in reversed(names):
        if not newest.get(segment.worker_of(name)):  # a file that was just begun has no row yet
            with segment.reading(folder / name) as connection:
                newest[segment.worker_of(name)] = segment.head(connection).gen_time
    return max([*newest.values(), *map(segment.earliest_of, names)], default=0)


def count_by_window(folder: Path, since: int, window_s: int) -> Iterator[tuple[int, int, int]]:
    """(window, application, stamps) from the second `since` on, file by file: a pair may come more than once.

    Windows are `window_s` seconds, numbered from the epoch. Raises LedgerFault.
    """
    start, length = max(0, since) * 1_000_000, window_s * 1_000_000
    for name in segment.list_segments(folder):
        if name < segment.month_of(start):
            continue
        with segment.reading(folder / name) as connection:
            yield from connection.execute(
                "SELECT gen_time / ?, application, count(*) FROM stamp WHERE seq >= ? GROUP BY 1, 2",
                (length, segment.first_at(connection, start)),
            )


class Archive:
    """The ledger below `folder`. Reads beside the server; every method raises LedgerFault."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._templates: dict[tuple[str, int], cms.TokenTemplate] = {}

    def find_serial(self, serial: bytes) -> Record | None:
        """The stamp with this serialNumber: its first octets say when and by which worker, so a few rows are read."""
        if len(serial) != SERIAL_OCTETS:
            return None
        microseconds, worker = int.from_bytes(serial[:7], "big"), int.from_bytes(serial[_PLACE], "big")
        month = segment.month_of(microseconds) if microseconds < 1 << 55 else ""
        for name in segment.list_segments(self.folder):
            if segment.worker_of(name) != worker or not name.startswith(f"{month}/"):
                continue
            with segment.reading(self.folder / name) as connection:
                first = segment.first_at(connection, microseconds)
                for row in connection.execute(f"{_SELECT} WHERE seq >= ? ORDER BY seq", (first,)):
                    if row[1] != microseconds:
                        break
                    if row[2] == serial:
                        return self._record(connection, name, row)
        return None

    def find_imprint(self, imprint: bytes) -> Iterator[Record]:
        """Every stamp on this digest, through each file's index of imprints, which is brought up to date first."""
        for name in segment.list_segments(self.folder):
            path = self.folder / name
            found = imprints.find(path, imprint)
            with segment.reading(path) as connection:
                for seq in found:
                    row = connection.execute(f"{_SELECT} WHERE seq = ?", (seq,)).fetchone()
                    if row is not None and row[5] == imprint:
                        yield self._record(connection, name, row)

    def records(self, since: int = 0, application: int | None = None) -> Iterator[Record]:
        """Every stamp from a genTime, µs since the epoch, on, file by file; of one application, or of all."""
        month = segment.month_of(since)
        for name in segment.list_segments(self.folder):
            if name < month:
                continue
            with segment.reading(self.folder / name) as connection:
                query, first = f"{_SELECT} WHERE seq >= ?", segment.first_at(connection, since)
                if application is not None:
                    query += f" AND application = {application:d}"
                for row in connection.execute(f"{query} ORDER BY seq", (first,)):
                    yield self._record(connection, name, row)

    def count(self, since: int = 0) -> int:
        """How many stamps records() goes through."""
        total = 0
        for name in segment.list_segments(self.folder):
            if name >= segment.month_of(since):
                with segment.reading(self.folder / name) as connection:
                    total += segment.head(connection).seq + 1 - segment.first_at(connection, since)
        return total

    def _record(self, connection: sqlite3.Connection, name: str, row: tuple[object, ...]) -> Record:
        seq, *columns = row
        entry = Entry(*columns)  # type: ignore[arg-type]
        template = self._templates.get((name, entry.tsu))
        if template is None:
            signer = connection.execute("SELECT signer FROM tsu WHERE id = ?", (entry.tsu,)).fetchone()
            if signer is None:
                raise LedgerFault(f"Row {seq} of {name} names a signer that the file lacks: see `tsa ledger verify`.")
            template = self._templates[name, entry.tsu] = segment.template_of(signer[0])
        return Record(name, int(str(seq)), entry, rebuild(template, entry))
