"""SQL stands in few rooms: each database has its own, and only one of them opens files."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.test_layering import Sources, house

OPENS = {"tsa.state.sqlite"}
# The rooms that have SQL, by the database that they read or write.
CONTROL = {"tsa.state.control", "tsa.licensing.store", "tsa.licensing.usage", "tsa.ledger.heads"}
LEDGER = {"tsa.ledger.segment", "tsa.ledger.writer", "tsa.ledger.archive", "tsa.ledger.audit", "tsa.ledger.imprints"}
CLOCK = {"tsa.clock.journal"}

_RUNS = {"execute", "executemany", "executescript"}
_TABLE_OF_CONTROL = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+(?:application|licence|event|usage|head|witness)\b")


def calls(module: str, sources: Sources) -> Iterator[str]:
    """The names of all functions that a module calls on something: `connect` of sqlite3.connect()."""
    for node in ast.walk(ast.parse(sources[module])):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = f"{node.func.value.id}." if isinstance(node.func.value, ast.Name) else ""
            yield f"{owner}{node.func.attr}"


def texts(module: str, sources: Sources) -> Iterator[str]:
    """All strings of a module."""
    for node in ast.walk(ast.parse(sources[module])):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def ours(sources: Sources) -> Iterator[str]:
    """The modules of the authority."""
    return (module for module in sources if module.startswith("tsa."))


def rooms_with_sql(sources: Sources) -> set[str]:
    return {
        module for module in ours(sources) if any(call.rpartition(".")[2] in _RUNS for call in calls(module, sources))
    }


def rooms_that_open(sources: Sources) -> set[str]:
    return {module for module in ours(sources) if "sqlite3.connect" in calls(module, sources)}


def rooms_of_control(sources: Sources) -> set[str]:
    return {module for module in ours(sources) if any(map(_TABLE_OF_CONTROL.search, texts(module, sources)))}


def test_sql_is_run_in_the_named_rooms_alone() -> None:
    assert rooms_with_sql(house()) == OPENS | CONTROL | LEDGER | CLOCK


def test_sql_of_control_db_stands_in_the_named_rooms_alone() -> None:
    assert rooms_of_control(house()) == CONTROL


def test_files_are_opened_in_one_room() -> None:
    opening = rooms_that_open(house())
    assert opening == OPENS


@pytest.mark.parametrize(
    ("rooms", "source"),
    [
        (rooms_with_sql, "def f(connection):\n    connection.execute(statement)"),
        (rooms_with_sql, "Control(state).connection.executemany(statement, rows)"),
        (rooms_of_control, 'QUERY = "SELECT name"\n" FROM application"'),
        (rooms_of_control, "control.rows(f'DELETE FROM usage WHERE start < {start}')"),
        (rooms_that_open, "def f():\n    return sqlite3.connect(path)"),
    ],
)
def test_a_room_that_takes_it_on_itself_is_seen(rooms: object, source: str) -> None:
    assert callable(rooms)
    assert rooms({"tsa.server.api": source}) == {"tsa.server.api"}
