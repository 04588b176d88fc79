"""The same load on several time-stamp authorities in turn, A B A B …: other work of the machine meets all of them.

Each authority gives one token first, which is checked in full and tells the type of the key: its CPU time stands beside
the raw signature of that type. A trial finds the connections that an authority serves at once, up to the number asked.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench import BenchError, host, proc
from bench.cost import raw
from bench.cost.ceiling import percentiles_ms
from bench.cost.introduce import Introduction, Subject, introduce
from bench.cost.limit import GeneratorCeiling
from bench.cost.load import CLOSED, NO_CONNECTION, Way, drive

TRIAL_S = 0.5
TRIAL_PATIENCE_S = 5.0
UNSERVED = (CLOSED, NO_CONNECTION, "HTTP status 503")
"""The beginnings of the faults of a server with too many connections at once."""
NO_PID = "CPU not measured: no PID given"


@dataclass(frozen=True)
class Turn:
    """One load on one authority; times as in its Run."""

    name: str
    stamps: int
    seconds: float
    stamps_per_s: float
    cpu_us: float | None
    """CPU of the server's processes a stamp, µs; None without a PID."""
    latency_ms: dict[str, float]
    wrong: int
    faults: dict[str, int]
    reopened: int
    generator_us: float


@dataclass(frozen=True)
class Result:
    """One authority over all its turns: medians; ratios to the first authority of the same round, also medians."""

    name: str
    url: str
    pid: int | None
    key: str
    """The type of its key, as `--key` of `tsa-bench ceiling` has it, or as its certificate does."""
    proof: str
    """The reason why tsa.verify does not prove its token, "" when it does."""
    connections: int
    keeps_alive: bool
    not_measured: list[str]
    """Why figures are missing."""
    stamps_per_s: float | None
    rate_ratio: float | None
    cpu_us: float | None
    cpu_ratio: float | None
    raw_us: float | None
    """The median raw signature of its key's type in this run, µs."""
    raw_ratio: float | None
    latency_ms: dict[str, float] | None
    rss_mib: float | None
    wrong: int
    faults: dict[str, int]


@dataclass(frozen=True)
class Comparison:
    """Everything that one run of `tsa-bench compare` found."""

    host: dict[str, str | int]
    seconds: float
    cert_req: bool
    load_core: int
    results: list[Result]
    turns: list[Turn]
    """In the order of time, without the turns of an authority for which the generator was too slow."""
    notes: list[str]

    @property
    def exit_status(self) -> int:
        """1 when an answer was wrong, 2 when the generator was too slow for one of them, else 0."""
        if any(each.wrong for each in self.results):
            return 1
        return 2 if any(each.stamps_per_s is None for each in self.results) else 0


@dataclass(frozen=True)
class _Ready:
    """A subject after its introduction, with the load that fits it."""

    subject: Subject
    introduction: Introduction
    way: Way
    connections: int
    keeps_alive: bool


def measure(
    subjects: Sequence[Subject],
    connections: int,
    seconds: float,
    rounds: int,
    tell: Callable[[str], None],
    *,
    cert_req: bool = False,
) -> Comparison:
    """Load all in turn, `rounds` times, over at most `connections` each. BenchError where one cannot be measured."""
    if len({each.name for each in subjects}) < len(subjects):
        raise BenchError("two authorities have the same name: give each one of its own")
    server_core, load_core = proc.cores()
    notes = [note for each in subjects if (note := _core_note(each, load_core))]
    with proc.pinned(load_core):
        ready = [_ready(each, connections, tell, cert_req=cert_req) for each in subjects]
        signs = {key: raw.signature(key) for each in ready if (key := each.introduction.key) in raw.KEYS}
        chunks: dict[str, list[float]] = {key: [] for key in signs}
        turns: list[list[Turn]] = []
        for number in range(rounds):
            for key, sign in signs.items():
                chunks[key] += raw.chunks_us(sign)
            turns.append([])
            for each in ready:
                tell(f"{each.subject.name}, {each.connections} connections, {seconds:g} s, {number + 1} of {rounds}")
                turns[-1].append(_turn(each, seconds))
        raw_us = {key: statistics.median(found) for key, found in chunks.items()}
        generator = GeneratorCeiling(server_core)
        results = [_result(each, place, turns, raw_us, generator) for place, each in enumerate(ready)]
    if results[0].stamps_per_s is None:
        results = [replace(each, rate_ratio=None, cpu_ratio=None) for each in results]
    measured = {each.name for each in results if each.stamps_per_s is not None}
    flat = [turn for each in turns for turn in each if turn.name in measured]
    return Comparison(host.describe(), seconds, cert_req, load_core, results, flat, notes)


