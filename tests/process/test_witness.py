"""The hourly stamp on the ledger's heads: by a witness, or by ourselves and called so."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import der
from tests.support import query as queries
from tests.support.clock import open_gate
from tests.support.faulty_ledger import Desk, control, keep_heads, rows
from tests.support.processes import events, start, states, wait_for_event, wait_until
from tests.support.query import Query
from tests.support.server import Server, start_server
from tests.support.stamping import Authority
from tests.support.token import read_token
from tsa.clock.clock import ClockPair
from tsa.ledger.archive import Archive
from tsa.operate import initialise
from tsa.process.witness import stamp_heads
from tsa.state import layout
from tsa.state.config import load

__all__ = ["start", "states"]
Start = Callable[..., Server]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    control(tmp_path).close()
    return tmp_path


def kept_witness(state: Path) -> tuple[str, str, bytes]:
    [(by, heads, response)] = rows(state, "SELECT by, heads, response FROM witness")
    return by, heads, response


def judge(witness: Server, heads: str, response: bytes) -> int:
    """The token on the heads holds in every point; its serialNumber."""
    status, token = der.read(response).of(der.SEQUENCE)
    assert status.raw == der.sequence(der.integer(0))
    found = read_token(token.raw, Authority(witness).certificate)
    assert found.info.imprint == queries.imprint("sha256", hashlib.sha256(heads.encode()).digest(), queries.NULL) or (
        found.info.imprint == queries.imprint("sha256", hashlib.sha256(heads.encode()).digest())
    )
    return found.info.serial


def serials(server: Server) -> set[int]:
    return {int.from_bytes(record.entry.serial, "big") for record in Archive(layout.ledger(server.directory)).records()}


@pytest.fixture
def served(start: Start) -> Iterator[Callable[..., Server]]:
    """A server that has stamped three with each worker and stopped, and serves again: there are heads to stamp."""
    again: list[Server] = []

    def serve(witness: str | None = None) -> Server:
        server = start(workers=1)
        authority = Authority(server)
        with authority.connect() as connection:
            for _ in range(3):
                authority.stamp(connection)
        server.stop()
        options = {("ledger", "witness"): witness} if witness else {}
        again.append(start_server(server.directory, options=options))
        return again[-1]

    yield serve
    for server in again:
        if server in Server.running:
            server.stop()


def test_by_ourselves_where_there_is_no_witness(served: Callable[..., Server]) -> None:
    """Soon after the start; unbilled, not in the ledger, and called what it is."""
    server = served()
    wait_for_event(server, "ledger heads stamped")
    by, heads, response = kept_witness(server.directory)
    assert by == events(server, "ledger heads stamped")[0]["by"] == "self"
    [[name, seq, link]] = json.loads(heads)
    assert name.endswith("/0.db")
    [kept] = rows(server.directory, "SELECT segment, seq, hex(link) FROM head")
    assert (name, seq, link) == kept
    assert seq == 3
    serial = judge(server, heads, response)
    server.stop()
    assert len(serials(server)) == 3
    assert serial not in serials(server)
    assert [stamps for [stamps] in rows(server.directory, "SELECT sum(stamps) FROM usage")] == [3]


def test_by_a_witness(start: Start, served: Callable[..., Server]) -> None:
    """Another authority stamps the heads as anybody's; it is ours that does not bill or record it."""
    witness = start(workers=1)
    server = served(witness.url)
    wait_for_event(server, "ledger heads stamped")
    by, heads, response = kept_witness(server.directory)
    assert by == events(server, "ledger heads stamped")[0]["by"] == witness.url
    serial = judge(witness, heads, response)
    server.stop()
    assert len(serials(server)) == 3
    assert serials(witness) == {serial}


def test_a_witness_that_does_not_answer_is_told(served: Callable[..., Server]) -> None:
    """And nobody waits for it."""
    server = served("http://127.0.0.1:1/")
    wait_until(lambda: "http://127.0.0.1:1/ cannot be reached" in server.log_text(), "the failure is logged")
    assert rows(server.directory, "SELECT * FROM witness") == []
    authority = Authority(server)
    with authority.connect() as connection:
        authority.stamp(connection, Query())
    server.stop()


async def test_by_ourselves_also_after_a_wrong_time_was_accepted(state: Path) -> None:
    initialise.development(state, "p256", 2)
    desk = Desk(state).open()
    await desk.stamp([1])
    keep_heads(state, desk.time_us)
    shared, (wall, boot) = open_gate(), ClockPair().read()
    shared.write(shared.read()._replace(epoch=1, anchor_us=wall - boot))
    await asyncio.to_thread(stamp_heads, load(state), shared)
    assert kept_witness(state)[0] == "self"
    await desk.ledger.close()
