"""clock.db: every measurement of the clock, every opening and closing of the gate, every acceptance (EN 319 421 7.7.1).

It is a record for auditors: nothing here deletes a row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tsa.state import layout, sqlite
from tsa.state.control import who
from tsa.state.faults import Fault

BUSY_S = 2.0

# Verdicts on the answer of a source.
TRUSTED, NOT_TRUSTED, NO_ANSWER = "trusted", "not trusted", "no answer"

_SCHEMA = """
CREATE TABLE entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,      -- µs since the epoch by the clock that is judged
    kind TEXT NOT NULL,       -- 'measured', 'stepped', 'opened', 'closed' or 'accepted'
    source TEXT,              -- measured: which of [clock] sources
    offset INTEGER,           -- measured: µs from the wall clock to the true time; stepped: by how much
    error INTEGER,            -- measured: µs that the wall clock may be off at most; opened: the accuracy then
    verdict TEXT,             -- measured: 'trusted', 'not trusted' or 'no answer'
    why TEXT NOT NULL
) STRICT;
CREATE INDEX by_kind ON entry (kind, source, id)
"""
SCHEMA = sqlite.Schema(1, _SCHEMA)


class JournalFault(Fault):
    """clock.db cannot be used; the text says why."""


class JournalEntry(NamedTuple):
    """One row; `at` in µs since the epoch, `offset` and `error` in µs. The schema says which kind has which fields."""

    at: int
    kind: str
    source: str | None = None
    offset: int | None = None
    error: int | None = None
    verdict: str | None = None
    why: str = ""


_COLUMNS = ", ".join(JournalEntry._fields)


class Journal:
    """An open clock.db; belongs to one thread."""

    def __init__(self, state: Path) -> None:
        """Open the one in the folder `state`, or make it. Raises JournalFault."""
        self.path = layout.clock_journal(state)
        try:
            self._connection = sqlite.open_laid_out(self.path, SCHEMA, BUSY_S)
        except sqlite.SqliteFault as fault:
            raise JournalFault(str(fault)) from fault

    def write(self, *entries: JournalEntry) -> None:
        """Add entries, all or none. Raises JournalFault."""
        try:
            with sqlite.transaction(self._connection):
                self._connection.executemany(
                    f"INSERT INTO entry ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - names of columns
                    entries,
                )
        except sqlite3.Error as error:
            raise JournalFault(f"{self.path} cannot be written: {error}.") from error

    def accept(self, at: int, newest: int, text: str) -> None:
        """A person accepts at `at` that the ledger's `newest` genTime is wrong, both µs. Raises JournalFault."""
        self.write(JournalEntry(at, "accepted", offset=at - newest, why=f"{text} By {who()}."))

    def epoch(self) -> int:
        """The number of acceptances so far. Raises JournalFault."""
        [[count]] = self._rows("SELECT count(*) FROM entry WHERE kind = 'accepted'")
        return int(count)

    def measured(self, source: str) -> JournalEntry | None:
        """The newest answer of a source. Raises JournalFault."""
        return self._newest("kind = 'measured' AND source = ?", source)

    def gate(self) -> JournalEntry | None:
        """The newest opening of the gate; or its closing since then, with the newest reason. Raises JournalFault."""
        newest = self._newest("kind IN ('opened', 'closed')")
        if newest is None or newest.kind == "opened":
            return newest
        [[closed]] = self._rows(
            "SELECT at FROM entry WHERE kind = 'closed' AND id >"
            " (SELECT coalesce(max(id), 0) FROM entry WHERE kind = 'opened') ORDER BY id LIMIT 1"
        )
        return newest._replace(at=closed)

    def is_stepped(self) -> bool:
        """Whether the clock was stepped after the gate was last opened. Raises JournalFault."""
        newest = self._newest("kind IN ('stepped', 'opened')")
        return newest is not None and newest.kind == "stepped"

    def _newest(self, condition: str, *values: object) -> JournalEntry | None:
        rows = self._rows(f"SELECT {_COLUMNS} FROM entry WHERE {condition} ORDER BY id DESC LIMIT 1", *values)  # noqa: S608
        return JournalEntry._make(rows[0]) if rows else None

    def history(self, since: int = 0) -> Iterator[JournalEntry]:
        """Every entry from a moment on, µs since the epoch, in the order of writing. Raises JournalFault."""
        try:
            rows = self._connection.execute(f"SELECT {_COLUMNS} FROM entry WHERE at >= ? ORDER BY id", (since,))  # noqa: S608
            yield from map(JournalEntry._make, rows)
        except sqlite3.Error as error:
            raise JournalFault(f"{self.path} cannot be read: {error}.") from error

    def _rows(self, query: str, *values: object) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise JournalFault(f"{self.path} cannot be read: {error}.") from error

    def close(self) -> None:
        self._connection.close()
