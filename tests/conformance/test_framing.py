"""docs/conformance.md: pipelined requests, bodies split over many packets, malformed HTTP."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.http import Answer, Connection, chunked, post_bytes
from tests.support.query import Query, imprint
from tests.support.stamping import Authority
from tests.support.token import refusal

Judge = Callable[[Answer], object]
GET = b"GET /healthz HTTP/1.1\r\nHost: tsa.test\r\n\r\n"


def _expect(status: int) -> Judge:
    def judge(answer: Answer) -> None:
        assert answer.status == status, answer

    return judge


def _mixed(authority: Authority, count: int) -> Iterator[tuple[bytes, Judge]]:
    """*count* requests, each with its judge: mostly good ones, and each kind of wrong one; a GET in the middle."""
    for at in range(count):
        if at == count // 2:
            yield GET, _expect(200)
        elif at % 5 == 2:
            yield post_bytes(Query(imprint=imprint("sha1")).encode()), lambda answer: refusal(answer, "badAlg")
        elif at % 11 == 3:
            yield post_bytes(b"no DER at all"), lambda answer: refusal(answer, "badDataFormat")
        elif at % 11 == 9:
            yield post_bytes(Query().encode(), "/tsa/SOMEKEY"), _expect(403)
        else:
            yield _good(authority, in_chunks=at % 7 == 1)


def _good(authority: Authority, *, in_chunks: bool) -> tuple[bytes, Judge]:
    query = Query(nonce=None if in_chunks else Query().nonce)
    request = post_bytes(query.encode())
    if in_chunks:
        request = post_bytes(b"", framing="Transfer-Encoding: chunked") + chunked(query.encode())
    return request, lambda answer: authority.judge(answer, query)


def test_pipelined_in_one_write(authority: Authority, connection: Connection) -> None:
    """Every answer in its order: each grant carries the nonce and imprint of the request in that place."""
    requests = list(_mixed(authority, 50))
    connection.send(b"".join(request for request, _ in requests))
    for _, judge in requests:
        judge(connection.answer())
    authority.stamp(connection)


@pytest.mark.parametrize("at", [0, 1, 7])
def test_get_behind_stamps_in_one_write(authority: Authority, connection: Connection, at: int) -> None:
    """The hand-over to aiohttp: answers before it come first, octets behind the GET are not lost."""
    requests = [_good(authority, in_chunks=False) for _ in range(12)]
    requests.insert(at, (GET, _expect(200)))
    connection.send(b"".join(request for request, _ in requests))
    for _, judge in requests:
        judge(connection.answer())
    authority.stamp(connection)


def test_pipelined_then_closed(authority: Authority, connection: Connection) -> None:
    """What is behind `Connection: close` is not answered, all before it is."""
    query = Query()
    requests = [_good(authority, in_chunks=False) for _ in range(5)]
    last = post_bytes(query.encode(), headers=("Connection: close",))
    connection.send(b"".join(request for request, _ in requests) + last + GET)
    for _, judge in requests:
        judge(connection.answer())
    authority.judge(connection.answer(), query)
    connection.assert_closed()


@pytest.fixture
def nudge(authority: Authority) -> Iterator[Callable[[], None]]:
    """Makes sure that the server has read what was sent before: it has answered another connection since."""
    with authority.connect() as other:

        def round_trip() -> None:
            assert other.get("/healthz").status == 200

        yield round_trip


def test_one_octet_a_packet(authority: Authority, connection: Connection, nudge: Callable[[], None]) -> None:
    query = Query()
    for octet in post_bytes(query.encode()):
        connection.send(bytes([octet]))
        nudge()
    authority.judge(connection.answer(), query)
    authority.stamp(connection)


@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_split_anywhere(authority: Authority, connection: Connection, nudge: Callable[[], None], coding: str) -> None:
    """A request in two packets, cut after each octet of head and body in turn, all on one connection."""
    query = Query()
    request = post_bytes(query.encode())
    if coding == "chunked":
        body = query.encode()
        request = post_bytes(b"", framing="Transfer-Encoding: chunked") + chunked(body[:20], body[20:])
    for at in range(1, len(request)):
        connection.send(request[:at])
        nudge()
        connection.send(request[at:])
        authority.judge(connection.answer(), query)


def test_split_across_a_pipeline(authority: Authority, connection: Connection, nudge: Callable[[], None]) -> None:
    """Packets that end in the middle of one request and begin in the middle of another."""
    requests = list(_mixed(authority, 20))
    stream = b"".join(request for request, _ in requests)
    for at in range(0, len(stream), 97):
        connection.send(stream[at : at + 97])
        nudge()
    for _, judge in requests:
        judge(connection.answer())
    authority.stamp(connection)


EARLY = {
    "unknown-application": (post_bytes(Query().encode(), "/tsa/SOMEKEY"), 403),
    "unknown-application-bearer": (post_bytes(Query().encode(), headers=("Authorization: Bearer SOMEKEY",)), 403),
    "method": (post_bytes(Query().encode()).replace(b"POST", b"PUT", 1), 405),
    "media-type": (post_bytes(Query().encode(), content_type="text/plain"), 415),
}


@pytest.mark.parametrize(("request_bytes", "status"), EARLY.values(), ids=EARLY.keys())
def test_refused_before_its_body_has_come(
    authority: Authority, connection: Connection, nudge: Callable[[], None], request_bytes: bytes, status: int
) -> None:
    """What the head alone decides does not make the server forget the body that follows: the connection goes on."""
    body_at = request_bytes.index(b"\r\n\r\n") + 4
    for part in (request_bytes[:body_at], request_bytes[body_at : body_at + 10], request_bytes[body_at + 10 :]):
        connection.send(part)
        nudge()
    assert connection.answer().status == status
    authority.stamp(connection)


BODY = Query().encode()
PLAIN = post_bytes(BODY)
LENGTH = f"Content-Length: {len(BODY)}".encode()
MALFORMED = {
    "text": b"hello there\r\n\r\n",
    "octets": bytes(range(256)),
    "tls-client-hello": bytes.fromhex("16030100f1010000ed0303") + bytes(240),
    "der-without-http": BODY,
    "no-version": PLAIN.replace(b" HTTP/1.1", b"", 1),
    "version-unknown": PLAIN.replace(b"HTTP/1.1", b"HTTP/x.y", 1),
    "version-lower-case": PLAIN.replace(b"HTTP/1.1", b"http/1.1", 1),
    "header-without-colon": PLAIN.replace(b"Host: tsa.test", b"Host tsa.test", 1),
    "header-name-with-space": PLAIN.replace(b"Host:", b"Ho st:", 1),
    "space-before-colon": PLAIN.replace(b"Content-Length:", b"Content-Length :", 1),
    "header-name-empty": PLAIN.replace(b"Host:", b":", 1),
    "folded-header": PLAIN.replace(b"Host: tsa.test", b"Host: tsa.test\r\n folded: yes", 1),
    "nul-in-header": PLAIN.replace(b"tsa.test", b"tsa\x00test", 1),
    "bare-cr-in-header": PLAIN.replace(b"tsa.test", b"tsa\rtest", 1),
    "bare-lf-lines": PLAIN.replace(b"\r\n", b"\n"),
    "length-not-a-number": PLAIN.replace(LENGTH, b"Content-Length: many"),
    "length-negative": PLAIN.replace(LENGTH, b"Content-Length: -1"),
    "length-with-plus": PLAIN.replace(LENGTH, b"Content-Length: +" + str(len(BODY)).encode()),
    "length-of-30-digits": PLAIN.replace(LENGTH, b"Content-Length: " + b"9" * 30),
    "length-twice-different": PLAIN.replace(LENGTH, LENGTH + b"\r\nContent-Length: 1"),
    "length-and-chunked": PLAIN.replace(LENGTH, LENGTH + b"\r\nTransfer-Encoding: chunked"),
    "coding-unknown": PLAIN.replace(LENGTH, b"Transfer-Encoding: chunked, gzip"),
    "chunk-size-not-hex": post_bytes(b"zz\r\n", framing="Transfer-Encoding: chunked"),
    "chunk-without-end": post_bytes(b"1\r\nxx0\r\n\r\n", framing="Transfer-Encoding: chunked"),
    "method-with-space": PLAIN.replace(b"POST", b"PO ST", 1),
}


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed(authority: Authority, connection: Connection, request_bytes: bytes) -> None:
    connection.send(request_bytes)
    assert connection.answer().status == 400
    connection.assert_closed()
    with authority.connect() as other:
        authority.stamp(other)


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_behind_a_good_one(authority: Authority, connection: Connection, request_bytes: bytes) -> None:
    """The good request in the same write is answered first."""
    query = Query()
    connection.send(post_bytes(query.encode()) + request_bytes)
    authority.judge(connection.answer(), query)
    assert connection.answer().status == 400
    connection.assert_closed()


def test_empty_lines_before_a_request(authority: Authority, connection: Connection) -> None:
    """RFC 9112 2.2: a server ignores at least one empty line in front of the request line."""
    authority.stamp(connection)
    query = Query()
    authority.judge(connection.ask(b"\r\n" + post_bytes(query.encode())), query)
    authority.stamp(connection)


def test_head_without_end(authority: Authority, connection: Connection) -> None:
    """A head of 1 MiB is not gathered: 400, 431 or an end before it is complete."""
    endless = post_bytes(BODY, headers=("X-Long: " + "x" * (1 << 20),))
    try:
        connection.send(endless)
        assert connection.answer().status in (400, 431)
    except (TimeoutError, ConnectionError):
        pass
    assert b"HTTP/1.1 200" not in connection.rest()
    with authority.connect() as other:
        authority.stamp(other)
