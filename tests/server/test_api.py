"""/api/v1 and the metrics of applications: everybody is told of themselves, and of nobody else."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Fleet
from tests.support import applications
from tests.support.applications import basic, bearer
from tests.support.http import Answer, Connection, post_bytes
from tests.support.processes import wait_until
from tests.support.query import Query
from tests.support.raw_client import wait_known
from tests.support.server import Server
from tests.support.stamping import Authority
from tests.support.token import refusal
from tsa.state.control import Control

Start = Callable[..., Server]
QUOTA = 4
HOUR = 3600
USAGE = "/api/v1/usage"


def stamp_path(serial: int) -> str:
    return f"/api/v1/stamps/{serial:x}"


def error(answer: Answer, status: int) -> str:
    """The sentence of an error, which is JSON."""
    assert answer.status == status, answer
    assert (answer.header("content-type") or "").startswith("application/json")
    body = json.loads(answer.body)
    assert list(body) == ["error"]
    assert body["error"].endswith(".")
    return str(body["error"])


def windows(connection: Connection, key: str, query: str = "") -> list[dict[str, Any]]:
    """The caller's usage."""
    answer = connection.get(USAGE + query, bearer(key))
    assert answer.status == 200, answer
    found: list[dict[str, Any]] = json.loads(answer.body)
    return found


@pytest.fixture(autouse=True)
def _within_an_hour() -> None:
    applications.stay_within_an_hour(10)


@pytest.fixture(scope="module")
def authority(fleet: Fleet) -> Authority:
    """A server whose licences are worth `QUOTA` stamps an hour, but for the anonymous ones."""
    return Authority(fleet.get("api", options={("licence", "stamps_per_licence_hour"): QUOTA}))


@pytest.fixture
def key(request: pytest.FixtureRequest, authority: Authority) -> str:
    """The key of an application with two licences that is called by the test's name."""
    return register(authority, request.node.name[:64])


def register(authority: Authority, name: str) -> str:
    """The key of an application with two licences, once the server knows it."""
    key = applications.add(authority.server.directory, name, 2)
    with authority.connect() as connection:
        wait_known(connection, key)
    return key


@pytest.fixture
def connection(authority: Authority) -> Iterator[Connection]:
    with authority.connect() as opened:
        yield opened


def post(connection: Connection, key: str, query: Query | None = None) -> Answer:
    """The answer to a request of the application with that key."""
    return connection.ask(post_bytes((query or Query()).encode(), headers=(bearer(key),)))


# Stamps.


@pytest.mark.parametrize("cert_req", [None, b"\xff"])
def test_a_stamp_as_it_was_sent(authority: Authority, connection: Connection, key: str, cert_req: bytes | None) -> None:
    query = Query(cert_req=cert_req)
    sent = post(connection, key, query)
    serial = authority.judge(sent, query).info.serial
    for path in (stamp_path(serial), f"/api/v1/stamps/{serial:X}", f"/api/v1/stamps/{serial:040x}"):
        for header in (bearer(key), basic(key)):
            got = connection.get(path, header)
            assert (got.status, got.header("content-type")) == (200, "application/timestamp-reply")
            assert got.body == sent.body


def test_a_stamp_of_any_worker_is_told_by_each(start: Start) -> None:
    authority = Authority(start(workers=2))
    key = applications.add(authority.server.directory, "both", 1)
    opened = [authority.connect() for _ in range(8)]
    for connection in opened:
        wait_known(connection, key)
    sent = [(query := Query(), post(connection, key, query)) for connection in opened]
    tokens = {authority.judge(answer, query).info.serial: answer.body for query, answer in sent}
    with authority.connect() as connection:
        heads = [value for (name, _), value in samples(connection).items() if name == "tsa_ledger_seq"]
    assert len(heads) == 2
    assert min(heads) > 0, "both workers have stamped"
    for connection in opened:
        assert {serial: connection.get(stamp_path(serial), bearer(key)).body for serial in tokens} == tokens
        connection.socket.close()


def test_anothers_stamp_looks_like_none(authority: Authority, connection: Connection, key: str) -> None:
    query, anonymous = Query(), Query()
    other = register(authority, "other")
    serial = authority.judge(post(connection, other, query), query).info.serial
    serials = [serial, authority.stamp(connection, anonymous).info.serial, serial + 1, serial >> 8, 0, 2**160 - 1]
    answers = [connection.get(stamp_path(each), bearer(key)) for each in serials]
    assert len({error(answer, 404) for answer in answers}) == 1
    assert len({len(answer.body) for answer in answers}) == 1
    assert connection.get(stamp_path(serial), bearer(other)).status == 200


