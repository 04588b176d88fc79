"""Where the µs of a stamp go: each stage measured by itself, on the server's core, in the same run.

What the stages do not explain is the rest: the event loop's turns, queue, licences, the thread that commits, and the
caches that one stage empties for the next.
"""

import hashlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import proc, server
from bench.cost.load import drive
from tsa.protocol import cms, der, tsp
from tsa.protocol.oids import HASHES

ROUNDS = 2_000
ROWS = 20_000
HTTP_S = 1.0

_TABLE = """CREATE TABLE stamp (seq INTEGER PRIMARY KEY, gen_time INTEGER, serial BLOB, application INTEGER,
policy BLOB, imprint BLOB, cert_req INTEGER, tsu INTEGER, tst_info BLOB, signature BLOB, link BLOB)"""
_INSERT = "INSERT INTO stamp VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

_LOOK = f"""
import os, sys, time
from tsa.clock.clock import Clock, ClockPair
from tsa.clock.gate import Gate, SharedGate
os.sched_setaffinity(0, {{int(sys.argv[1])}})
page, (wall, boot) = SharedGate(), ClockPair().read()
page.alive_us = boot
page.write(Gate(trusted=True, anchor_us=wall - boot, measured_us=boot, max_accuracy_us=10**6, max_step_us=10**5))
look = Clock(page).gen_time
for _ in range({ROUNDS}):
    look()
started = time.thread_time_ns()
for _ in range({ROUNDS}):
    look()
print((time.thread_time_ns() - started) / 1000 / {ROUNDS})
"""


def stages_us(raw_us: float, connections: int, batch: float, core: int) -> dict[str, float]:
    """µs of CPU a stamp, by stage, in batches of about `batch`; the signature as measured."""
    with server.constant(core) as (pid, port):
        run = drive(port, connections, HTTP_S, lambda: proc.cpu_ns([pid]))
    with proc.pinned(core):
        return {
            "signature": raw_us,
            "socket, constant reply": run.server_cpu / max(1, len(run.latencies)) / 1000,
            "decode and encode DER": _der_us(),
            "clock and its gate": _clock_us(core) / max(1.0, batch),
            "ledger row and commit": _ledger_us(max(1, round(batch))),
        }


def _der_us() -> float:
    """A TimeStampReq read, its TSTInfo, attributes and TimeStampResp written."""
    request = tsp.encode_request(tsp.request_for(HASHES["sha256"], os.urandom(32), nonce=1 << 62))
    signer = cms.Signer(os.urandom(600), (), der.sequence(), 1, "sha256", der.sequence())
    template, policy, signature = cms.TokenTemplate(signer), der.oid("2.999.3161.1"), os.urandom(71)
    moment = tsp.generalized_time(1_700_000_000_123_456, 3) + tsp.accuracy(1_000_000)
    serial, before = der.integer(1 << 158), template.before_digest(0)

    def once() -> None:
        asked = tsp.decode_request(request)
        info = tsp.tst_info(policy, asked.message_imprint, serial, moment, asked.nonce, b"")
        template.response(info, template.signed_attributes(before, info), signature, asked.cert_req)

    return _thread_us(once, ROUNDS) / ROUNDS


def _clock_us(core: int) -> float:
    """One look at the clock through an open gate, as a batch takes it; by the authority's own code, in a process of its
    own, for what measures from outside imports nothing of it."""
    done = subprocess.run([sys.executable, "-c", _LOOK, str(core)], capture_output=True, check=True, text=True)
    return float(done.stdout)


def _ledger_us(batch: int) -> float:
    """A row of a token's size, chained, inserted, and its share of a commit with synchronous=FULL."""
    blobs = [os.urandom(size) for size in (20, 7, 32, 150, 71)]
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "stage.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(_TABLE)
        link = bytes(32)

        def once() -> None:
            nonlocal link
            rows = []
            for _ in range(batch):
                link = hashlib.sha256(b"".join((link, *blobs))).digest()
                serial, policy, imprint, info, signature = blobs
                rows.append((None, 1 << 50, serial, 1, policy, imprint, 0, 1 << 50, info, signature, link))
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_INSERT, rows)
            connection.execute("COMMIT")

        commits = max(1, ROWS // batch)
        used = _thread_us(once, commits)
        connection.close()
    return used / (commits * batch)


def _thread_us(work: Callable[[], None], count: int) -> float:
    started = time.thread_time_ns()
    for _ in range(count):
        work()
    return (time.thread_time_ns() - started) / 1000
