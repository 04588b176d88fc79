"""The CPU time of a stamp beside that of its signature alone, on this machine, in this run.

Absolute figures depend on the machine and its other work; the ratio of the two hardly does.
"""

import statistics
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench import host, proc, server
from bench.cost import raw
from bench.cost.limit import GeneratorCeiling
from bench.cost.load import Run, drive
from bench.cost.sample import verify
from bench.cost.stages import stages_us

SAMPLE = 20
STAMPS_PER_LICENCE_HOUR = 20_000
FIGURES = (
    "stamps_per_s",
    "licences",
    "licences_per_core",
    "cpu_us",
    "ratio",
    "stages_us",
    "latency_ms",
    "mean_batch",
)
"""The server's figures in a Cell: all None where the generator was too slow for the server."""


@dataclass(frozen=True)
class Cell:
    """One key and number of connections. Figures are of the measured time; `faults` and `wrong` of the warm-up too.

    Where `not_measured` gives a reason, the server's figures are None: a server that waits for its load makes small
    batches, in which a stamp costs more.
    """

    key: str
    connections: int
    not_measured: str
    stamps: int
    seconds: float
    stamps_per_s: float | None
    licences: float | None
    """Licences whose hour `stamps_per_s` fills."""
    licences_per_core: float | None
    """Licences that a core with no other work fills at `cpu_us` a stamp."""
    cpu_us: float | None
    """CPU of all the server's processes a stamp, µs."""
    raw_us: float
    """The median raw signature just before and just after, µs."""
    ratio: float | None
    stages_us: dict[str, float] | None
    """The parts of `cpu_us`; "the rest" is the part that no stage explains."""
    latency_ms: dict[str, float] | None
    mean_batch: float | None
    rss_mib: float
    wrong: int
    faults: dict[str, int]
    sampled: int
    verified: int
    verifier: str
    unverified: list[str]
    generator_us: float
    generator_ceiling_per_s: float
    """Answers a second that the load generator takes from a constant reply over as many connections."""


@dataclass(frozen=True)
class Ceiling:
    """Everything that one run of `tsa-bench ceiling` found."""

    host: dict[str, str | int]
    server_core: int
    load_core: int
    shared_core: bool
    """One core for server and load: `stamps_per_s` and the latencies are then of both together."""
    stamps_per_licence_hour: int
    results: list[Cell]

    @property
    def exit_status(self) -> int:
        """1 when an answer was wrong or a token did not verify, 2 when a cell could not be measured, else 0."""
        if any(cell.wrong or cell.verified < cell.sampled for cell in self.results):
            return 1
        return 2 if any(cell.not_measured for cell in self.results) else 0


def measure(keys: Sequence[str], connections: Sequence[int], seconds: float, tell: Callable[[str], None]) -> Ceiling:
    """Measure a new authority of each key, one cell for each number of connections. BenchError where that fails.

    `seconds` a cell, after 1 s of warm-up; `tell` is given a line at each step.
    """
    server_core, load_core = proc.cores()
    cells = []
    with proc.pinned(load_core):
        generator = GeneratorCeiling(server_core)
        for key in keys:
            tell(f"authority with a {key} key")
            raw_chunks = partial(_raw_chunks, raw.signature(key), server_core)
            with server.authority(key, server_core) as tsa:
                for count in connections:
                    tell(f"{key}, {count} connections, {seconds:g} s")
                    cells.append(_cell(tsa, server_core, key, count, seconds, raw_chunks, generator))
    shared = server_core == load_core
    return Ceiling(host.describe(), server_core, load_core, shared, STAMPS_PER_LICENCE_HOUR, cells)


def _raw_chunks(sign: Callable[[], bytes], core: int) -> list[float]:
    """Raw signatures on the server's core, while the server is idle."""
    with proc.pinned(core):
        return raw.chunks_us(sign)


def _cell(
    tsa: server.Server,
    core: int,
    key: str,
    connections: int,
    seconds: float,
    raw_chunks: Callable[[], list[float]],
    generator: GeneratorCeiling,
) -> Cell:
    family = proc.family(tsa.pid)
    before = raw_chunks()
    stamps_before, batches_before = tsa.batches()
    run = drive(tsa.port, connections, seconds, lambda: proc.cpu_ns(family), SAMPLE)
    stamps_after, batches_after = tsa.batches()
    raw_us = statistics.median(before + raw_chunks())
    verifier, unverified = verify(key, run.sample, tsa.directory)
    stamps, per_s = len(run.latencies), len(run.latencies) / run.elapsed * 1e9
    batches = batches_after - batches_before
    mean_batch = (stamps_after - stamps_before) / batches if batches else None
    limited = generator.limit(per_s, connections)
    return Cell(
        key=key,
        connections=connections,
        not_measured=limited,
        stamps=stamps,
        seconds=run.elapsed / 1e9,
        raw_us=raw_us,
        **(dict.fromkeys(FIGURES) if limited else _figures(run, raw_us, mean_batch, connections, core)),
        rss_mib=proc.rss_bytes(family) / 2**20,
        wrong=run.faults.total(),
        faults=dict(run.faults.most_common()),
        sampled=len(run.sample),
        verified=len(run.sample) - len(unverified),
        verifier=verifier,
        unverified=unverified,
        generator_us=run.own_cpu / stamps / 1000,
        generator_ceiling_per_s=generator.ceiling_per_s(connections),
    )


def _figures(run: Run, raw_us: float, mean_batch: float | None, connections: int, core: int) -> dict[str, Any]:
    """The server's figures by their names in a Cell."""
    cpu_us, per_s = run.server_cpu / len(run.latencies) / 1000, len(run.latencies) / run.elapsed * 1e9
    stages = stages_us(raw_us, connections, mean_batch or 1, core)
    return {
        "stamps_per_s": per_s,
        "licences": licences(per_s),
        "licences_per_core": licences(1e6 / cpu_us),
        "cpu_us": cpu_us,
        "ratio": cpu_us / raw_us,
        "stages_us": stages | {"the rest": cpu_us - sum(stages.values())},
        "latency_ms": percentiles_ms(run.latencies),
        "mean_batch": mean_batch,
    }


def licences(stamps_per_s: float) -> float:
    """Licences whose hour this rate fills."""
    return stamps_per_s * 3600 / STAMPS_PER_LICENCE_HOUR


def percentiles_ms(latencies: "array[int]") -> dict[str, float]:
    """p50 and p99, in ms, of latencies in ns: the smallest value that 50 or 99 per cent of them do not exceed."""
    ordered = sorted(latencies)
    return {f"p{percent}": ordered[-(-len(ordered) * percent // 100) - 1] / 1e6 for percent in (50, 99)}
