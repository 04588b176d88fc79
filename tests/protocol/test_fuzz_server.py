"""100,000 damaged requests in one run against the real server, then 2,000 damaged HTTP heads: it answers every one."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice

import pytest

from tests.conftest import SECOND_POLICY, Fleet
from tests.support.counts import times
from tests.support.http import REPLY_TYPE, Answer, Connection, GoneError, chunked, post_bytes
from tests.support.mutations import GOOD, check_response, mutations
from tests.support.raw_client import ledger_rows
from tests.support.server import Server
from tests.support.stamping import Authority

REQUESTS, HEADS = times(100_000), times(2_000)
PIPELINED = 48  # on each connection, in one write
SIDES = ["lane"] * 6 + ["aiohttp"] * 2
STATUSES = {200, 400, 403, 404, 405, 408, 411, 413, 415, 417}


@pytest.fixture(scope="session")
def server(fleet: Fleet) -> Server:
    """A server of its own: licences that others share would be used up here."""
    options = {("policy", "accepted"): [SECOND_POLICY], ("licence", "stamps_per_licence_hour"): REQUESTS}
    return fleet.get("fuzzed", options=options)


@pytest.fixture(scope="session")
def authority(server: Server) -> Authority:
    """Asks that server."""
    return Authority(server)


@pytest.fixture
def unharmed(server: Server, authority: Authority) -> Iterator[None]:
    """Afterwards the same processes still serve (that nothing was raised, conftest sees in the log)."""
    started = server.log_text().count("worker started")
    yield
    assert server.process.poll() is None
    assert server.log_text().count("worker started") == started
    assert "worker died" not in server.log_text()
    with authority.connect() as connection:
        authority.stamp(connection)


@pytest.mark.long
@pytest.mark.usefixtures("unharmed")
def test_damaged_requests_are_answered_on_connections_that_stay(authority: Authority) -> None:
    # An empty body would send its connection over to aiohttp, and the lane is what this is about.
    bodies = (octets for octets in mutations(GOOD, seed=816, count=2 * REQUESTS) if octets)
    granted = asked = 0
    with ExitStack() as stack:
        connections = [stack.enter_context(authority.connect(side)) for side in SIDES]
        while asked < REQUESTS:
            shares = [list(islice(bodies, PIPELINED)) for _ in connections]
            for connection, share in zip(connections, shares, strict=True):
                connection.send(b"".join(map(post_bytes, share)))
            for connection, share in zip(connections, shares, strict=True):
                granted += sum(stamped(connection.answer(), octets) for octets in share)
            asked += PIPELINED * len(connections)
    assert asked // 10 < granted < asked * 9 // 10
    assert sum(ledger_rows(authority.server)) >= granted


def stamped(answer: Answer, octets: bytes) -> bool:
    """Whether the answer, which must be a TimeStampResp, grants what was asked."""
    assert answer.status == 200, (answer, octets.hex())
    assert answer.header("content-type") == REPLY_TYPE
    return check_response(answer.body, octets)


BODY = GOOD[0]
CHUNKS = chunked(BODY[:9], BODY[9:])
WHOLE = [
    post_bytes(BODY),
    post_bytes(BODY, "/tsa", content_type="Application/Timestamp-Query; charset=utf-8"),
    post_bytes(BODY, "/tsa/some-key"),
    post_bytes(BODY, headers=("Connection: close",)),
    post_bytes(BODY, headers=("Authorization: Bearer some-key", "X-Empty:")),
    post_bytes(BODY, headers=("Expect: 100-continue",)),
    post_bytes(BODY, version="HTTP/1.0"),
    post_bytes(b"", framing="Transfer-Encoding: chunked") + CHUNKS,
]
HEAD_ENDS = [message.index(b"\r\n\r\n") for message in WHOLE]


@pytest.mark.long
@pytest.mark.usefixtures("unharmed")
def test_damaged_heads_get_a_status_that_is_theirs(server: Server) -> None:
    heads = [message[:end] for message, end in zip(WHOLE, HEAD_ENDS, strict=True)]
    seen: Counter[int] = Counter()
    for number, head in enumerate(mutations(heads, seed=2616, count=HEADS)):
        rest = WHOLE[number % len(WHOLE)][HEAD_ENDS[number % len(WHOLE)] :]
        with server.connect() as connection:
            statuses = answers(connection, head + rest)
        assert statuses or promises_more(head), head
        assert STATUSES.issuperset(statuses), (statuses, head)
        seen.update(statuses)
    assert min(seen[200], seen[400], seen[403], seen[415]) > HEADS // 100


def promises_more(head: bytes) -> bool:
    """Whether the client of this head went away before it had sent the whole body."""
    return any(int(length) > len(BODY) for length in re.findall(rb"(?i)Content-Length: *(\d+)", head))


def answers(connection: Connection, octets: bytes) -> list[int]:
    """The statuses of all answers until the connection ends; each 200 must be a TimeStampResp."""
    statuses = []
    try:
        connection.send(octets)
        connection.socket.shutdown(1)
        while True:
            answer = connection.answer()
            statuses.append(answer.status)
            if answer.status == 200:
                stamped(answer, BODY)
    except (GoneError, ConnectionError):
        return statuses
