"""docs/conformance.md, "The HTTP around it": methods, media types, credentials, and the ways a body may come."""

import base64
from collections.abc import Callable

import pytest

from tests.support.http import QUERY_TYPE, Answer, Connection, chunked, post_bytes
from tests.support.query import Query
from tests.support.stamping import Authority
from tests.support.token import refusal

MEDIA_TYPES = {
    "plain": QUERY_TYPE,
    "upper-case": "APPLICATION/TIMESTAMP-QUERY",
    "mixed-case": "Application/Timestamp-Query",
    "parameter": f"{QUERY_TYPE}; charset=binary",
    "parameter-without-space": f"{QUERY_TYPE};charset=binary",
    "space-before-parameter": f"{QUERY_TYPE} ; charset=binary",
    "parameter-quoted": f'{QUERY_TYPE}; name="query; one.tsq"',
}
OTHER_TYPES = {
    "none": None,
    "empty": "",
    "text": "text/plain",
    "octets": "application/octet-stream",
    "form": "application/x-www-form-urlencoded",
    "reply": "application/timestamp-reply",
    "longer": f"{QUERY_TYPE}x",
    "prefixed": f"x{QUERY_TYPE}",
    "as-a-parameter": f"text/plain; type={QUERY_TYPE}",
}


@pytest.mark.parametrize("path", ["/", "/tsa"])
def test_both_paths_stamp(authority: Authority, connection: Connection, path: str) -> None:
    authority.stamp(connection, path=path)
    authority.stamp(connection)


@pytest.mark.parametrize("media_type", MEDIA_TYPES.values(), ids=MEDIA_TYPES.keys())
def test_media_type_accepted(authority: Authority, connection: Connection, media_type: str) -> None:
    query = Query()
    authority.judge(connection.ask(post_bytes(query.encode(), content_type=media_type)), query)
    authority.stamp(connection)


@pytest.mark.parametrize("media_type", OTHER_TYPES.values(), ids=OTHER_TYPES.keys())
def test_media_type_refused(authority: Authority, connection: Connection, media_type: str | None) -> None:
    answer = connection.ask(post_bytes(Query().encode(), content_type=media_type))
    assert answer.status == 415
    assert_sentence(answer)
    assert QUERY_TYPE in answer.body.decode()
    authority.stamp(connection)


def assert_sentence(answer: Answer) -> None:
    """The body is text/plain that a person can act on."""
    assert (answer.header("content-type") or "").split(";")[0] == "text/plain"
    text = answer.body.decode().strip()
    assert len(text.split()) >= 4, text
    assert text[-1] in ".!?", text


@pytest.mark.parametrize("path", ["/tsa", "/tsa/SOMEKEY"])
def test_get_is_not_allowed(authority: Authority, connection: Connection, path: str) -> None:
    assert_not_allowed(connection.get(path))
    authority.stamp(connection)


