"""/metrics: it counts exactly what was done, over all workers, and no client chooses a label (decision 12)."""

import os
import signal
import time
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.http import post_bytes
from tests.support.processes import events, wait_for_event, wait_until
from tests.support.query import Query, extension, imprint
from tests.support.server import Server
from tests.support.stamping import Authority
from tests.support.token import FAILURES, refusal

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]

REFUSED = {
    "badAlg": Query(imprint=imprint("sha1")).encode(),
    "badDataFormat": b"garbage",
    "badRequest": Query(version=b"\x02\x01\x02").encode(),
    "unacceptedPolicy": Query(policy="1.2.3").encode(),
    "unacceptedExtension": Query(extensions=extension("1.2.3", critical=False)).encode(),
}


def samples(authority: Authority) -> Samples:
    """Every sample of the page, by name and labels, as Prometheus itself reads it."""
    with authority.connect() as connection:
        answer = connection.get("/metrics")
    assert answer.status == 200
    assert (answer.header("content-type") or "").startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.body.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def plain(found: Samples, name: str) -> float:
    return found[name, ()]


def refusals(found: Samples) -> dict[str, float]:
    return {labels[0][1]: value for (name, labels), value in found.items() if name == "tsa_refusals_total"}


@pytest.fixture
def counted(start: Callable[..., Server]) -> Authority:
    """An authority of two workers that nobody else asks."""
    return Authority(start(workers=2))


def stamp_some(authority: Authority, connections: int, each: int) -> None:
    """So many connections that both workers have some, on both sides of the hand-over."""
    for number in range(connections):
        with authority.connect("aiohttp" if number % 2 else "lane") as connection:
            for _ in range(each):
                authority.stamp(connection)


def test_stamps_are_counted_over_both_workers(counted: Authority) -> None:
    """Each of the two answers with the same sums, and the histograms add up to the stamps."""
    assert plain(samples(counted), "tsa_stamps_total") == 0, "the token of the start is no stamp of a client"
    begun = time.monotonic()
    stamp_some(counted, connections=16, each=5)
    elapsed = time.monotonic() - begun
    wait_until(lambda: plain(samples(counted), "tsa_stamps_total") == 80, "80 stamps are counted")
    for _ in range(8):
        found = samples(counted)
        assert plain(found, "tsa_stamps_total") == 80
        assert plain(found, "tsa_stamp_latency_seconds_count") == 80
        assert 0 < plain(found, "tsa_stamp_latency_seconds_sum") < elapsed
        assert plain(found, "tsa_batch_size_sum") == 80
        assert 1 <= plain(found, "tsa_batch_size_count") <= 80
        assert sum(refusals(found).values()) == 0
        for name in ("tsa_stamp_latency_seconds", "tsa_batch_size"):
            buckets = [value for (sample, _), value in found.items() if sample == f"{name}_bucket"]
            assert buckets == sorted(buckets)
            assert buckets[-1] == plain(found, f"{name}_count")


def test_refusals_are_counted_by_their_fail_info(counted: Authority) -> None:
    """1 badAlg, 2 badDataFormat, … on the lane, and the same again from aiohttp; bits never used stay at 0."""
    for via in ("lane", "aiohttp"):
        with counted.connect(via) as connection:
            for times, (failure, octets) in enumerate(REFUSED.items(), 1):
                for _ in range(times):
                    refusal(connection.post(octets), failure)
    expected = dict.fromkeys(FAILURES, 0.0) | {name: 2.0 * times for times, name in enumerate(REFUSED, 1)}
    wait_until(lambda: refusals(samples(counted)) == expected, "each refusal is counted once")
    assert plain(samples(counted), "tsa_stamps_total") == 0


def test_an_unknown_application_is_a_bad_request(counted: Authority) -> None:
    """Counted, but its key is nowhere on the page."""
    with counted.connect() as connection:
        refusal(connection.post(Query().encode(), "/tsa/SECRETKEY"), "badRequest", 403)
    wait_until(lambda: refusals(samples(counted))["badRequest"] == 1, "the refusal is counted")
    assert not [labels for _, labels in samples(counted) if "SECRETKEY" in str(labels)]


def test_gauges(counted: Authority) -> None:
    """Open connections of both workers, an empty queue, and the days that the certificate may still sign."""
    opened = [counted.connect("aiohttp" if number % 2 else "lane") for number in range(20)]
    wait_until(lambda: plain(samples(counted), "tsa_connections") == 21, "20 connections and the one that asks")
    found = samples(counted)
    assert plain(found, "tsa_queue") == 0
    assert plain(found, "tsa_clock_trusted") == 1
    assert 0 <= plain(found, "tsa_clock_error_bound_seconds") < 1
    assert 0 <= plain(found, "tsa_clock_age_seconds") < 70, "a poll, and not more than a loaded machine needs"
    days = plain(found, "tsa_certificate_days_left")
    until = counted.certificate.not_valid_after_utc.timestamp()
    assert 1 < days <= (until - time.time()) / 86_400 + 0.01
    for connection in opened:
        connection.socket.close()
    wait_until(lambda: plain(samples(counted), "tsa_connections") == 1, "only the one that asks")


def test_counts_outlive_a_worker(counted: Authority) -> None:
    """A worker that dies takes its open connections with it, not what it has counted."""
    stamp_some(counted, connections=12, each=2)
    wait_until(lambda: plain(samples(counted), "tsa_stamps_total") == 24, "24 stamps are counted")
    opened = [counted.connect() for _ in range(10)]
    for connection in opened:
        counted.stamp(connection)
    os.kill(events(counted.server, "worker started")[0]["pid"], signal.SIGKILL)
    wait_for_event(counted.server, "worker serves", count=3)
    found = samples(counted)
    assert plain(found, "tsa_stamps_total") == 34
    began = [found["tsa_worker_start_time_seconds", (("worker", str(number)),)] for number in range(2)]
    assert all(counted.server.directory.stat().st_ctime - 60 < each <= time.time() for each in began)
    for connection in opened:
        connection.socket.close()
    wait_until(lambda: plain(samples(counted), "tsa_connections") == 1, "no connection is counted for the dead")


def test_batches_are_counted(counted: Authority) -> None:
    """40 requests in one write are few batches, not 40."""
    with counted.connect() as connection:
        queries = [Query() for _ in range(40)]
        connection.send(b"".join(post_bytes(query.encode()) for query in queries))
        for query in queries:
            counted.judge(connection.answer(), query)
    wait_until(lambda: plain(samples(counted), "tsa_batch_size_sum") == 40, "40 stamps are counted")
    assert plain(samples(counted), "tsa_batch_size_count") < 20
