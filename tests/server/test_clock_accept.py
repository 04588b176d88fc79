"""A ledger whose newest stamp lies in the future: nothing is stamped until a person says that the stamp is wrong."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from asn1crypto.tsp import TimeStampResp

from tests.support.faulty_ledger import Desk, audit, control, keep_heads
from tests.support.processes import wait_for_event
from tests.support.query import Query
from tests.support.server import Server, init, start_server, tsa
from tests.support.stamping import Authority
from tests.support.token import refusal
from tsa.clock.journal import Journal

AHEAD_US = 3_600_000_000 * 24 * 40  # into another month, and two windows of the licences


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder whose ledger was written while the clock was ahead by 40 days."""
    folder = tmp_path_factory.mktemp("ahead")
    init(folder)
    control(folder).close()

    async def stamp() -> None:
        desk = Desk(folder)
        for hours in (0, 1):
            desk.time_us = time.time_ns() // 1_000 + AHEAD_US + hours * 3_600_000_000
            desk.open()
            await desk.stamp(range(10))
        await desk.ledger.close()

    asyncio.run(stamp())
    keep_heads(folder, time.time_ns() // 1_000 + AHEAD_US)
    return folder


@pytest.fixture
def server(state: Path) -> Iterator[Server]:
    started = start_server(state, workers=2, ready=(200, 503))
    yield started
    started.stop()


def test_a_future_stamp_of_the_ledger_is_overcome_by_acceptance_alone(server: Server) -> None:
    authority, state = Authority(server), server.directory
    status, said = server.readiness()
    assert status == 503
    assert any("in the future by this clock" in reason for reason in said["reasons"]), said
    with authority.connect() as connection:
        refusal(connection.post(Query().encode()), "timeNotAvailable")
    shown = tsa("clock", "--dir", state, "--json")
    assert shown.returncode == 1
    assert "tsa clock accept" in json.loads(shown.stdout)["why"]

    accepted = tsa("clock", "accept", "--dir", state)
    assert accepted.returncode == 0, accepted.stderr
    wait_for_event(server, "newest genTime accepted as wrong", 2)
    server.wait_ready()
    assert stamp_is_found(authority)
    with closing(Journal(state)) as journal:
        [entry] = [entry for entry in journal.history() if entry.kind == "accepted"]
    assert entry.why.startswith("Accepted that the ledger's newest stamp")
    assert " By " in entry.why
    again = tsa("clock", "accept", "--dir", state)
    assert again.returncode == 1
    assert "nothing to accept" in again.stderr
    assert tsa("clock", "--dir", state).returncode == 0


def test_what_was_accepted_stays_accepted_after_a_restart_and_on_record(server: Server) -> None:
    server.wait_ready()
    assert stamp_is_found(Authority(server))
    verdicts = audit(server.directory)
    assert [verdict.fault for verdict in verdicts if verdict.fault] == []
    rows = {int(Path(verdict.segment).stem): verdict.rows for verdict in verdicts if verdict.rows}
    assert rows[0] == 20, "the wrong stamps"
    assert sum(count for worker, count in rows.items() if worker >= 256) == 2, "and ours, in files of their own"


def stamp_is_found(authority: Authority) -> bool:
    """Have something stamped, now, and look for it in the ledger."""
    with authority.connect() as connection:
        answer = connection.post(Query().encode())
    response = TimeStampResp.load(answer.body)
    info = response["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
    assert info["gen_time"].native.timestamp() < time.time() + 1
    serial = f"{info['serial_number'].native:x}"
    found = tsa("ledger", "find", "--serial", serial, "--dir", authority.server.directory)
    return int(json.loads(found.stdout)["serial"], 16) == int(serial, 16)
