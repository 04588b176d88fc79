"""docs/conformance.md: bodies over the limit, bodies of no declared length, slow requests, a full signing queue."""

import select
import time
from collections.abc import Iterator

import pytest

from tests.conftest import Fleet
from tests.support.http import Answer, Connection, GoneError, chunked, post_bytes
from tests.support.query import Query
from tests.support.stamping import Authority
from tests.support.token import refusal

BODY_LIMIT = 16384
MIB = 1 << 20


def test_body_at_the_limit(authority: Authority, connection: Connection) -> None:
    refusal(connection.post(b"\x30" * BODY_LIMIT), "badDataFormat")
    authority.stamp(connection)


@pytest.mark.parametrize("size", [BODY_LIMIT + 1, MIB, 1 << 40])
def test_over_the_limit_on_the_header_alone(authority: Authority, connection: Connection, size: int) -> None:
    connection.send(post_bytes(b"", framing=f"Content-Length: {size}"))
    assert_too_large(connection.answer())
    with authority.connect() as other:
        authority.stamp(other)


def assert_too_large(answer: Answer) -> None:
    """413 that says the connection ends."""
    assert answer.status == 413, answer
    assert (answer.header("connection") or "").lower() == "close"


def test_over_the_limit_with_expect_continue(connection: Connection) -> None:
    connection.send(post_bytes(b"", framing=f"Content-Length: {MIB}", headers=("Expect: 100-continue",)))
    assert_too_large(connection.answer())
    assert connection.interim == []


@pytest.mark.parametrize("size", [BODY_LIMIT + 1, MIB])
def test_over_the_limit_sent_whole_before_reading(authority: Authority, connection: Connection, size: int) -> None:
    """The client reads its answer, not a reset, although it went on sending; then the connection ends."""
    connection.send(post_bytes(bytes(size)))
    assert_too_large(connection.answer())
    connection.assert_closed()
    with authority.connect() as other:
        authority.stamp(other)


