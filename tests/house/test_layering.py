"""The house (docs/architecture.md): arrows point down, no two modules lean on each other, and SQL has its rooms."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# From the roof down: a room imports of itself, and of the rooms on the floors below its own.
FLOORS = (
    ("tsa.cli",),
    ("tsa.process", "tsa.commands"),
    ("tsa.operate",),
    ("tsa.client",),
    ("tsa.server",),
    ("tsa.stamping",),
    ("tsa.licensing",),
    ("tsa.clock",),
    ("tsa.ledger",),
    ("tsa.verify",),
    ("tsa.state",),
    ("tsa.protocol",),
    ("certs",),
    ("signer",),
    ("tsa",),  # the version, and nothing else
)
# Rooms that see less than all below them.
ONLY = {
    "tsa.protocol": set(),
    "signer": set(),
    "certs": {"signer"},
    "tsa.licensing": {"tsa.ledger", "tsa.state", "signer"},  # it knows nothing of RFC 3161
    # An outhouse, which measures the house from outside.
    "bench": set(),
    "bench.cli": {"bench", "bench.cost", "bench.capacity"},
    "bench.cost": {"bench", "tsa.protocol", "tsa.verify", "certs"},
    "bench.capacity": {"bench", "tsa.protocol", "tsa.verify", "certs"},
    # The declared exception: the cost of the clock and of a ledger row cannot be told from outside. Nobody imports it.
    "bench.cost.inside": {"tsa.clock", "tsa.ledger", "tsa.state"},
}
ROOMS = {room for floor in FLOORS for room in floor} | ONLY.keys()
HOUSES = {room.partition(".")[0] for room in ROOMS}

Sources = Mapping[str, str]  # module name → its source


def house() -> Sources:
    """Every module of ours."""
    sources = {}
    for file in (file for name in HOUSES for file in (ROOT / name).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file.read_text()
    return sources


@cache
def statements(source: str) -> Sequence[ast.Import | ast.ImportFrom]:
    """The import statements of a source."""
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]


def imports(module: str, sources: Sources) -> set[str]:
    """The modules of ours that a module names in any import statement, wherever it stands."""
    found = set()
    for node in statements(sources[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            assert node.level == 0, f"{module} imports by a relative name, which hides where it leads"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in sources else str(node.module) for name in names}
    return {name for name in found if name.partition(".")[0] in HOUSES} - {module}


def room_of(module: str) -> str:
    """The room that a module is in, or is."""
    found = [room for room in ROOMS if module == room or (room != "tsa" and module.startswith(f"{room}."))]
    assert found, f"{module} is in no room: give it a place in the table"
    return max(found, key=len)


def below(room: str) -> set[str]:
    """The rooms that a room may import of, besides itself."""
    if room in ONLY:
        return ONLY[room]
    at = next(number for number, floor in enumerate(FLOORS) if room in floor)
    return {lower for floor in FLOORS[at + 1 :] for lower in floor}


def wrong_arrows(sources: Sources) -> Iterator[str]:
    """Every import that does not point down."""
    for module in sources:
        room = room_of(module)
        for target in sorted(imports(module, sources)):
            if room_of(target) not in {room, *below(room)}:
                yield f"{module} imports {target}"


def check_cycles(sources: Sources) -> None:
    """Raise CycleError where modules import each other, directly or by way of others."""
    TopologicalSorter({module: imports(module, sources) for module in sources}).prepare()


def test_arrows_point_down() -> None:
    assert list(wrong_arrows(house())) == []


def test_no_modules_import_each_other() -> None:
    check_cycles(house())


def test_every_room_of_the_table_stands() -> None:
    assert {room_of(module) for module in house()} == ROOMS


@pytest.mark.parametrize(
    ("module", "source", "target"),
    [
        ("tsa.protocol.der", "from tsa.state.config import Config", "tsa.state.config"),
        ("tsa.protocol.der", "from signer import key", "signer.key"),
        ("tsa.verify.token", "def f():\n    from tsa.stamping import issue", "tsa.stamping.issue"),
        ("tsa.stamping.issue", "import tsa.server.lane", "tsa.server.lane"),
        ("tsa.client", "from tsa.process import supervise", "tsa.process.supervise"),
        ("tsa.client", "from tsa.process.witness import stamp_heads", "tsa.process.witness"),
        ("tsa.commands.ledger", "from tsa.process import supervise", "tsa.process.supervise"),
        ("tsa.server.api", "from tsa.commands import note", "tsa.commands"),
        ("tsa.operate.initialise", "import tsa.commands.clock", "tsa.commands.clock"),
        ("tsa.licensing.counters", "import tsa.stamping.issue", "tsa.stamping.issue"),
        ("tsa.licensing.quota", "from tsa.protocol.errors import Refusal", "tsa.protocol.errors"),
        ("tsa.clock.measurer", "from tsa.licensing.capacity import cores", "tsa.licensing.capacity"),
        ("tsa.ledger.retention", "from tsa.clock.journal import Journal", "tsa.clock.journal"),
        ("tsa.state.control", "from tsa.ledger import segment", "tsa.ledger.segment"),
        ("certs.chain", "if True:\n    from tsa.protocol import der", "tsa.protocol.der"),
        ("signer.key", "from certs.chain import Chain", "certs.chain"),
        ("bench.cost.load", "from tsa.server.lane import Lane", "tsa.server.lane"),
        ("bench.cost.stages", "from tsa.ledger import writer", "tsa.ledger.writer"),
        ("bench.cost.stages", "from bench.cost import inside", "bench.cost.inside"),
        ("bench.cost.inside", "from tsa.stamping import issue", "tsa.stamping.issue"),
        ("bench.cost.load", "from bench.capacity.record import Run", "bench.capacity.record"),
        ("bench.server", "from bench.cost.load import drive", "bench.cost.load"),
    ],
)
def test_an_arrow_that_points_up_is_seen(module: str, source: str, target: str) -> None:
    assert list(wrong_arrows({**house(), module: source})) == [f"{module} imports {target}"]


def test_a_cycle_is_seen() -> None:
    with pytest.raises(CycleError):
        check_cycles({**house(), "tsa.protocol.errors": "def f():\n    from tsa.protocol.tsp import decode_request"})


def test_a_module_without_a_place_is_seen() -> None:
    with pytest.raises(AssertionError, match=r"tsa\.stray is in no room"):
        list(wrong_arrows({**house(), "tsa.stray": ""}))


# SQL stands in few rooms: each database has its own, and only one room opens files.

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
