"""Two stages of a stamp by the authority's own code: the clock behind its gate, and a ledger row with its commit.

A declared coupling: the rest of bench measures from outside and imports nothing of the authority, but the cost of these
two cannot be told from outside. The arrow test lists the imports of this room as an exception. It runs in a process of
its own, started by bench/cost/stages.py:

    python -m bench.cost.inside CORE BATCH

It prints a JSON object: `clock_us` a batch and `ledger_us` a stamp, CPU time in µs, with batches of BATCH stamps.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from tsa.clock.clock import Clock, ClockPair
from tsa.clock.gate import Gate, SharedGate
from tsa.ledger.row import Entry
from tsa.ledger.segment import record_of
from tsa.ledger.writer import SegmentWriter
from tsa.state.meter import shared_meters

LOOKS = 2_000
MOST_STAMPS, MOST_COMMITS = 20_000, 500
SECOND_US = 1_000_000


def clock_us() -> float:
    """CPU of one genTime through an open gate, µs."""
    shared, (wall, boot) = SharedGate(), ClockPair().read()
    shared.alive_us = boot
    shared.write(Gate(True, wall - boot, boot, max_accuracy_us=SECOND_US, max_step_us=SECOND_US // 10))
    clock = Clock(shared)
    clock.gen_time()
    started = time.process_time_ns()
    for _ in range(LOOKS):
        clock.gen_time()
    return (time.process_time_ns() - started) / 1000 / LOOKS


async def ledger_us(batch: int) -> float:
    """CPU of a stamp's row, chained, inserted and made durable in a transaction of `batch` rows, µs; of all threads."""
    signer = record_of("{}")
    with tempfile.TemporaryDirectory(prefix="tsa-bench-") as name:
        ledger, now = SegmentWriter(Path(name), 0, 1 << 40, shared_meters(1)[0]), time.time_ns() // 1000
        ledger.open(now)
        # Octets of a P-256 token: serialNumber, policy, imprint, TSTInfo, signature.
        serial, policy, imprint, info, signature = (os.urandom(size) for size in (20, 7, 51, 150, 71))
        entry = Entry(now, serial, 1, policy, imprint, False, signer.number, info, signature)
        commits = max(1, min(MOST_COMMITS, MOST_STAMPS // batch))
        started = time.process_time_ns()
        for _ in range(commits):
            async with ledger.place() as place:
                await place.commit([entry] * batch, signer)
        used = time.process_time_ns() - started
        await ledger.close()
    return used / 1000 / (commits * batch)


def main(core: str, batch: str) -> None:
    """Measure both on one core."""
    os.sched_setaffinity(0, {int(core)})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        json.dump({"clock_us": clock_us(), "ledger_us": runner.run(ledger_us(int(batch)))}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
