"""What a stamp costs the server, beside what its signature alone costs, on this machine, in this run.

Absolute figures move with the machine and with what else runs on it; the ratio of the two hardly does.
"""

import statistics
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bench import BenchError, host, proc, raw, server
from bench.load import drive
from bench.sample import verify
from bench.stages import stages_us

GENERATOR_S = 2.0
GENERATOR_CONNECTIONS = 64
SAMPLE = 20


@dataclass(frozen=True)
class Cell:
    """One key and number of connections. Figures are of the measured time; `faults` and `wrong` of the warm-up too."""

    key: str
    connections: int
    stamps: int
    seconds: float
    stamps_per_s: float
    cpu_us: float
    """CPU of all the server's processes a stamp, µs."""
    raw_us: float
    """The median raw signature just before and just after, µs."""
    ratio: float
    stages_us: dict[str, float]
    """Where `cpu_us` goes; what the stages measured by themselves do not explain is "the rest"."""
    latency_ms: dict[str, float]
    mean_batch: float | None
    rss_mib: float
    wrong: int
    faults: dict[str, int]
    sampled: int
    verified: int
    verifier: str
    unverified: list[str]
    generator_us: float
    generator_limited: bool


@dataclass(frozen=True)
class Ceiling:
    """Everything that one run of `tsa-bench ceiling` found."""

    host: dict[str, str | int]
    server_core: int
    load_core: int
    shared_core: bool
    """One core for server and load: `stamps_per_s` and the latencies are then of both together."""
    generator_ceiling_per_s: float
    results: list[Cell]

    @property
    def right(self) -> bool:
        """Every answer was right and the whole sample verified."""
        return not any(cell.wrong or cell.verified < cell.sampled for cell in self.results)


def measure(key: str, connections: Sequence[int], seconds: float, tell: Callable[[str], None]) -> Ceiling:
    """Measure a new authority, one cell for each number of connections. BenchError where that cannot be done.

    `seconds` a cell, after 1 s of warm-up; `tell` is given a line at each step.
    """
    server_core, load_core = proc.cores()
    tell("load generator against a constant reply")
    with proc.pinned(load_core):
        ceiling = _generator_ceiling(server_core)
        tell(f"authority with a {key} key")
        raw_chunks = partial(_raw_chunks, raw.signature(key), server_core)
        with server.authority(key, server_core) as tsa:
            cells = []
            for count in connections:
                tell(f"{key}, {count} connections, {seconds:g} s")
                cells.append(_cell(tsa, server_core, key, count, seconds, raw_chunks, ceiling))
    return Ceiling(host.describe(), server_core, load_core, server_core == load_core, ceiling, cells)


def _generator_ceiling(core: int) -> float:
    """Answers a second that the generator takes from a server that does nothing for them."""
    with server.constant(core) as (pid, port):
        run = drive(port, GENERATOR_CONNECTIONS, GENERATOR_S, lambda: proc.cpu_ns([pid]))
    if run.faults:
        raise BenchError(f"the load generator found fault with the constant reply: {dict(run.faults)}")
    return len(run.latencies) / run.elapsed * 1e9


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
    generator_ceiling: float,
) -> Cell:
    family = proc.family(tsa.pid)
    before = raw_chunks()
    stamps_before, batches_before = tsa.batches()
    run = drive(tsa.port, connections, seconds, lambda: proc.cpu_ns(family), SAMPLE)
    stamps_after, batches_after = tsa.batches()
    raw_us = statistics.median(before + raw_chunks())
    verifier, unverified = verify(key, run.sample, tsa.directory)
    batches = batches_after - batches_before
    stamps = len(run.latencies)
    cpu_us, per_s = run.server_cpu / stamps / 1000, stamps / run.elapsed * 1e9
    mean_batch = (stamps_after - stamps_before) / batches if batches else None
    stages = stages_us(raw_us, connections, mean_batch or 1, core)
    return Cell(
        key=key,
        connections=connections,
        stamps=stamps,
        seconds=run.elapsed / 1e9,
        stamps_per_s=per_s,
        cpu_us=cpu_us,
        raw_us=raw_us,
        ratio=cpu_us / raw_us,
        stages_us=stages | {"the rest": cpu_us - sum(stages.values())},
        latency_ms=percentiles_ms(run.latencies),
        mean_batch=mean_batch,
        rss_mib=proc.rss_bytes(family) / 2**20,
        wrong=run.faults.total(),
        faults=dict(run.faults.most_common()),
        sampled=len(run.sample),
        verified=len(run.sample) - len(unverified),
        verifier=verifier,
        unverified=unverified,
        generator_us=run.own_cpu / stamps / 1000,
        generator_limited=per_s > 0.8 * generator_ceiling,
    )


def percentiles_ms(latencies: "array[int]") -> dict[str, float]:
    """p50 and p99 of latencies in ns, as ms: the smallest that so many per cent do not exceed."""
    ordered = sorted(latencies)
    return {f"p{percent}": ordered[-(-len(ordered) * percent // 100) - 1] / 1e6 for percent in (50, 99)}