@pytest.mark.parametrize("serial", ["xyz", "-1", "0x12", "12%20", "1" * 41, "%D9%A1"])
def test_what_is_no_serial(connection: Connection, key: str, serial: str) -> None:
    assert "hexadecimal" in error(connection.get(f"/api/v1/stamps/{serial}", bearer(key)), 400)


@pytest.mark.parametrize("path", [USAGE, stamp_path(1), "/api/v1/stamps/xyz"])
def test_who_may_ask(connection: Connection, key: str, path: str) -> None:
    """Registered applications; anonymous callers are none, though they may stamp."""
    answer = connection.get(path)
    assert "APP_KEY" in error(answer, 401)
    assert answer.header("www-authenticate") == 'Basic realm="tsa"'
    for header in (bearer("x" * 43), basic(key[:-1]), "Authorization: Digest x"):
        error(connection.get(path, header), 403)
    assert connection.get(USAGE, bearer(key)).status == 200


def test_a_disabled_application_is_told_nothing(authority: Authority, connection: Connection, key: str) -> None:
    applications.disable(authority.server.directory, "test_a_disabled_application_is_told_nothing")
    wait_until(lambda: connection.get(USAGE, bearer(key)).status == 403, "the application is disabled")
    assert connection.get(stamp_path(1), bearer(key)).body == connection.get(stamp_path(1), bearer("x" * 43)).body


def test_a_ledger_that_cannot_be_read(authority: Authority, connection: Connection, key: str) -> None:
    """503, and why is in the log alone; afterwards as before."""
    query = Query()
    serial = authority.judge(post(connection, key, query), query).info.serial
    [file] = (authority.server.directory / "ledger").rglob("0.db")
    aside = file.with_suffix(".aside")
    file.rename(aside)
    file.write_bytes(b"This is no database." * 100)
    try:
        assert "ledger" not in error(connection.get(stamp_path(serial), bearer(key)), 503)
    finally:
        aside.rename(file)
    assert connection.get(stamp_path(serial), bearer(key)).status == 200


# Usage.


def refused_thrice(connection: Connection, key: str) -> None:
    """A request that is malformed, one for a policy that is not offered, one beyond what was bought."""
    refusal(connection.ask(post_bytes(b"garbage", headers=(bearer(key),))), "badDataFormat")
    refusal(post(connection, key, Query(policy="2.999.1")), "unacceptedPolicy")
    refusal(post(connection, key), "systemFailure", status=429)


