"""How the cost of a stamp grows: with workers, connections, applications, and the rows that the ledger has.

Each dimension is measured by itself, its cells in turn, A B C A B C, so that what else the machine does meets them all.
"""

from __future__ import annotations

import hashlib
import resource
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import BenchError, host, server
from bench.cost import growth
from bench.cost.dimension import CONNECTIONS, Cell, Dimension, Loader, Point
from bench.cost.load import Way

KEY = growth.KEY
WORKERS = (1, 2, 4, 8)
CONNECTION_COUNTS = (1, 10, 100, 1000)
APPLICATIONS = (1, 10, 100)
ROWS = 10_000_000
_FIRST_ROWS = 100_000
LICENCES = 1000
"""Of each application."""


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
    """How far each dimension goes; `rows` is the largest ledger."""

    rows: int
    workers: Sequence[int] = WORKERS
    connections: Sequence[int] = CONNECTION_COUNTS
    applications: Sequence[int] = APPLICATIONS


def measure(extent: Extent, seconds: float, rounds: int, tell: Callable[[str], None]) -> Scale:
    """Measure every dimension. `seconds` of a cell, after 1 s of warm-up. BenchError where that cannot be done."""
    loader = Loader(seconds, rounds, tell)
    open_files(max(extent.connections))
    with loader.pinned():
        dimensions = [
            workers(loader, extent.workers),
            connections(loader, extent.connections),
            applications(loader, extent.applications),
            ledger(loader, extent.rows),
        ]
    return Scale(host.describe(), KEY, seconds, rounds, dimensions)


def open_files(connections: int) -> None:
    """Let us, and the servers that we start, have so many connections. BenchError where the limit is too low."""
    wanted = connections + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise BenchError(f"{connections} connections need {wanted} open files, and the limit is {hard}: ulimit -Hn")
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def workers(loader: Loader, counts: Sequence[int]) -> Dimension:
    """A server of so many workers, each with a core of its own as far as there are cores."""
    allowed = sorted(loader.all_cores)
    others = [core for core in allowed if core != loader.load_core] or allowed
    cells, not_done = [], []
    with ExitStack() as stack:
        for count in counts:
            if count > len(allowed):
                not_done.append(Point(count, f"not done: this machine has {len(allowed)} cores"))
                continue
            shared = count > len(others)
            tsa = stack.enter_context(served(allowed if shared else others[:count], count))
            remark = "with as many workers as cores, one shares its core with the load generator" if shared else ""
            cells.append(Cell(count, tsa, remark=remark))
        return loader.dimension("workers", cells, not_done)


def connections(loader: Loader, counts: Sequence[int]) -> Dimension:
    """One server over so many keep-alive connections, a request outstanding on each."""
    with served(loader.server_core) as tsa:
        return loader.dimension("connections", [Cell(count, tsa, count) for count in counts])


def applications(loader: Loader, counts: Sequence[int]) -> Dimension:
    """One server; its 256 connections (or as many as there are applications) are shared out among so many of them."""
    keys: list[str] = []
    with served(loader.server_core, prepare=lambda directory: keys.extend(register(directory, max(counts)))) as tsa:
        lines = [f"Authorization: Bearer {key}\r\n" for key in keys]
        cells = [Cell(count, tsa, max(CONNECTIONS, count), Way(lines=lines[:count])) for count in counts]
        return loader.dimension("applications", cells)


def ledger(loader: Loader, rows: int) -> Dimension:
    """Servers beside each other, with ledger files of 0 rows to `rows`; what is between that and 10 M is not done."""
    steps = [0, *(step for step in _decades() if step < rows), *([rows] if rows else [])]
    beyond = [step for step in (*_decades(), ROWS) if step > rows]
    not_done = [Point(step, f"not done: takes --rows {step}") for step in beyond]
    with ExitStack() as stack:
        cells = []
        for step in steps:
            name = stack.enter_context(TemporaryDirectory(prefix="tsa-bench-"))
            growth.prepare(Path(name), step, loader.server_core, loader.tell)
            cells.append(Cell(step, stack.enter_context(server.serving(Path(name), loader.server_core)), rows=True))
        return loader.dimension("ledger rows", cells, not_done)


def _decades() -> Iterator[int]:
    step = _FIRST_ROWS
    while step < ROWS:
        yield step
        step *= 10


@contextmanager
def served(
    cores: int | Sequence[int], workers: int = 1, prepare: Callable[[Path], None] = lambda _: None
) -> Iterator[server.Server]:
    """A new authority on these cores, its folder prepared before it is served; the folder goes with it."""
    with TemporaryDirectory(prefix="tsa-bench-") as name:
        server.initialise(Path(name), KEY)
        prepare(Path(name))
        with server.serving(Path(name), cores, workers) as tsa:
            yield tsa


def register(directory: Path, count: int) -> list[str]:
    """Register so many applications, with licences; their APP_KEYs. By SQL: `tsa app add` takes a second for each."""
    keys = [secrets.token_urlsafe(32) for _ in range(count)]
    now = int(time.time())
    with closing(sqlite3.connect(directory / "control.db")) as connection, connection:
        for number, key in enumerate(keys):
            added = connection.execute(
                "INSERT INTO application (name, key_hash, created) VALUES (?, ?, ?)",
                (f"bench-{number}", hashlib.sha256(key.encode()).digest(), now),
            )
            connection.execute(
                "INSERT INTO licence (application, count, valid_from) VALUES (?, ?, 0)",
                (added.lastrowid, LICENCES),
            )
    return keys
