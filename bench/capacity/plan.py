"""The plan that the suite gives its generators, in a file; the credentials go by the environment."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.capacity.schedule import OfferedLoad

KEY_VARIABLE = "TSA_APP_KEY"
PATIENCE_S = 15.0
"""The time that an answer has to come, in s."""

PLAN, COURSE, STATISTICS, LOG = "plan.json", "course.json", "locust.json", "locust.log"
SAMPLES, HEALTH = "generator-{}.samples", "generator-{}.health"
"""The files of a generator process; its number takes the place of the braces."""


@dataclass(frozen=True)
class Plan:
    """One run of the suite: target, rate, phases. Lengths in s."""

    url: str
    rate: float
    """Good requests a second in the phases that have a schedule."""
    pattern: str
    seed: int
    salt: str
    """Hexadecimal; two runs with another salt have no request in common."""
    warm_up_s: float
    duration_s: float
    window_s: int
    exhaust: int
    """Stamps to use up in one window before refusals are due; 0: burst, edge and recovery are left out."""
    burst_s: float
    """The least time for using them up in a window that has begun; with less, the run waits for the next window."""
    sole: bool
    """Nobody else has stamps of the licences."""
    users: int
    processes: int
    verify_every: int
    """Every n-th token is kept, to be verified in full."""
    origin: float
    """The run's start, on the monotonic clock."""

    @property
    def load(self) -> OfferedLoad:
        """The load offered."""
        return OfferedLoad(self.rate, self.pattern, self.seed, self.window_s)

    def write(self, folder: Path) -> Path:
        """Write it into a folder; the file."""
        file = folder / PLAN
        file.write_text(json.dumps(asdict(self), indent=1), "utf-8")
        return file


def read(file: Path) -> Plan:
    """The plan that a file holds."""
    return Plan(**json.loads(file.read_text("utf-8")))
