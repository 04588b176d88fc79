"""docs/conformance.md: who may stamp, and how much; 401, 403 and 429 carry a DER refusal, the next is granted."""

import base64
import itertools
import time
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Fleet
from tests.support import applications
from tests.support.applications import basic, bearer
from tests.support.http import Answer, Connection, post_bytes
from tests.support.processes import wait_until
from tests.support.query import Query
from tests.support.raw_client import known
from tests.support.stamping import Authority
from tests.support.token import refusal

QUOTA = 3
names = (f"application {number}" for number in itertools.count())


@pytest.fixture(autouse=True)
def _within_an_hour() -> None:
    applications.stay_within_an_hour(10)


@pytest.fixture(scope="module")
def members(fleet: Fleet) -> Authority:
    """A server for registered applications alone, whose licences are worth `QUOTA` stamps an hour."""
    options = {("anonymous", "enabled"): False, ("licence", "stamps_per_licence_hour"): QUOTA}
    return Authority(fleet.get("members", options=options))


@pytest.fixture
def connection(members: Authority, via: str) -> Iterator[Connection]:
    """A connection to that server by way of `via`."""
    with members.connect(via) as opened:
        yield opened


@pytest.fixture
def register(members: Authority) -> Callable[..., str]:
    """Registers an application by a name that no other has, and returns its APP_KEY once the server knows it."""

    def add(licences: int = 1000, name: str | None = None) -> str:
        key = applications.add(members.server.directory, name or next(names), licences)
        wait_until(lambda: known(members.server, key), "the application is known")
        return key

    return add


def post(path: str = "/", *headers: str) -> tuple[bytes, Query]:
    """A good request, and what its token is judged by."""
    query = Query()
    return post_bytes(query.encode(), path, headers=headers), query


def ways(key: str) -> dict[str, tuple[str, ...]]:
    """Path and headers that show an APP_KEY, by each of the ways."""
    return {
        "path": (f"/tsa/{key}",),
        "bearer": ("/", bearer(key)),
        "bearer-lower-case": ("/tsa", bearer(key).replace("Bearer", "bearer")),
        "basic": ("/", basic(key)),
        "basic-without-user": ("/tsa", basic(key, user="")),
        "path-before-header": (f"/tsa/{key}", bearer("of-somebody-else")),
    }


@pytest.mark.parametrize("way", ways("").keys())
def test_credentials(members: Authority, connection: Connection, register: Callable[..., str], way: str) -> None:
    shown = ways(register())[way]
    for _ in range(2):
        request, query = post(*shown)
        members.judge(connection.ask(request), query)


@pytest.mark.parametrize("path", ["/", "/tsa"])
def test_no_credentials(members: Authority, connection: Connection, register: Callable[..., str], path: str) -> None:
    key = register()
    answer = connection.ask(post(path)[0])
    assert "APP_KEY" in refusal(answer, "badRequest", status=401)
    assert answer.header("www-authenticate") == 'Basic realm="tsa"'
    request, query = post(path, basic(key))
    members.judge(connection.ask(request), query)


BAD_CREDENTIALS = {
    "unknown-key": bearer("x" * 43),
    "empty-bearer": "Authorization: Bearer",
    "no-key": basic(""),
    "other-scheme": "Authorization: Digest username=somebody",
    "not-base64": "Authorization: Basic ####",
    "not-utf-8": "Authorization: Basic " + base64.b64encode(b"a:\xff").decode(),
}


@pytest.mark.parametrize("header", BAD_CREDENTIALS.values(), ids=BAD_CREDENTIALS.keys())
def test_bad_credentials(members: Authority, connection: Connection, register: Callable[..., str], header: str) -> None:
    key = register()
    answer = connection.ask(post("/", header)[0])
    refusal(answer, "badRequest", status=403)
    assert answer.header("www-authenticate") is None
    request, query = post(f"/tsa/{key}")
    members.judge(connection.ask(request), query)


def test_unknown_and_disabled_look_alike(
    members: Authority, connection: Connection, register: Callable[..., str]
) -> None:
    name = next(names)
    key, other = register(name=name), register()
    applications.disable(members.server.directory, name)
    wait_until(lambda: not known(members.server, key), "the application is disabled")
    disabled, unknown = connection.ask(post("/", bearer(key))[0]), connection.ask(post("/", bearer("y" * 43))[0])
    refusal(disabled, "badRequest", status=403)
    assert _without_date(disabled) == _without_date(unknown)
    request, query = post("/", bearer(other))
    members.judge(connection.ask(request), query)


def _without_date(answer: Answer) -> Answer:
    headers = [header for header in answer.headers if header[0] != "date"]
    return Answer(answer.version, answer.status, headers, answer.body)


def test_exhausted_licence(members: Authority, connection: Connection, register: Callable[..., str]) -> None:
    """429 tells when to come back and what was bought; the licences of others are untouched."""
    name = next(names)
    key, other = register(licences=2, name=name), register()
    before = _seconds_left()
    for _ in range(2 * QUOTA):
        request, query = post(f"/tsa/{key}")
        members.judge(connection.ask(request), query)
    for _ in range(2):
        answer = connection.ask(post(f"/tsa/{key}")[0])
        sentence = refusal(answer, "systemFailure", status=429)
        assert name in sentence
        assert f"{2 * QUOTA} stamps" in sentence
        assert "2 licences" in sentence
        assert _seconds_left() <= int(answer.header("retry-after") or "") <= before
    request, query = post(f"/tsa/{other}")
    members.judge(connection.ask(request), query)


def _seconds_left() -> int:
    return 3600 - int(time.time()) % 3600


def test_an_application_without_licences(
    members: Authority, connection: Connection, register: Callable[..., str]
) -> None:
    key = register(licences=0)
    refusal(connection.ask(post(f"/tsa/{key}")[0]), "systemFailure", status=429)


def test_exhausted_in_a_pipeline(members: Authority, connection: Connection, register: Callable[..., str]) -> None:
    """First come, first served, in order; refusals of other kinds in between cost nothing."""
    key = register()
    key_of_one = register(licences=1)
    asked = [post(f"/tsa/{key_of_one}") for _ in range(QUOTA + 2)]
    bad = post_bytes(b"\x30\x00", f"/tsa/{key_of_one}")
    last, query = post(f"/tsa/{key}")
    connection.send(bad + b"".join(request + bad for request, _ in asked) + last)
    refusal(connection.answer(), "badDataFormat")
    for at, (_, asked_for) in enumerate(asked):
        if at < QUOTA:
            members.judge(connection.answer(), asked_for)
        else:
            refusal(connection.answer(), "systemFailure", status=429)
        refusal(connection.answer(), "badDataFormat")
    members.judge(connection.answer(), query)


def test_refusals_cost_nothing(members: Authority, connection: Connection, register: Callable[..., str]) -> None:
    key = register(licences=1)
    for _ in range(QUOTA + 1):
        refusal(connection.ask(post_bytes(b"", f"/tsa/{key}", framing="Content-Length: 0")), "badDataFormat")
        refusal(connection.ask(post_bytes(Query(policy="2.999.1").encode(), f"/tsa/{key}")), "unacceptedPolicy")
    for _ in range(QUOTA):
        request, query = post(f"/tsa/{key}")
        members.judge(connection.ask(request), query)
    refusal(connection.ask(post(f"/tsa/{key}")[0]), "systemFailure", status=429)