def test_usage_of_the_running_window(authority: Authority, key: str) -> None:
    """Stamps count, and every refusal to an application that is known, on both sides of the port."""
    with authority.connect("aiohttp") as handed, authority.connect() as lane:
        before = int(time.time())
        [window] = windows(handed, key)
        start = datetime.fromisoformat(window.pop("start")).timestamp()
        assert start in (before // HOUR * HOUR, int(time.time()) // HOUR * HOUR)
        assert window == {"window_s": 3600, "capacity": 2 * QUOTA, "stamps": 0, "refusals": 0, "used_percent": 0.0}
        statuses = [post(side, key).status for side in (handed, lane) for _ in range(QUOTA - 1)]
        assert statuses == [200] * len(statuses)
        assert figures(windows(handed, key)) == [(6, 0, 75.0)]
        statuses = [post(side, key).status for side in (handed, lane)]
        assert statuses == [200] * 2
        refused_thrice(lane, key)
        assert figures(windows(handed, key)) == [(8, 3, 100.0)]
        refused_thrice(handed, key)
        assert figures(windows(handed, key)) == [(8, 6, 100.0)]


def figures(found: list[dict[str, Any]]) -> list[tuple[int, int, float]]:
    return [(window["stamps"], window["refusals"], window["used_percent"]) for window in found]


def keep_usage(authority: Authority, name: str, rows: list[tuple[int, int, int, int]]) -> None:
    """Write (start, capacity, stamps, refusals) into the usage table, as the bookkeeping does."""

    def insert(control: Control) -> None:
        [number] = control.connection.execute("SELECT id FROM application WHERE name = ?", (name,)).fetchone()
        with control.change() as connection:
            for start, *rest in rows:
                connection.execute("INSERT OR REPLACE INTO usage VALUES (?, ?, ?, ?, ?)", (start, number, *rest))

    applications.change(authority.server.directory, insert)


def test_usage_of_earlier_windows(authority: Authority, connection: Connection, key: str) -> None:
    """Newest first; the running one by the counters, which know better than what was written a minute ago."""
    now = int(time.time()) // HOUR * HOUR
    rows = [(now - hours * HOUR, 10, hours, 1) for hours in (3, 1, 2)]
    keep_usage(authority, "test_usage_of_earlier_windows", [*rows, (now, 10, 9, 9)])
    register_others = register(authority, "somebody else")
    keep_usage(authority, "somebody else", [(now - HOUR, 10, 5, 5)])
    assert post(connection, key).status == 200
    found = windows(connection, key)
    assert figures(found)[:4] == [(1, 0, 12.5), (1, 1, 10.0), (2, 1, 20.0), (3, 1, 30.0)]
    starts = [datetime.fromisoformat(window["start"]) for window in found]
    assert [start.timestamp() for start in starts] == [now, now - HOUR, now - 2 * HOUR, now - 3 * HOUR]
    assert figures(windows(connection, register_others)) == [(0, 0, 0.0), (5, 5, 50.0)]
    since = starts[2].isoformat().replace("+00:00", "Z")
    assert windows(connection, key, f"?since={since}") == found[:3]
    assert windows(connection, key, f"?since={since.removesuffix('Z')}") == found[:3], "UTC"
    assert windows(connection, key, "?since=2999-01-01") == []


def test_usage_has_at_most_a_thousand_windows(authority: Authority, connection: Connection, key: str) -> None:
    now = int(time.time()) // HOUR * HOUR
    rows = [(now - hours * HOUR, 10, 1, 0) for hours in range(1, 1200)]
    keep_usage(authority, "test_usage_has_at_most_a_thousand_windows", rows)
    found = windows(connection, key)
    assert len(found) == 1000
    assert datetime.fromisoformat(found[0]["start"]).timestamp() >= now
    assert found == sorted(found, key=lambda window: str(window["start"]), reverse=True)


@pytest.mark.parametrize("since", ["yesterday", "1", "2025-13-01", "%00"])
def test_since_that_is_no_time(connection: Connection, key: str, since: str) -> None:
    assert "ISO 8601" in error(connection.get(f"{USAGE}?since={since}", bearer(key)), 400)


# Metrics.

Samples = dict[tuple[str, str], float]


def samples(connection: Connection) -> Samples:
    """The samples of /metrics that have one label or none, by name and the label's value."""
    page = connection.get("/metrics").body.decode()
    families = text_string_to_metric_families(page)
    found = [sample for family in families for sample in family.samples if len(sample.labels) <= 1]
    return {(sample.name, "".join(sample.labels.values())): sample.value for sample in found}


def test_metrics_of_an_application(authority: Authority, connection: Connection, key: str) -> None:
    name = "test_metrics_of_an_application"
    wait_until(lambda: ("tsa_licences", name) in samples(connection), "the application is known")
    before = samples(connection)
    assert before["tsa_licences", name] == 2
    assert before["tsa_licence_used_ratio", name] == 0
    assert before["tsa_ledger_up", ""] == 1
    for _ in range(2):
        authority.judge(post(connection, key, query := Query()), query)
    refusal(connection.ask(post_bytes(b"garbage", headers=(bearer(key),))), "badDataFormat")
    after = samples(connection)
    assert after["tsa_application_stamps", name] == 2
    assert after["tsa_application_refusals", name] == 1
    assert after["tsa_licence_used_ratio", name] == 2 / (2 * QUOTA)
    assert after["tsa_ledger_seq", "0"] == before["tsa_ledger_seq", "0"] + 2
    commits = after["tsa_commit_latency_seconds_count", ""] - before["tsa_commit_latency_seconds_count", ""]
    assert commits == 2
    assert after["tsa_commit_latency_seconds_sum", ""] > before["tsa_commit_latency_seconds_sum", ""]
    assert after["tsa_commit_latency_seconds_bucket", "+Inf"] == after["tsa_commit_latency_seconds_count", ""]


def test_metrics_have_no_name_that_a_client_chose(authority: Authority, connection: Connection) -> None:
    """Applications alone are labels; and one whose name has quotes breaks no line."""
    awkward = 'quote " backslash \\ brace }'
    register(authority, awkward)
    connection.ask(post_bytes(Query().encode(), headers=(bearer("unheard-of"),)))
    found = samples(connection)
    assert found["tsa_licences", awkward] == 2
    assert not any("unheard-of" in label for _, label in found)
