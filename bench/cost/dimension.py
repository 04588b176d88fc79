"""One dimension along which the cost of a stamp may grow: its cells loaded in turn, and the slope through them."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bench import BenchError, proc, server
from bench.cost.ceiling import percentiles_ms
from bench.cost.limit import GeneratorCeiling
from bench.cost.load import LOOPBACK, Way, drive

CONNECTIONS = 256
"""For every dimension but that of connections."""
_FILL_PER_S = 20_000
_LONGEST_FILL_S = 10.0


@dataclass(frozen=True)
class Point:
    """One cell: medians over its rounds; without figures, `not_done` has the reason. `remark` is for the reader."""

    x: float
    not_done: str = ""
    remark: str = ""
    stamps_per_s: float | None = None
    cpu_us: float | None = None
    latency_ms: dict[str, float] | None = None
    wrong: int = 0


@dataclass(frozen=True)
class Dimension:
    """A dimension, its points, and the slope over all cells that were done."""

    name: str
    points: list[Point]
    exponent: float | None
    """b where CPU a stamp goes as x to the power b (least squares of the logarithms); None of fewer than 2 cells."""
    sentence: str


@dataclass(frozen=True)
class Cell:
    """A load to be made: on a server, over `connections`."""

    x: int
    tsa: server.Server
    connections: int = CONNECTIONS
    way: Way = LOOPBACK
    rows: bool = False
    """The point's x is the mean number of stamps in the ledger during the load, and not the x given here."""
    remark: str = ""


@dataclass(frozen=True)
class _Load:
    """The figures of one load of a cell."""

    x: float
    stamps_per_s: float
    cpu_us: float
    latency_ms: dict[str, float]
    wrong: int


class Loader:
    """The common part of all cells: the cores, the length and number of loads."""

    def __init__(self, seconds: float, rounds: int, tell: Callable[[str], None]) -> None:
        self.seconds, self.rounds, self.tell = seconds, rounds, tell
        self.server_core, self.load_core = proc.cores()
        self.all_cores = os.sched_getaffinity(0)
        self._generator = GeneratorCeiling(self.server_core)

    def pinned(self) -> AbstractContextManager[None]:
        """Keep the load generator, which is this thread, on its core."""
        return proc.pinned(self.load_core)

    def fill(self, tsa: server.Server, stamps: int) -> None:
        """Have an authority stamp until its ledger has at least `stamps`. BenchError on a wrong answer."""
        while (missing := stamps - tsa.batches()[0]) > 0:
            self.tell(f"filling a ledger, {stamps - missing:,.0f} of {stamps:,} stamps")
            run = drive(tsa.port, CONNECTIONS, max(0.1, min(_LONGEST_FILL_S, missing / _FILL_PER_S)), lambda: 0)
            if run.faults:
                raise BenchError(f"a ledger could not be filled; wrong answers: {dict(run.faults)}")

    def dimension(self, name: str, cells: Sequence[Cell], not_done: Sequence[Point] = ()) -> Dimension:
        """Load all the cells in turn. BenchError where one cannot be measured."""
        loads: list[list[_Load]] = [[] for _ in cells]
        for number in range(self.rounds):
            for cell, found in zip(cells, loads, strict=True):
                self.tell(f"{name}: {cell.x:,}, {self.seconds:g} s, {number + 1} of {self.rounds}")
                found.append(self._load(cell))
        points = [self._median(cell, found) for cell, found in zip(cells, loads, strict=True)]
        return summed_up(name, [*points, *not_done])

    def _load(self, cell: Cell) -> _Load:
        family = proc.family(cell.tsa.pid)
        run = drive(cell.tsa.port, cell.connections, self.seconds, lambda: proc.cpu_ns(family), way=cell.way)
        stamps = len(run.latencies)
        return _Load(
            x=cell.tsa.batches()[0] - stamps / 2 if cell.rows else cell.x,
            stamps_per_s=stamps / run.elapsed * 1e9,
            cpu_us=run.server_cpu / stamps / 1000,
            latency_ms=percentiles_ms(run.latencies),
            wrong=run.faults.total(),
        )

    def _median(self, cell: Cell, found: Sequence[_Load]) -> Point:
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
    """The points of a dimension with the slope through the measured ones."""
    done = [point for point in points if point.cpu_us and point.x > 0]
    exponent = _exponent([(point.x, point.cpu_us) for point in done if point.cpu_us])
    if exponent is None:
        return Dimension(name, list(points), None, f"{name}: no slope, for fewer than two cells were done.")
    sentence = (
        f"{name}: a stamp's CPU time goes as about the power {exponent:+.3f}: with twice as many, a stamp costs"
        f" {2**exponent:.3f} times as much CPU time. {_last_to_first(done[0], done[-1])}"
    )
    return Dimension(name, list(points), exponent, sentence)


def _last_to_first(first: Point, last: Point) -> str:
    """The ratios of the last cell to the first, as a sentence."""
    ratios = []
    if first.cpu_us and last.cpu_us:
        ratios.append(f"CPU a stamp {last.cpu_us / first.cpu_us:.3f}")
    if first.latency_ms and last.latency_ms:
        ratios.append(f"p99 {last.latency_ms['p99'] / first.latency_ms['p99']:.3f}")
    return f"Last to first: {', '.join(ratios)} times."


def _exponent(pairs: Sequence[tuple[float, float]]) -> float | None:
    """The slope of the straight line through (log x, log y) by least squares."""
    if len({x for x, _ in pairs}) < 2:
        return None
    return statistics.linear_regression([math.log(x) for x, _ in pairs], [math.log(y) for _, y in pairs]).slope