@pytest.mark.parametrize("path", ["/", "/tsa", "/tsa/SOMEKEY"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_method_not_allowed(authority: Authority, connection: Connection, method: str, path: str) -> None:
    body = Query().encode()
    assert_not_allowed(connection.ask(post_bytes(body, path).replace(b"POST", method.encode(), 1)))
    assert_not_allowed(connection.ask(f"{method} {path} HTTP/1.1\r\nHost: tsa.test\r\n\r\n".encode()))
    authority.stamp(connection)


def assert_not_allowed(answer: Answer) -> None:
    """405, and Allow names POST (RFC 9110 15.5.6)."""
    assert answer.status == 405, answer
    allowed = {method.strip() for method in (answer.header("allow") or "").split(",")}
    assert "POST" in allowed
    assert not allowed & {"PUT", "DELETE"}


CREDENTIALS = {
    "path": ("/tsa/SOMEKEY", ()),
    "bearer": ("/", ("Authorization: Bearer SOMEKEY",)),
    "bearer-tsa": ("/tsa", ("Authorization: Bearer SOMEKEY",)),
    "basic": ("/", ("Authorization: Basic " + base64.b64encode(b"someone:SOMEKEY").decode(),)),
    "basic-without-user": ("/tsa", ("Authorization: Basic " + base64.b64encode(b":SOMEKEY").decode(),)),
    "path-and-bearer": ("/tsa/SOMEKEY", ("Authorization: Bearer SOMEKEY",)),
}


@pytest.mark.parametrize(("path", "headers"), CREDENTIALS.values(), ids=CREDENTIALS.keys())
def test_unknown_application(authority: Authority, connection: Connection, path: str, headers: tuple[str, ...]) -> None:
    answer = connection.ask(post_bytes(Query().encode(), path, headers=headers))
    assert "SOMEKEY" not in refusal(answer, "badRequest", status=403), "a key is a secret"
    authority.stamp(connection)


WAYS: dict[str, Callable[[bytes], bytes]] = {
    "one-chunk": lambda body: chunked(body),
    "three-chunks": lambda body: chunked(body[:1], body[1:30], body[30:]),
    "chunk-an-octet": lambda body: chunked(*(body[at : at + 1] for at in range(len(body)))),
    "chunk-extension": lambda body: f"{len(body):X};name=value\r\n".encode() + body + b"\r\n0\r\n\r\n",
    "trailer": lambda body: chunked(body, trailer=b"Checksum: none\r\n"),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_chunked_body(authority: Authority, connection: Connection, way: Callable[[bytes], bytes]) -> None:
    query = Query()
    head = post_bytes(b"", framing="Transfer-Encoding: chunked")
    authority.judge(connection.ask(head + way(query.encode())), query)
    authority.stamp(connection)


@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_expect_continue(authority: Authority, connection: Connection, coding: str) -> None:
    query = Query()
    body = query.encode()
    framing = f"Content-Length: {len(body)}" if coding == "length" else "Transfer-Encoding: chunked"
    connection.send(post_bytes(b"", framing=framing, headers=("Expect: 100-continue",)))
    assert connection.wait_for_interim() == 100
    connection.send(body if coding == "length" else chunked(body))
    authority.judge(connection.answer(), query)
    authority.stamp(connection)


def test_expect_continue_with_the_body_at_once(authority: Authority, connection: Connection) -> None:
    query = Query()
    authority.judge(connection.ask(post_bytes(query.encode(), headers=("Expect: 100-continue",))), query)
    authority.stamp(connection)


def test_http_1_0_closes(authority: Authority, connection: Connection) -> None:
    query = Query()
    authority.judge(connection.ask(post_bytes(query.encode(), version="HTTP/1.0")), query)
    connection.assert_closed()


def test_http_1_0_keep_alive(authority: Authority, connection: Connection) -> None:
    for _ in range(3):
        query = Query()
        request = post_bytes(query.encode(), version="HTTP/1.0", headers=("Connection: keep-alive",))
        answer = connection.ask(request)
        assert (answer.header("connection") or "").lower() == "keep-alive", "HTTP/1.0 clients close without it"
        authority.judge(answer, query)
    authority.stamp(connection)


def test_connection_close(authority: Authority, connection: Connection) -> None:
    query = Query()
    answer = connection.ask(post_bytes(query.encode(), headers=("Connection: close",)))
    assert (answer.header("connection") or "").lower() == "close"
    authority.judge(answer, query)
    connection.assert_closed()


def test_half_closed_client_gets_its_answer(authority: Authority, connection: Connection) -> None:
    """A client may end its side once it has asked (RFC 9112 9.6 asks servers to bear with that)."""
    query = Query()
    connection.send(post_bytes(query.encode()))
    connection.socket.shutdown(1)
    authority.judge(connection.answer(), query)
    connection.assert_closed()


def test_header_names_and_unusual_headers(authority: Authority, connection: Connection) -> None:
    query = Query()
    request = post_bytes(query.encode(), headers=("X-Odd: \xe9\xff", "Accept: */*", "X-Empty:"))
    request = request.replace(b"Content-Type", b"cONTENT-tYPE").replace(b"Content-Length", b"CONTENT-LENGTH")
    authority.judge(connection.ask(request), query)
    authority.stamp(connection)
