"""How the cost of a stamp grows: with workers, connections, applications, and the rows of the ledger.

Each dimension is measured by itself, its cells in turn, A B C A B C, so that what else the machine does meets them all.
All servers are made with `tsa` commands, and the rows of a large ledger are stamps that its authority gave.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import BenchError, host, server
from bench.cost.dimension import CONNECTIONS, Cell, Dimension, Loader, Point
from bench.cost.load import Way

KEY = "p256"
WORKERS = (1, 2, 4, 8)
CONNECTION_COUNTS = (1, 10, 100, 1000)
APPLICATIONS = (1, 10, 100)
ROWS = 10_000_000
LICENCES = 1000
"""Of each application."""
DIMENSIONS = ("workers", "connections", "applications", "ledger rows")

_FIRST_ROWS = 100_000
_ONE_FILE = {"ledger": {"roll_mib": 1 << 20}}
"""All rows of a ledger are to be in one file, which is the worst that can be."""


@dataclass(frozen=True)
class Scale:
    """Everything that one run of `tsa-bench scale` found."""

    host: dict[str, str | int]
    key: str
    seconds: float
    rounds: int
    dimensions: list[Dimension]

    @property
    def exit_status(self) -> int:
        """1 when an answer was wrong, else 0: cells that were not done say so."""
        return 1 if any(point.wrong for each in self.dimensions for point in each.points) else 0


@dataclass(frozen=True)
class Extent:
    """How far each dimension goes, `rows` being the largest ledger, and which dimensions are measured."""

    rows: int
    workers: Sequence[int] = WORKERS
    connections: Sequence[int] = CONNECTION_COUNTS
    applications: Sequence[int] = APPLICATIONS
    dimensions: Sequence[str] = DIMENSIONS


def measure(extent: Extent, seconds: float, rounds: int, tell: Callable[[str], None]) -> Scale:
    """Measure every dimension. `seconds` of a cell, after 1 s of warm-up. BenchError where that cannot be done."""
    loader = Loader(seconds, rounds, tell)
    open_files(max(extent.connections))
    ways: dict[str, Callable[[], Dimension]] = {
        "workers": lambda: workers(loader, extent.workers),
        "connections": lambda: connections(loader, extent.connections),
        "applications": lambda: applications(loader, extent.applications),
        "ledger rows": lambda: ledger(loader, extent.rows),
    }
    with loader.pinned():
        dimensions = [ways[name]() for name in extent.dimensions]
    return Scale(host.describe(), KEY, seconds, rounds, dimensions)


def open_files(connections: int) -> None:
    """Raise the limit of open files, ours and our servers', for so many connections. BenchError if refused."""
    wanted = connections + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise BenchError(f"{connections} connections need {wanted} open files, and the limit is {hard}: ulimit -Hn")
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def workers(loader: Loader, counts: Sequence[int]) -> Dimension:
    """A server for each number of workers; every worker has a core for itself as far as there are cores."""
    allowed = sorted(loader.all_cores)
    others = [core for core in allowed if core != loader.load_core] or allowed
    cells, not_done = [], []
    with ExitStack() as stack:
        for count in counts:
            if count > len(allowed):
                not_done.append(Point(count, f"not done: this machine has {len(allowed)} cores"))
                continue
            shared = count > len(others)
            tsa = stack.enter_context(server.authority(KEY, allowed if shared else others[:count], workers=count))
            remark = "with as many workers as cores, one shares its core with the load generator" if shared else ""
            cells.append(Cell(count, tsa, remark=remark))
        return loader.dimension("workers", cells, not_done)


def connections(loader: Loader, counts: Sequence[int]) -> Dimension:
    """One server, with each number of keep-alive connections; a request is outstanding on every connection."""
    with server.authority(KEY, loader.server_core) as tsa:
        return loader.dimension("connections", [Cell(count, tsa, count) for count in counts])


def applications(loader: Loader, counts: Sequence[int]) -> Dimension:
    """One server, with each number of applications, which share 256 connections, or have one each if they are more."""
    keys: list[str] = []

    def register(directory: Path) -> None:
        loader.tell(f"registering {max(counts)} applications")
        keys.extend(server.register(directory, f"bench-{number}", LICENCES) for number in range(max(counts)))

    with server.authority(KEY, loader.server_core, prepare=register) as tsa:
        lines = [f"Authorization: Bearer {key}\r\n" for key in keys]
        cells = [Cell(count, tsa, max(CONNECTIONS, count), Way(lines=lines[:count])) for count in counts]
        return loader.dimension("applications", cells)


def ledger(loader: Loader, rows: int) -> Dimension:
    """Servers beside each other, with ledgers of 0 rows to `rows`, each in one file; larger ledgers are not done."""
    steps = [0, *(step for step in _decades() if step < rows), *([rows] if rows else [])]
    not_done = [Point(step, f"not done: takes --rows {step}") for step in (*_decades(), ROWS) if step > rows]
    with ExitStack() as stack:
        cells = []
        for step in steps:
            tsa = stack.enter_context(server.authority(KEY, loader.server_core, changed=_ONE_FILE))
            loader.fill(tsa, step)
            cells.append(Cell(step, tsa, rows=True, remark=f"{_ledger_mib(tsa.directory):,.0f} MiB at first"))
        return loader.dimension("ledger rows", cells, not_done)


def _decades() -> Iterator[int]:
    step = _FIRST_ROWS
    while step < ROWS:
        yield step
        step *= 10


def _ledger_mib(directory: Path) -> float:
    """The files of a ledger together."""
    return sum(file.stat().st_size for file in (directory / "ledger").rglob("*") if file.is_file()) / 2**20
