"""One dimension along which the cost of a stamp may grow: its cells loaded in turn, and the slope through them."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bench import proc, server
from bench.cost import growth
from bench.cost.ceiling import percentiles_ms
from bench.cost.limit import Generator
from bench.cost.load import LOOPBACK, Way, drive

CONNECTIONS = 256
"""Where connections are not what is varied."""


@dataclass(frozen=True)
class Point:
    """One cell: medians over its rounds; None with the reason in `not_done`, which may also be a remark."""

    x: float
    not_done: str = ""
    remark: str = ""
    stamps_per_s: float | None = None
    cpu_us: float | None = None
    latency_ms: dict[str, float] | None = None
    wrong: int = 0


@dataclass(frozen=True)
class Dimension:
    """What was varied, what came of it, and the slope over all cells that were done."""

    name: str
    points: list[Point]
    exponent: float | None
    """b where CPU a stamp goes as x to the power b (least squares of the logarithms); None of fewer than 2 cells."""
    sentence: str


@dataclass(frozen=True)
class Cell:
    """A load that is to be made: on a server, over so many connections."""

    x: int
    tsa: server.Server
    connections: int = CONNECTIONS
    way: Way = LOOPBACK
    rows: bool = False
    """x is what the ledger has on average during the load, and not what is given here."""
    remark: str = ""


class Loader:
    """What all cells share: the cores, how long and how often each is loaded."""

    def __init__(self, seconds: float, rounds: int, tell: Callable[[str], None]) -> None:
        self.seconds, self.rounds, self.tell = seconds, rounds, tell
        self.server_core, self.load_core = proc.cores()
        self.all_cores = os.sched_getaffinity(0)
        self._generator = Generator(self.server_core)

    def pinned(self) -> AbstractContextManager[None]:
        """Keep the load generator, which is this thread, on its core."""
        return proc.pinned(self.load_core)

    def dimension(self, name: str, cells: Sequence[Cell], not_done: Sequence[Point] = ()) -> Dimension:
        """Load all the cells in turn. BenchError where one cannot be measured."""
        rounds: list[list[Point]] = []
        for number in range(self.rounds):
            rounds.append([])
            for cell in cells:
                self.tell(f"{name}: {cell.x:,}, {self.seconds:g} s, {number + 1} of {self.rounds}")
                rounds[-1].append(self._load(cell))
        points = [self._median(cell, of_cell) for cell, of_cell in zip(cells, zip(*rounds, strict=True), strict=True)]
        return summed_up(name, [*points, *not_done])

    def _load(self, cell: Cell) -> Point:
        family = proc.family(cell.tsa.pid)
        before = growth.rows_of(cell.tsa.directory) if cell.rows else 0
        run = drive(cell.tsa.port, cell.connections, self.seconds, lambda: proc.cpu_ns(family), way=cell.way)
        stamps = len(run.latencies)
        return Point(
            x=before + stamps / 2 if cell.rows else cell.x,
            stamps_per_s=stamps / run.elapsed * 1e9,
            cpu_us=run.server_cpu / stamps / 1000,
            latency_ms=percentiles_ms(run.latencies),
            wrong=run.faults.total(),
        )

    def _median(self, cell: Cell, found: Sequence[Point]) -> Point:
        per_s = statistics.median(each.stamps_per_s for each in found)
        wrong = sum(each.wrong for each in found)
        x = statistics.median(each.x for each in found)
        if limited := self._generator.limit(per_s, cell.connections):
            return Point(x, limited, wrong=wrong)
        return Point(
            x=x,
            remark=cell.remark,
            stamps_per_s=per_s,
            cpu_us=statistics.median(each.cpu_us for each in found),
            latency_ms={
                name: statistics.median(each.latency_ms[name] for each in found) for name in found[0].latency_ms
            },
            wrong=wrong,
        )


def summed_up(name: str, points: Sequence[Point]) -> Dimension:
    """The points of a dimension with the slope through those that were measured."""
    done = [(point.x, point.cpu_us) for point in points if point.cpu_us and point.x > 0]
    exponent = _exponent(done)
    if exponent is None:
        return Dimension(name, list(points), None, f"{name}: no slope, for fewer than two cells were done.")
    sentence = (
        f"{name}: a stamp's CPU time goes as about the power {exponent:+.3f}: with twice as many, a stamp costs"
        f" {2**exponent:.3f} times as much CPU time."
    )
    return Dimension(name, list(points), exponent, sentence)


def _exponent(pairs: Sequence[tuple[float, float]]) -> float | None:
    """The slope of the straight line through (log x, log y) by least squares."""
    if len({x for x, _ in pairs}) < 2:
        return None
    return statistics.linear_regression([math.log(x) for x, _ in pairs], [math.log(y) for _, y in pairs]).slope
