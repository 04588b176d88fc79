"""Applications are changed while the server runs, and their keys are told to nobody."""

import base64
from collections.abc import Callable

import pytest

from tests.support import applications
from tests.support.applications import basic, bearer
from tests.support.http import Connection, chunked, post_bytes
from tests.support.processes import events, wait_for_event, wait_until
from tests.support.query import Query
from tests.support.raw_client import BOTH_SIDES, ask, known, ledger_rows, register, wait_known
from tests.support.server import Server
from tests.support.stamping import Authority
from tests.support.token import refusal

Start = Callable[..., Server]


# Changes while it is served.


def wait_for_status(connection: Connection, key: str, status: int) -> None:
    wait_until(lambda: ask(connection, bearer(key)).status == status, f"status {status}")


@BOTH_SIDES
def test_changes_reach_every_worker(start: Start, via: str) -> None:
    """Added, given another key, disabled: on connections that both workers have had open all the time."""
    server = start(workers=2)
    authority = Authority(server)
    opened = [authority.connect(via) for _ in range(16)]
    for connection in opened:
        authority.stamp(connection)
    assert min(ledger_rows(server)) > 0, "both workers have some of the connections"

    def all_answer(key: str, status: int) -> None:
        for connection in opened:
            wait_for_status(connection, key, status)
        assert {ask(connection, path=f"/tsa/{key}").status for connection in opened} == {status}

    first = applications.add(server.directory, "changing")
    all_answer(first, 200)
    second = applications.rekey(server.directory, "changing")
    all_answer(second, 200)
    all_answer(first, 403)
    applications.disable(server.directory, "changing")
    all_answer(second, 403)
    for connection in opened:
        authority.stamp(connection)
        connection.socket.close()
    assert len(events(server, "worker serves")) == 2, "no worker was started again"


def test_more_licences_count_at_once(start: Start) -> None:
    server = start(workers=2, options={("licence", "stamps_per_licence_hour"): 4})
    key = applications.add(server.directory, "growing", 1)
    with server.connect() as connection:
        wait_known(connection, key)
        statuses = [ask(connection, bearer(key)).status for _ in range(6)]
        assert statuses == [200] * 4 + [429] * 2
        applications.grant_more(server.directory, "growing", 2)
        wait_until(lambda: ask(connection, bearer(key)).status == 200, "there is capacity again")
        statuses = [ask(connection, bearer(key)).status for _ in range(8)]
    assert statuses == [200] * 7 + [429]


# Keys are secrets.


@pytest.fixture
def talkative(start: Start) -> Server:
    """A server that logs all it can, and whose licences are soon exhausted."""
    options = {
        ("log", "level"): "debug",
        ("log", "requests"): True,
        ("licence", "stamps_per_licence_hour"): 2,
        ("server", "deadline_s"): 0.3,
    }
    return start(workers=1, options=options)


def requests_with(key: str, header: str) -> list[bytes]:
    """Requests of all kinds that show a key, each of which is answered."""
    body = Query().encode()
    return [
        post_bytes(body, f"/tsa/{key}"),
        post_bytes(body, headers=(header,)),
        post_bytes(body, f"/tsa/{key}", framing="Transfer-Encoding: chunked").removesuffix(body) + chunked(body),
        post_bytes(b"", f"/tsa/{key}", framing=f"Content-Length: {1 << 40}"),
        post_bytes(b"", f"/tsa/{key}", framing=""),
        post_bytes(body, f"/tsa/{key}", content_type="text/plain"),
        post_bytes(body, f"/tsa/{key}/more"),
        post_bytes(body, f"/tsa/{key}?query"),
        post_bytes(body, f"/tsa/{key}", framing="Content-Length: many"),
        post_bytes(body[:-1], f"/tsa/{key}", framing=f"Content-Length: {len(body)}", headers=(header,)),
        f"GET /tsa/{key} HTTP/1.1\r\nHost: tsa.test\r\n\r\n".encode(),
        f"DELETE /tsa/{key} HTTP/1.1\r\nHost: tsa.test\r\n{header}\r\n\r\n".encode(),
        f"POST /tsa/{key} HTTP/1.1\r\nHost: tsa.test\r\n{header}\r\nNo colon\r\n\r\n".encode(),
        f"GET /tsa/{key} HTTP/9.9\r\n{header}\r\n\r\n".encode(),
        f"GET /api/v1/usage HTTP/1.1\r\nHost: tsa.test\r\n{header}\r\n\r\n".encode(),
        f"GET /api/v1/stamps/{key} HTTP/1.1\r\nHost: tsa.test\r\n{header}\r\n\r\n".encode(),
        f"GET /api/v1/usage?since={key} HTTP/1.1\r\nHost: tsa.test\r\n{header}\r\n\r\n".encode(),
    ]


@BOTH_SIDES
def test_keys_are_told_to_nobody(talkative: Server, via: str) -> None:
    """Neither in logs, answers, metrics nor files, whether the key is right, wrong, exhausted or disabled."""
    authority = Authority(talkative)
    key, wrong = register(talkative, "secretive"), "W" * 43
    said = []

    def ask_everything() -> None:
        for secret in (key, wrong):
            for header in (bearer(secret), basic(secret)):
                for request in requests_with(secret, header):
                    with authority.connect(via) as connection:
                        answer = connection.ask(request)
                        said.append(f"{answer.headers}{answer.body!r}")

    ask_everything()
    applications.disable(talkative.directory, "secretive")
    wait_until(lambda: not known(talkative, key), "the application is disabled")
    ask_everything()
    with authority.connect() as connection:
        said += [repr(connection.get(path).body) for path in ("/metrics", "/readyz", "/")]
    sorts = {200, 403, 404, 405, 411, 413, 415, 429}
    wait_until(lambda: sorts <= {event["status"] for event in events(talkative, "request")}, "lines of all sorts")
    talkative.stop()
    said.append(talkative.log_text())
    said += [repr(file.read_bytes()) for file in talkative.directory.rglob("*") if file.is_file()]
    for secret in (key, wrong):
        for form in (secret, base64.b64encode(f"anybody:{secret}".encode()).decode()):
            assert not any(form in each for each in said)


def test_disabling_the_anonymous_application(start: Start) -> None:
    """As any other; [anonymous] enabled = false answers 401, this 403."""
    server = start(workers=1)
    applications.disable(server.directory, "anonymous")
    with server.connect() as connection:
        wait_until(lambda: ask(connection).status == 403, "anonymous callers are refused")
        refusal(ask(connection), "badRequest", status=403)


def test_switching_anonymous_stamping_off_by_reload(start: Start) -> None:
    server = start(workers=2)
    key = applications.add(server.directory, "registered")
    with server.connect() as connection:
        toml = server.directory / "tsa.toml"
        toml.write_text(toml.read_text().replace("enabled = true", "enabled = false"))
        server.process.send_signal(1)
        wait_for_event(server, "worker reloaded", count=2)
        refusal(ask(connection), "badRequest", status=401)
        assert ask(connection, bearer(key)).status == 200
