"""Whether the sold licences fit the machine, and how many signing workers serve them."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from tsa.licensing.applications import ANONYMOUS, Application
from tsa.state.config import Config

# What a stamp costs besides its signature, µs: `tsa-bench ceiling` prints it for the machine at hand.
STAMP_OVERHEAD_US = 35.0
WORKERS_PER_CORE = 4


@dataclass(frozen=True, slots=True)
class Capacity:
    """The sold licences, the stamps an hour that they add up to, and the speed of the key on this machine."""

    licences: int
    stamps_per_hour: int
    signing_workers: int
    signatures_per_s: float
    stamps_per_s: float

    @property
    def headroom(self) -> float:
        """The speed of the machine as a multiple of the sold stamps; below 1, more is sold than it can sign."""
        return self.stamps_per_s * 3600 / self.stamps_per_hour if self.stamps_per_hour else math.inf

    def __str__(self) -> str:
        return (
            f"{self.licences} licences, {self.stamps_per_hour:,} stamps/h; {self.signing_workers} signing workers,"
            f" {self.signatures_per_s:,.0f} signatures/s, {self.stamps_per_s:,.0f} stamps/s;"
            f" headroom {self.headroom:,.1f}"
        )


def worker_count(config: Config) -> int:
    """The number of worker processes: as [server] workers says, or one for every core."""
    return config.server.workers or cores()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def most_signing_workers(config: Config) -> int:
    """The most signing workers that a process may have."""
    return config.signing.threads or max(1, cores() * WORKERS_PER_CORE // worker_count(config))


def measure(config: Config, applications: Iterable[Application], cost_us: float) -> Capacity:
    """Compare the sold licences with a key that signs in `cost_us` µs."""
    second = int(time.time())
    active = [
        application
        for application in applications
        if not application.disabled and (config.anonymous.enabled or application.name != ANONYMOUS)
    ]
    licences = sum(application.licence_count(second) for application in active)
    processes = min(worker_count(config), cores())
    wanted = math.ceil(licences * config.signing.workers_per_licence)
    workers = min(max(wanted, worker_count(config)), most_signing_workers(config) * worker_count(config))
    return Capacity(
        licences,
        sum(application.capacity(second) for application in active) * 3600 // config.licence.window_s,
        workers,
        processes * 1e6 / cost_us,
        processes * 1e6 / (cost_us + STAMP_OVERHEAD_US),
    )
