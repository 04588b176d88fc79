"""The ceiling of the load generator: the figures of a server that comes near it are not told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench import BenchError, proc, server
from bench.cost.load import Way, drive

SECONDS = 1.0
AGAIN = 3
SHARE = 0.8
"""The most of the generator's ceiling that a server may take and still be measured with it."""
NOT_MEASURED = "not measured: the generator was the limit"


class GeneratorCeiling:
    """The answers a second that the load generator takes from a server, on `core`, that gives a constant reply."""

    def __init__(self, core: int) -> None:
        self._core = core
        self._ceilings: dict[tuple[int, bool], float] = {}

    def ceiling_per_s(self, connections: int, *, closing: bool = False) -> float:
        """Answers a second over `connections`; with `closing` each request opens another connection."""
        if (connections, closing) not in self._ceilings:
            self._ceilings[connections, closing] = constant_per_s(self._core, connections, closing=closing)
        return self._ceilings[connections, closing]

    def limit(self, per_s: float, connections: int, *, closing: bool = False) -> str:
        """The reason why this rate says nothing about the server that gave it, "" when it does."""
        if per_s <= SHARE * self.ceiling_per_s(connections, closing=closing):
            return ""
        for _ in range(AGAIN):  # the machine may have been busy with something else when the ceiling was measured
            again = constant_per_s(self._core, connections, closing=closing)
            self._ceilings[connections, closing] = best = max(again, self._ceilings[connections, closing])
            if per_s <= SHARE * best:
                return ""
        return NOT_MEASURED


def constant_per_s(core: int, connections: int, *, closing: bool) -> float:
    """Right answers a second from the constant-reply server. BenchError for a wrong one: then ours may be, too."""
    with constant_server(core, closing=closing) as (pid, port):
        run = drive(port, connections, SECONDS, lambda: proc.cpu_ns([pid]), way=Way(reopen=closing))
    if run.faults:
        raise BenchError(f"the load generator found fault with the constant reply: {dict(run.faults)}")
    return len(run.latencies) / run.elapsed * 1e9


@contextmanager
def constant_server(core: int, *, closing: bool = False) -> Iterator[tuple[int, int]]:
    """The constant-reply server on one core, `closing` each connection or not: its process and its port."""
    command = [sys.executable, "-m", "bench.cost.constant", *(["--close"] if closing else [])]
    with server.running(command, core, subprocess.PIPE) as process:
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise BenchError("the constant-reply server did not start")
        yield process.pid, int(line)
