"""The record of a run of the load suite: every request that was sent, and all that the judge needs.

Times are seconds since the run's start on the machine's monotonic clock, which all processes of the generator share.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from bench import BenchError

GRANTED = "granted"
GOOD = "good"
EXHAUSTED = "HTTP 429"
NO_ANSWER = "no answer"
REPEATED, NOT_PROVED = "repeated serialNumber", "not proved"
"""Faults that are found after a generator has counted the answer."""

RUN, SAMPLES = "run.json", "samples.jsonl.gz"


class Phase(StrEnum):
    """The parts of a run, in their order."""

    WARM_UP = "warm-up"
    STEADY = "steady"
    BURST = "burst"
    EDGE = "edge"
    RECOVERY = "recovery"


class Sample(NamedTuple):
    """One request that was sent, and its answer."""

    phase: str
    kind: str
    """GOOD, or the name of the request's fault."""
    scheduled: float
    """The moment of the schedule; without a schedule (burst, edge, recovery), as `sent`."""
    sent: float
    done: float
    """The end of the answer, or the moment when it was given up."""
    expected: str
    """GRANTED, a failInfo name such as "badAlg", or EXHAUSTED."""
    got: str
    """GRANTED, a failInfo name, "HTTP 429", "HTTP 503", or NO_ANSWER, a colon and why."""
    fault: str = ""
    """The fault of the token: "imprint", "nonce", "repeated serialNumber", "not proved: …"."""
    verified: bool = False
    """Checked in full with tsa.verify, with success."""
    gen_time: float | None = None
    """genTime of the token, seconds since the epoch: the stamp was debited in its window."""


class PhaseRecord(NamedTuple):
    """A phase as it went; a phase that was left out has no record, and its reason stands in `not_done`."""

    name: str
    start: float
    end: float
    planned: int
    """Requests that the schedule has in it."""
    offered: int
    """Requests that were sent in it; every one has its Sample."""


class GeneratorSecond(NamedTuple):
    """The health of one generator process in one second."""

    at: float
    """Where the second begins."""
    process: int
    cpu: float
    """Its share of one core, 0 to 1."""
    late_ms: float
    """The worst lateness of a timer of its own, which no server can have caused."""


class ClockReading(NamedTuple):
    """The wall clock beside the monotonic one; a jump between two readings is a step of the clock."""

    at: float
    offset: float
    """Seconds since the epoch at the run's start, as this reading has it: wall clock minus `at`."""


class ServerStart(NamedTuple):
    """The identity of the server at a moment: another one than before is a restart."""

    at: float
    identity: str


@dataclass(frozen=True)
class Run:
    """Everything that the judge and the report need. Maps hold text and numbers only, for JSON."""

    url: str
    licences: int
    stamps_per_licence_hour: int
    window_s: int
    started: str
    """UTC, ISO 8601."""
    duration_s: float
    """The length asked for of the steady phase."""
    phases: list[PhaseRecord]
    samples: list[Sample]
    seconds: list[GeneratorSecond]
    clock: list[ClockReading]
    server_starts: list[ServerStart]
    locust: dict[str, float]
    """Locust's own: "requests", "failures", "median_ms", "p99_ms" (ms from the scheduled moment), of all phases."""
    host: dict[str, str | int]
    versions: dict[str, str]
    command: str
    configuration: dict[str, Any]
    capacity: int
    """Stamps that the licences give in one window."""
    used_before: int | None = 0
    """Stamps of others in the window of burst and edge; None where that cannot be known (a live server)."""
    not_done: list[str] = field(default_factory=list)
    """Keys of bench/capacity/words.py ("not done: …"), which it has in both languages, or sentences."""

    def phase(self, name: str) -> PhaseRecord | None:
        """The record of a phase, None where it was left out."""
        return next((phase for phase in self.phases if phase.name == name), None)

    def of(self, *phases: str) -> list[Sample]:
        """The samples of some phases."""
        return [sample for sample in self.samples if sample.phase in phases]


def write(run: Run, folder: Path) -> None:
    """Keep a run in a folder, which is made where missing: the samples a line each, all else in run.json."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = asdict(replace(run, samples=[]))  # of millions of samples it would make copies
    del kept["samples"]
    (folder / RUN).write_text(json.dumps(kept, indent=1, ensure_ascii=False), "utf-8")
    with gzip.open(folder / SAMPLES, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(sample, ensure_ascii=False) + "\n" for sample in run.samples)


_ROWS: dict[str, Any] = {
    "phases": PhaseRecord,
    "seconds": GeneratorSecond,
    "clock": ClockReading,
    "server_starts": ServerStart,
}


def read(folder: Path) -> Run:
    """A run that write() kept. BenchError where the folder holds none that can be read."""
    try:
        kept = json.loads((folder / RUN).read_text("utf-8"))
        for name, row in _ROWS.items():
            kept[name] = [row(*values) for values in kept[name]]
        with gzip.open(folder / SAMPLES, "rt", encoding="utf-8") as lines:
            kept["samples"] = [Sample(*json.loads(line)) for line in lines]
        return Run(**kept)
    except (OSError, EOFError, ValueError, TypeError, KeyError) as error:
        raise BenchError(f"{folder} holds no whole record of a run ({RUN}, {SAMPLES}): {error}") from error
