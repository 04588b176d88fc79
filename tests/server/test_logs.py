"""The log: JSON lines; a line a request only where it is asked for; nothing in it that should not be known."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.http import post_bytes
from tests.support.processes import States, events, wait_until
from tests.support.query import Query, imprint
from tests.support.server import Server, start_server
from tests.support.stamping import Authority

Start = Callable[..., Server]
SECRET = "S3CR3T-K3Y"  # noqa: S105 - what must not be found in the log


# The lines of ask_all_sorts(): method on aiohttp's side alone, status, failInfo of a refusal on the lane.
SORTS = Counter(
    {
        (None, 200, None): 1,
        (None, 200, "badAlg"): 1,
        ("POST", 200, None): 2,
        (None, 403, "badRequest"): 3,
        ("POST", 403, None): 3,
        ("POST", 415, None): 2,
        ("POST", 413, None): 2,
        ("GET", 404, None): 2,
        ("GET", 405, None): 2,
        ("PUT", 405, None): 2,
    }
)


def _sort(event: dict[str, Any]) -> tuple[str | None, int, str | None]:
    return event.get("method"), event["status"], event.get("fail_info")


def ask_all_sorts(authority: Authority) -> None:
    """Requests of every kind on either side of the hand-over, with a secret wherever one may be."""
    body = Query().encode()
    requests = [
        post_bytes(body),
        post_bytes(Query(imprint=imprint("sha1")).encode()),
        post_bytes(body, f"/tsa/{SECRET}"),
        post_bytes(body, headers=(f"Authorization: Bearer {SECRET}",)),
        post_bytes(body, headers=(f"Authorization: Basic {SECRET}",)),
        post_bytes(body, content_type="text/plain"),
        f"GET /tsa/{SECRET} HTTP/1.1\r\nHost: tsa.test\r\n\r\n".encode(),
        f"GET /{SECRET}?key={SECRET} HTTP/1.1\r\nHost: tsa.test\r\nCookie: {SECRET}\r\n\r\n".encode(),
        f"PUT /tsa/{SECRET} HTTP/1.1\r\nHost: tsa.test\r\nContent-Length: 0\r\n\r\n".encode(),
        post_bytes(b"", f"/tsa/{SECRET}", framing="Content-Length: 99999"),
    ]
    for via in ("lane", "aiohttp"):
        for request in requests:
            with authority.connect(via) as connection:
                connection.ask(request)
    for malformed in (
        f"GET /{SECRET} HTTP/9.9\r\n{SECRET}\r\n\r\n".encode(),
        f"GET http://[{SECRET}/ HTTP/1.1\r\n\r\n".encode(),
    ):
        for via in ("lane", "aiohttp"):
            with authority.connect(via) as connection:
                connection.send(malformed)
                connection.rest()


@pytest.mark.parametrize("requests", [False, True])
def test_a_line_a_request_only_if_asked_for(start: Start, requests: bool) -> None:
    server = start(workers=1, options={("log", "requests"): requests, ("log", "level"): "debug"})
    ask_all_sorts(Authority(server))
    if requests:
        wait_until(lambda: Counter(map(_sort, events(server, "request"))) >= SORTS, "every request has its line")
    else:
        assert not events(server, "request")
    text = server.log_text()
    assert SECRET not in text
    assert not re.search("bearer|basic|cookie", text, re.IGNORECASE)
    server.stop()


def test_every_line_is_an_event(start: Start) -> None:
    """From start to end: JSON objects with an event, a level and a time in UTC; the start says what the time is."""
    server = start(workers=2)
    server.stop()
    found = events(server)
    assert len(found) == len(server.log_text().splitlines())
    for event in found:
        assert event["event"]
        assert event["level"] == "info"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event["timestamp"])
    names = [event["event"] for event in found]
    assert names[:2] == ["clock trusted", "listening"]
    assert names[-1] == "stopped"
    assert sorted(names[2:-1]) == sorted(
        ["worker started", "worker serves", "worker ends"] * 2 + ["capacity", "draining"],
    )
    assert "system" in found[1]["clock"]


def test_level(states: States, tmp_path: Path) -> None:
    """[log] level = "error" keeps the ordinary course out of the log."""
    options = {("log", "level"): "error", ("log", "requests"): True}
    server = start_server(states.copy(tmp_path / "state"), options=options)
    ask_all_sorts(Authority(server))
    server.stop()
    assert not server.log_text()
