"""SQLite files: durable, laid out whole or not at all, and refused when a newer program laid them out."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tsa.state.sqlite import Schema, SqliteFault, open_laid_out, open_to_read, open_to_write, transaction

SCHEMA = Schema(3, "CREATE TABLE first (a INTEGER) STRICT;\nCREATE TABLE second (b INTEGER) STRICT;\n")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a file?of#ours.db"


def tables(path: Path) -> list[str]:
    with closing(open_to_read(path)) as connection:
        return [name for [name] in connection.execute("SELECT name FROM sqlite_master ORDER BY 1")]


def insert(connection: sqlite3.Connection, *statements: str) -> None:
    """All of them in one transaction."""
    with transaction(connection):
        for statement in statements:
            connection.execute(statement)


def test_a_file_that_is_missing_is_laid_out_for_us_alone(path: Path) -> None:
    with closing(open_laid_out(path, SCHEMA, 1.0)) as connection:
        assert SCHEMA.version_of(connection, path) == 3
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert tables(path) == ["first", "second"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_laid_out_stays_as_it_is(path: Path) -> None:
    with closing(open_laid_out(path, SCHEMA, 1.0)) as connection:
        connection.execute("INSERT INTO first VALUES (1)")
    with closing(open_laid_out(path, SCHEMA, 1.0)) as connection:
        assert connection.execute("SELECT a FROM first").fetchall() == [(1,)]


def test_a_newer_file_is_refused_and_not_touched(path: Path) -> None:
    with closing(open_laid_out(path, SCHEMA, 1.0)) as connection:
        connection.execute("PRAGMA user_version = 4")
    before = path.read_bytes()
    with pytest.raises(SqliteFault) as caught:
        open_laid_out(path, SCHEMA, 1.0)
    assert str(caught.value) == f"{path} has schema 4, this program knows 3: use the newer program."
    assert path.read_bytes() == before


def test_half_a_schema_is_never_there(path: Path) -> None:
    broken = Schema(1, "CREATE TABLE first (a INTEGER) STRICT;\nCREATE TABLE second (b NONSENSE) STRICT;\n")
    with pytest.raises(SqliteFault, match="cannot be used: unknown datatype"):
        open_laid_out(path, broken, 1.0)
    assert tables(path) == []


def test_what_cannot_be_opened_is_named(tmp_path: Path, path: Path) -> None:
    path.write_bytes(b"no database" * 100)
    for file, reason in ((path, "file is not a database"), (tmp_path, "Is a directory|unable to open database file")):
        with pytest.raises(SqliteFault, match=f"cannot be used: .*({reason})"):
            open_laid_out(file, SCHEMA, 1.0)


def test_a_file_is_made_where_that_was_asked_for_alone(path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        open_to_write(path, 1.0)
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        open_to_read(path)
    assert not path.exists()
    open_to_write(path, 1.0, create=True).close()
    assert path.exists()


def test_a_transaction_is_whole_or_not_there(path: Path) -> None:
    with closing(open_laid_out(path, SCHEMA, 1.0)) as connection:
        insert(connection, "INSERT INTO first VALUES (1)")
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            insert(connection, "INSERT INTO first VALUES (2)", "INSERT INTO third VALUES (2)")
        assert connection.execute("SELECT a FROM first").fetchall() == [(1,)]
        insert(connection, "INSERT INTO first VALUES (3)")  # nothing is left of the one that failed


def test_a_fault_after_which_sqlite_rolled_back_itself_is_the_one_that_is_told(path: Path) -> None:
    with closing(open_laid_out(path, SCHEMA, 1.0)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            insert(connection, "ROLLBACK", "INSERT INTO third VALUES (2)")
        assert not connection.in_transaction


def test_a_reader_reads_beside_a_writer_and_changes_nothing(path: Path) -> None:
    with closing(open_laid_out(path, SCHEMA, 1.0)) as writer, closing(open_to_read(path, 0.0)) as reader:
        with transaction(writer):
            writer.execute("INSERT INTO first VALUES (1)")
            assert reader.execute("SELECT count(*) FROM first").fetchone() == (0,)
        assert reader.execute("SELECT count(*) FROM first").fetchone() == (1,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM first")