def test_over_the_limit_and_kept_sending_after_the_answer(connection: Connection) -> None:
    connection.send(post_bytes(b"", framing=f"Content-Length: {MIB}"))
    answer = connection.answer()
    for _ in range(16):
        connection.send(bytes(MIB // 16))
    assert_too_large(answer)
    assert connection.socket.recv(1) == b"", "half-closed, not reset"


def test_over_the_limit_behind_good_ones(authority: Authority, connection: Connection) -> None:
    queries = [Query() for _ in range(3)]
    good = b"".join(post_bytes(query.encode()) for query in queries)
    connection.send(good + post_bytes(bytes(MIB)))
    for query in queries:
        authority.judge(connection.answer(), query)
    assert_too_large(connection.answer())
    connection.assert_closed()


def test_over_the_limit_in_chunks(connection: Connection) -> None:
    """No length is declared: 413 as soon as the chunks pass the limit."""
    body = chunked(*[bytes(4096)] * (MIB // 4096))
    connection.send(post_bytes(b"", framing="Transfer-Encoding: chunked") + body)
    assert_too_large(connection.answer())
    connection.assert_closed()


def test_over_the_limit_in_one_chunk(connection: Connection) -> None:
    connection.send(post_bytes(b"", framing="Transfer-Encoding: chunked") + b"%x\r\n" % MIB + bytes(BODY_LIMIT + 1))
    assert_too_large(connection.answer())


def test_endless_body_is_cut_off(authority: Authority, connection: Connection) -> None:
    """What is discarded is bounded (2 s, 16 MiB): a client that never stops is not read for ever."""
    connection.send(post_bytes(b"", framing=f"Content-Length: {1 << 40}"))
    with pytest.raises(ConnectionError):
        connection.send(bytes(256 * MIB))
    with authority.connect() as other:
        authority.stamp(other)


def test_length_required(authority: Authority, connection: Connection) -> None:
    assert connection.ask(post_bytes(b"", framing="")).status == 411
    authority.stamp(connection)


def test_length_required_of_http_1_0(connection: Connection) -> None:
    assert connection.ask(post_bytes(b"", framing="", version="HTTP/1.0")).status == 411
    connection.assert_closed()


@pytest.fixture(scope="module")
def hurried(fleet: Fleet) -> Authority:
    """A server whose deadline for a request is 1 s, and that ends idle connections after 2 s."""
    options = {("server", "deadline_s"): 1.0, ("server", "keepalive_s"): 2.0}
    return Authority(fleet.get("hurried", options=options))


REQUEST = post_bytes(Query().encode())
HEAD = REQUEST.index(b"\r\n\r\n") + 4
SLOW = {
    "request-line": REQUEST[:9],
    "header": REQUEST[: HEAD - 4],
    "last-octet-of-head": REQUEST[: HEAD - 1],
    "no-body": REQUEST[:HEAD],
    "half-a-body": REQUEST[: HEAD + 20],
    "last-octet-of-body": REQUEST[:-1],
    "chunk": post_bytes(b"5\r\nab", framing="Transfer-Encoding: chunked"),
    "between-chunks": post_bytes(b"2\r\nab\r\n", framing="Transfer-Encoding: chunked"),
    "expect-continue": post_bytes(b"", framing="Content-Length: 9", headers=("Expect: 100-continue",)),
}


@pytest.fixture
def hurried_connection(hurried: Authority, via: str) -> Iterator[Connection]:
    """A connection to the server with short deadlines; reading from it is bounded by 15 s."""
    with hurried.connect(via, timeout=15) as opened:
        yield opened


@pytest.mark.parametrize("part", SLOW.values(), ids=SLOW.keys())
def test_stalled(hurried: Authority, hurried_connection: Connection, part: bytes) -> None:
    """408 or an end; other connections are served meanwhile."""
    hurried_connection.send(part)
    with hurried.connect() as other:
        hurried.stamp(other)
    assert_timed_out(hurried_connection)


def assert_timed_out(connection: Connection) -> None:
    """The server ends the connection, after 408 or without a word."""
    try:
        assert connection.answer().status == 408
    except (GoneError, ConnectionError):
        return
    connection.assert_closed()


DRIPS = {
    "head": (b"POST / HTTP/1.1\r\nHost: tsa.test\r\nX-Slow: ", b"x"),
    "body": (post_bytes(b"", framing=f"Content-Length: {BODY_LIMIT}"), b"\x30"),
    "chunks": (post_bytes(b"", framing="Transfer-Encoding: chunked"), b"1\r\nx\r\n"),
}


@pytest.mark.parametrize(("start", "drop"), DRIPS.values(), ids=DRIPS.keys())
def test_dripped(hurried_connection: Connection, start: bytes, drop: bytes) -> None:
    """The deadline is for the whole request: an octet now and then does not extend it."""
    hurried_connection.send(start)
    limit = time.monotonic() + 15
    while not select.select([hurried_connection.socket], [], [], 0.2)[0]:
        assert time.monotonic() < limit, "still open after 15 s with a deadline of 1 s"
        try:
            hurried_connection.send(drop)
        except ConnectionError:
            return
    assert_timed_out(hurried_connection)


def test_idle_connection_ends(hurried: Authority, hurried_connection: Connection) -> None:
    hurried.stamp(hurried_connection)
    hurried_connection.assert_closed()


@pytest.fixture(scope="module")
def narrow(fleet: Fleet) -> Authority:
    """A slow key behind a queue of 4."""
    options = {("signing", "queue"): 4, ("signing", "max_wait_ms"): 100000}
    return Authority(fleet.get("narrow", key="rsa4096", options=options))


def test_signing_queue_full(narrow: Authority, via: str) -> None:
    """Every connection gets an answer at once: a token, or 503 that says when to come back."""
    queries = [Query() for _ in range(64)]
    connections = [narrow.connect(via) for _ in queries]
    try:
        for connection, query in zip(connections, queries, strict=True):
            connection.send(post_bytes(query.encode()))
        answers = [connection.answer() for connection in connections]
        refused = [answer for answer in answers if answer.status == 503]
        for answer in refused:
            refusal(answer, "systemFailure", status=503)
            assert (answer.header("retry-after") or "").isdigit()
            assert int(answer.header("retry-after") or 0) >= 1
        granted = [pair for pair in zip(answers, queries, strict=True) if pair[0].status == 200]
        for answer, query in granted:
            narrow.judge(answer, query)
        assert granted
        assert refused
        assert len(granted) + len(refused) == len(queries)
        for connection in connections[:8]:
            narrow.stamp(connection)
    finally:
        for connection in connections:
            connection.socket.close()


def test_signing_queue_full_in_a_pipeline(narrow: Authority, via: str) -> None:
    """In one write on one connection the answers keep their order, whichever of them are refused."""
    queries = [Query() for _ in range(32)]
    with narrow.connect(via) as connection:
        connection.send(b"".join(post_bytes(query.encode()) for query in queries))
        answers = [connection.answer() for _ in queries]
        for answer, query in zip(answers, queries, strict=True):
            if answer.status == 503:
                refusal(answer, "systemFailure", status=503)
            else:
                narrow.judge(answer, query)
        narrow.stamp(connection)
