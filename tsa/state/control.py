"""control.db: who may stamp, how much, and what happened; shared by the server's processes and the commands.

It is small and seldom changed: a change and the event that tells of it are one transaction (CSBR 5.4.1).
"""

from __future__ import annotations

import json
import os
import pwd
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tsa.state import layout, sqlite
from tsa.state.faults import Fault

BUSY_S = 10.0
READ_WAIT_S = 2.0

_SCHEMA = """
CREATE TABLE application (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    key_hash BLOB UNIQUE,                 -- SHA-256 of the APP_KEY; NULL for the anonymous application
    policy TEXT,                          -- dotted OID of its own, or NULL
    networks TEXT NOT NULL DEFAULT '[]',  -- JSON list of CIDR; empty: any
    certificate_subject TEXT UNIQUE,      -- RFC 4514, or NULL
    disabled INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL              -- seconds since the epoch, as all times here
) STRICT;
CREATE TABLE licence (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    application INTEGER NOT NULL REFERENCES application,
    count INTEGER NOT NULL,
    stamps_per_hour INTEGER,              -- a licence; NULL: [licence] stamps_per_licence_hour
    valid_from INTEGER NOT NULL,
    valid_until INTEGER,                  -- NULL: without end
    document TEXT UNIQUE                  -- the signed licence file; NULL: a development licence
) STRICT;
CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    detail TEXT NOT NULL                  -- JSON
) STRICT;
CREATE TABLE usage (
    start INTEGER NOT NULL,               -- the first second of the window
    application INTEGER NOT NULL REFERENCES application,
    capacity INTEGER NOT NULL,
    stamps INTEGER NOT NULL,
    refusals INTEGER NOT NULL,
    PRIMARY KEY (start, application)
) STRICT;
CREATE TABLE head (
    segment TEXT PRIMARY KEY,             -- ledger file, relative to the ledger's folder
    seq INTEGER NOT NULL,                 -- its newest row when last looked at
    link BLOB NOT NULL,
    at INTEGER NOT NULL,
    pruned INTEGER                        -- when the file was removed on purpose
) STRICT;
CREATE TABLE witness (
    at INTEGER PRIMARY KEY,
    by TEXT NOT NULL,                     -- its URL, or 'self': which proves nothing against the key holder
    heads TEXT NOT NULL,                  -- JSON, the octets that were stamped
    request BLOB NOT NULL,                -- the TimeStampReq
    response BLOB NOT NULL                -- the TimeStampResp
) STRICT;
"""
SCHEMA = sqlite.Schema(1, _SCHEMA)


class ControlFault(Fault):
    """control.db cannot be used, or a change to it makes no sense; the text says why."""


class Event(NamedTuple):
    """A line of the event journal: seconds since the epoch, an account, what happened, and the details."""

    at: int
    who: str
    what: str
    detail: dict[str, Any]


class Control:
    """An open control.db; belongs to one thread."""

    def __init__(self, state: Path) -> None:
        """Open control.db in the folder `state`, or make it. Raises ControlFault."""
        self.path = layout.control(state)
        try:
            self.connection = sqlite.open_laid_out(self.path, SCHEMA, BUSY_S)
        except sqlite.SqliteFault as fault:
            raise ControlFault(str(fault)) from fault
        self.connection.execute("PRAGMA foreign_keys = ON")

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction: everything done inside is durable afterwards, or nothing happened. Raises ControlFault."""
        try:
            with sqlite.transaction(self.connection):
                yield self.connection
        except sqlite3.Error as error:
            raise ControlFault(f"{self.path} cannot be changed: {error}.") from error

    def rows(self, query: str, *values: object) -> list[Any]:
        """The rows that a query finds, for the stores beside their users. Raises ControlFault."""
        try:
            return self.connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise ControlFault(f"{self.path} cannot be read: {error}.") from error

    def log_event(self, what: str, **detail: Any) -> None:
        """Write down that something happened, by whom; inside change(). Details must hold no secret."""
        self.connection.execute(
            "INSERT INTO event (at, who, what, detail) VALUES (?, ?, ?, ?)",
            (int(time.time()), who(), what, json.dumps(detail, sort_keys=True)),
        )

    def events(self, since: int) -> list[Event]:
        """What was written down from a moment on, seconds since the epoch, oldest first. Raises ControlFault."""
        rows = self.rows("SELECT at, who, what, detail FROM event WHERE at >= ? ORDER BY id", since)
        return [Event(at, who, what, json.loads(detail)) for at, who, what, detail in rows]

    def revision(self) -> int:
        """A number that changes when another process has changed something. Raises ControlFault."""
        [[version]] = self.rows("PRAGMA data_version")
        return int(version)

    def close(self) -> None:
        self.connection.close()


@contextmanager
def reading(state: Path) -> Iterator[sqlite3.Connection]:
    """The control.db of a folder, for reading in any thread while others write to it. Raises ControlFault."""
    path = layout.control(state)
    try:
        with closing(sqlite.open_to_read(path, READ_WAIT_S)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise ControlFault(f"{path} cannot be read: {error}.") from error


def who() -> str:
    """The account that this process runs as, and whom sudo says it was before."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    before = os.environ.get("SUDO_USER")
    return f"{name} (sudo by {before})" if before else name
