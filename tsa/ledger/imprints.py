"""The index of imprints of a ledger file: a file beside it, made and brought up to date when an imprint is looked for.

Imprints are random, and an index on them in the hot table would cost more than the stamp (decision 6). This index is
made aside, in order, from the rows that are new since the last time. It proves nothing and may be deleted at any time.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tsa.ledger.segment import LedgerFault, reading
from tsa.state import sqlite
from tsa.state.layout import imprint_index

PREFIX = 8
BATCH = 500_000
WAIT_S = 5.0

_SCHEMA = "CREATE TABLE IF NOT EXISTS imprint (prefix BLOB, seq INTEGER, PRIMARY KEY (prefix, seq)) WITHOUT ROWID"


def find(segment: Path, imprint: bytes) -> list[int]:
    """The numbers of the rows whose imprints begin with the same octets as `imprint`. Raises LedgerFault."""
    try:
        with closing(sqlite.open_to_write(imprint_index(segment), WAIT_S, create=True)) as index:
            index.execute(_SCHEMA)
            _catch_up(index, segment)
            rows = index.execute("SELECT seq FROM imprint WHERE prefix = ? ORDER BY seq", (imprint[:PREFIX],))
            return [seq for [seq] in rows]
    except sqlite3.Error as error:
        raise LedgerFault(f"{imprint_index(segment)} cannot be used: {error}. It may be deleted.") from error


def _catch_up(index: sqlite3.Connection, segment: Path) -> None:
    """Index the rows that are missing, in runs of sorted keys."""
    [done] = index.execute("PRAGMA user_version").fetchone()
    with reading(segment) as stamps:
        query = "SELECT substr(imprint, 1, ?), seq FROM stamp WHERE seq > ? ORDER BY seq LIMIT ?"
        while rows := stamps.execute(query, (PREFIX, done, BATCH)).fetchall():
            done = rows[-1][1]
            rows.sort()
            with sqlite.transaction(index):
                index.executemany("INSERT OR IGNORE INTO imprint VALUES (?, ?)", rows)
                index.execute(f"PRAGMA user_version = {done}")
