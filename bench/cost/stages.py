"""Where the µs of a stamp go: each stage measured by itself, on the server's core, in the same run.

"The rest" is what the stages do not explain: the event loop's turns, the queue, the licences, and the caches that one
stage empties for the next.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

from bench import BenchError, proc
from bench.cost.limit import constant_server
from bench.cost.load import drive
from tsa.protocol import cms, der, tsp
from tsa.protocol.oids import HASHES

ROUNDS = 2_000
HTTP_S = 1.0


def stages_us(raw_us: float, connections: int, batch: float, core: int) -> dict[str, float]:
    """µs of CPU a stamp, by stage, in batches of about `batch`; the signature as measured. BenchError."""
    with constant_server(core) as (pid, port):
        run = drive(port, connections, HTTP_S, lambda: proc.cpu_ns([pid]))
    with proc.pinned(core):
        der_us = _der_us()
    whole = max(1, round(batch))
    inside = _inside_us(core, whole)
    return {
        "signature": raw_us,
        "socket, constant reply": run.server_cpu / max(1, len(run.latencies)) / 1000,
        "decode and encode DER": der_us,
        "clock and its gate": inside["clock_us"] / whole,
        "ledger row and commit": inside["ledger_us"],
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


def _inside_us(core: int, batch: int) -> dict[str, float]:
    """The stages that only the authority's own code can tell: see bench/cost/inside.py. BenchError."""
    command = [sys.executable, "-m", "bench.cost.inside", str(core), str(batch)]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if done.returncode:
        raise BenchError(f"the stages inside the authority could not be measured: {done.stderr.strip()}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _thread_us(work: Callable[[], None], count: int) -> float:
    started = time.thread_time_ns()
    for _ in range(count):
        work()
    return (time.thread_time_ns() - started) / 1000
