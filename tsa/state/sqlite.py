"""SQLite files: how all of them are opened, changed in one transaction, and laid out or refused by schema version."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

READ_WAIT_S = 5.0


class SqliteFault(Exception):
    """A SQLite file cannot be used; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of a kind of file: CREATE statements, separated by ";" at the end of a line, and their version."""

    version: int
    text: str

    def lay_out(self, connection: sqlite3.Connection) -> None:
        """Make the tables; inside transaction(), so that the file has all of them or none."""
        for statement in self.text.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {self.version}")

    def version_of(self, connection: sqlite3.Connection, path: Path) -> int:
        """The version that the file was laid out with, 0 where it is empty. Raises SqliteFault when it is newer."""
        [version] = connection.execute("PRAGMA user_version").fetchone()
        if version > self.version:
            raise SqliteFault(f"{path} has schema {version}, this program knows {self.version}: use the newer program.")
        return int(version)


def open_to_write(path: Path, wait_s: float, *, create: bool = False, threads: bool = False) -> sqlite3.Connection:
    """A connection whose commits are durable when they return (WAL, synchronous = FULL), without implicit BEGIN.

    It waits `wait_s` for the locks of others. `create`: an empty file is made where there is none. `threads`: several
    threads may use it in turn, not only the thread that opens it. Raises sqlite3.Error.
    """
    uri = f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
    connection = sqlite3.connect(uri, uri=True, timeout=wait_s, isolation_level=None, check_same_thread=not threads)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(path: Path, wait_s: float = READ_WAIT_S) -> sqlite3.Connection:
    """A connection that reads beside the writer of a file, which never waits for it. Raises sqlite3.Error."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=wait_s, isolation_level=None)


def copy(source: Path, target: Path) -> None:
    """Write a consistent copy of a file, which others may be using, to a new file. Raises sqlite3.Error."""
    with closing(open_to_read(source)) as original, closing(sqlite3.connect(target)) as written:
        original.backup(written)


def open_laid_out(path: Path, schema: Schema, wait_s: float) -> sqlite3.Connection:
    """A connection to write to a file that has `schema`. A missing file is made, mode 0600; an empty file is laid out.

    Raises SqliteFault.
    """
    try:
        path.touch(mode=0o600)
        connection = open_to_write(path, wait_s)
        try:
            with transaction(connection):
                if schema.version_of(connection, path) == 0:
                    schema.lay_out(connection)
        except BaseException:
            connection.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise SqliteFault(f"{path} cannot be used: {error}.") from error
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything done inside is committed, or nothing is; others write before or after it. Raises sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # after some faults SQLite has rolled back by itself
            connection.execute("ROLLBACK")
        raise