def _core_note(subject: Subject, load_core: int) -> str:
    """A remark on the cores of the server, "" when it keeps off the load generator's core."""
    if subject.pid is None or load_core not in proc.affinity(subject.pid):
        return ""
    return (
        f"{subject.name} may run on core {load_core}, which makes the load: its stamps/s are of both together."
        " Start it with taskset."
    )


def _ready(subject: Subject, connections: int, tell: Callable[[str], None], *, cert_req: bool) -> _Ready:
    """Get to know an authority: its key, and the number of connections that it serves at once."""
    tell(f"{subject.name}: {subject.url}")
    introduction, way = introduce(subject), subject.way(cert_req=cert_req)
    trial = replace(way, patience_s=TRIAL_PATIENCE_S)
    while True:
        tell(f"{subject.name}: trial of {connections} connections")
        try:
            run = drive(subject.port, connections, TRIAL_S, lambda: 0, 1, trial)
        except BenchError as error:
            if connections == 1:
                raise BenchError(f"{subject.name}: {error}") from error
            unserved = 1
        else:
            refused = sum(count for what, count in run.faults.items() if what.startswith(UNSERVED))
            unserved = max(run.starved, refused)
            if connections == 1 or not unserved:
                return _Ready(subject, introduction, way, connections, run.reopened == 0)
        connections = max(1, min(connections // 2, connections - unserved))


def _turn(each: _Ready, seconds: float) -> Turn:
    pid = each.subject.pid
    try:
        run = drive(
            each.subject.port,
            each.connections,
            seconds,
            (lambda: 0) if pid is None else (lambda: proc.tree_cpu_ns(pid)),
            way=each.way,
        )
    except BenchError as error:
        raise BenchError(f"{each.subject.name}: {error}") from error
    stamps = len(run.latencies)
    return Turn(
        name=each.subject.name,
        stamps=stamps,
        seconds=run.elapsed / 1e9,
        stamps_per_s=stamps / run.elapsed * 1e9,
        cpu_us=None if pid is None else run.server_cpu / stamps / 1000,
        latency_ms=percentiles_ms(run.latencies),
        wrong=run.faults.total(),
        faults=dict(run.faults.most_common()),
        reopened=run.reopened,
        generator_us=run.own_cpu / stamps / 1000,
    )


def _result(
    each: _Ready,
    place: int,
    rounds: Sequence[Sequence[Turn]],
    raw_us: dict[str, float],
    generator: GeneratorCeiling,
) -> Result:
    """The medians of one authority, which is the `place`-th of each round."""
    own, first = [turns[place] for turns in rounds], [turns[0] for turns in rounds]
    key, per_s = each.introduction.key, statistics.median(turn.stamps_per_s for turn in own)
    limited = generator.limit(per_s, each.connections, closing=not each.keeps_alive)
    cpu_us = _median([turn.cpu_us for turn in own])
    why = [limited, "" if each.subject.pid else NO_PID, "" if key in raw_us else f"no raw signature with a {key} key"]
    faults = sum((Counter(turn.faults) for turn in own), Counter())
    latency_ms = {name: statistics.median(turn.latency_ms[name] for turn in own) for name in own[0].latency_ms}
    if limited:
        cpu_us = None
    return Result(
        name=each.subject.name,
        url=host.without_key(each.subject.url),
        pid=each.subject.pid,
        key=key,
        proof=each.introduction.proof,
        connections=each.connections,
        keeps_alive=each.keeps_alive,
        not_measured=[reason for reason in why if reason],
        stamps_per_s=None if limited else per_s,
        rate_ratio=None if limited else _ratio(own, first, lambda turn: turn.stamps_per_s),
        cpu_us=cpu_us,
        cpu_ratio=_ratio(own, first, lambda turn: turn.cpu_us) if cpu_us else None,
        raw_us=raw_us.get(key),
        raw_ratio=cpu_us / raw_us[key] if cpu_us and key in raw_us else None,
        latency_ms=None if limited else latency_ms,
        rss_mib=proc.rss_bytes(proc.family(each.subject.pid)) / 2**20 if each.subject.pid else None,
        wrong=faults.total(),
        faults=dict(faults.most_common()),
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _ratio(own: Sequence[Turn], first: Sequence[Turn], figure: Callable[[Turn], float | None]) -> float | None:
    """The median, over the rounds, of a figure divided by that of the first authority in the same round."""
    pairs = [(figure(turn), figure(other)) for turn, other in zip(own, first, strict=True)]
    return _median([mine / other if mine is not None and other else None for mine, other in pairs])
