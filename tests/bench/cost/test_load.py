"""The load generator against servers that we know: an honest one, and some that lie."""

import asyncio
import os
import threading
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest
from asn1crypto import tsp

from bench import BenchError
from bench.cost import load
from bench.cost.ceiling import percentiles_ms
from bench.cost.client import CERT_REQ, NONCE, QUERY, fault, queries
from bench.cost.constant import BODY, HEAD, Closing, Constant
from bench.cost.load import LOOPBACK, Run, Way, drive

SECONDS = 0.3
CONNECTIONS = 4


@pytest.fixture(autouse=True)
def short_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "WARM_UP_S", 0.05)


@contextmanager
def serving(protocol: Callable[[], asyncio.Protocol]) -> Iterator[int]:
    """The port of a server of this protocol, which runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(protocol, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()


def run_against(protocol: type[Constant], way: Way = LOOPBACK) -> Run:
    with serving(protocol) as port:
        return drive(port, CONNECTIONS, SECONDS, lambda: 0, way=way)


class Counting(Constant):
    """Honest, and counts its answers."""

    answered = 0

    def answer(self, tail: bytes) -> bytes:
        Counting.answered += 1
        return super().answer(tail)


def test_every_answer_of_an_honest_server_is_right() -> None:
    run = run_against(Counting)
    assert not run.faults
    assert 0 < len(run.latencies) <= Counting.answered
    assert min(run.latencies) > 0
    assert run.elapsed > 0.9 * SECONDS * 1e9  # the loop's timers are coarse; the clock that is read is not
    assert 0 < len(run.sample) <= 20
    for query, reply in run.sample:
        assert query[-42:] == reply[-42:]


class InPieces(Constant):
    """Honest, a few octets at a time."""

    def data_received(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        response = self.answer(data[-42:])
        for turn, start in enumerate(range(0, len(response), 61)):
            loop.call_later(turn * 0.001, self.transport.write, response[start : start + 61])


def test_an_answer_in_pieces_is_one_answer() -> None:
    run = run_against(InPieces)
    assert not run.faults
    assert run.latencies


class EveryOther(Constant):
    """Honest every other time, so that there is something to measure."""

    turn = 0

    def answer(self, tail: bytes) -> bytes:
        EveryOther.turn += 1
        return super().answer(tail) if EveryOther.turn % 2 else self.lie(tail)

    def lie(self, tail: bytes) -> bytes:
        raise NotImplementedError


class Repeats(EveryOther):
    """Gives one token again and again."""

    def lie(self, tail: bytes) -> bytes:
        return super(EveryOther, self).answer(b"\x01" * 42)


class DropsNonce(EveryOther):
    """Answers with the right imprint and no nonce."""

    def lie(self, tail: bytes) -> bytes:
        return super(EveryOther, self).answer(tail[:32] + bytes(10))


class Refuses(EveryOther):
    """Rejects, in DER, as a TimeStampResp without a token."""

    def lie(self, tail: bytes) -> bytes:
        body: bytes = tsp.PKIStatusInfo({"status": "rejection", "fail_info": {"system_failure"}}).dump()
        body = b"\x30" + bytes([len(body)]) + body
        return HEAD.replace(b"600", str(len(body)).encode()) + body


class Unavailable(EveryOther):
    """503, with a body that would be right."""

    def lie(self, tail: bytes) -> bytes:
        return super(EveryOther, self).answer(tail).replace(b"200 OK", b"503 Service Unavailable")


class Chunked(Constant):
    """Honest, in chunks."""

    def answer(self, tail: bytes) -> bytes:
        body = BODY + tail
        parts = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:100], body[100:]))
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"


class ChunkedInPieces(InPieces, Chunked):
    """Honest, in chunks, and a few octets at a time."""


class OldFashioned(Constant):
    """Honest, by HTTP/1.0: the answer ends with its connection."""

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"HTTP/1.0 200 OK\r\n\r\n" + BODY + data[-42:])
        self.transport.close()


class LeavesUnannounced(Constant):
    """Honest, and closes each connection after the answer without having said so."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.close()


@pytest.mark.parametrize("server", [Chunked, ChunkedInPieces, OldFashioned, Closing, LeavesUnannounced])
def test_any_manner_of_http_is_understood(server: type[Constant]) -> None:
    run = run_against(server, Way(reopen=True))
    assert not run.faults
    assert run.latencies
    assert (run.reopened > 0) == (not issubclass(server, Chunked))


def test_a_connection_that_closes_is_a_fault_unless_it_may() -> None:
    with pytest.raises(BenchError, match="closed every connection"):
        run_against(Closing)


class Keeps(Constant):
    """Honest, and keeps what it was sent."""

    heard: ClassVar[list[bytes]] = []

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)
        self.transport.write(self.answer(data[-45:-3]))


def test_the_way_is_followed() -> None:
    run = run_against(Keeps, Way(path="/stamp?a=1", lines=("X-Name: one\r\n", "X-Name: two\r\n"), cert_req=True))
    assert not run.faults
    assert {data.splitlines()[0] for data in Keeps.heard} == {b"POST /stamp?a=1 HTTP/1.1"}
    assert all(name in b"".join(Keeps.heard) for name in (b"X-Name: one", b"X-Name: two"))
    for data in Keeps.heard[:5]:
        assert tsp.TimeStampReq.load(data.partition(b"\r\n\r\n")[2], strict=True)["cert_req"].native
    assert tsp.TimeStampReq.load(run.sample[0][0], strict=True)["cert_req"].native


@pytest.mark.parametrize(
    ("liar", "what"),
    [
        (Repeats, "messageImprint is not the one asked for"),
        (DropsNonce, "nonce is not the one asked for"),
        (Refuses, "PKIStatus is not granted"),
        (Unavailable, "HTTP status 503"),
    ],
)
def test_each_lie_is_counted_under_its_name(liar: type[EveryOther], what: str) -> None:
    EveryOther.turn = 0
    run = run_against(liar)
    # Half of the answers were lies, but for the one that was being told at the end.
    assert abs(run.faults[what] - EveryOther.turn // 2) <= 1
    assert set(run.faults) == {what}
    assert len(run.latencies) < EveryOther.turn


class OnlyLies(Refuses):
    def answer(self, tail: bytes) -> bytes:
        return self.lie(tail)


def test_nothing_right_is_no_measurement() -> None:
    with pytest.raises(BenchError, match=r"no right answer .* PKIStatus is not granted \(\d+\)"):
        run_against(OnlyLies)


class HangsUp(Constant):
    def data_received(self, data: bytes) -> None:
        self.transport.abort()


def test_a_server_that_hangs_up_is_no_measurement() -> None:
    with pytest.raises(BenchError, match=rf"closed every connection.*before the answer \({CONNECTIONS}\)"):
        run_against(HangsUp)


class Silent(Constant):
    def data_received(self, data: bytes) -> None:
        self.heard = data


def test_answers_that_never_come_are_faults() -> None:
    with pytest.raises(BenchError, match=rf"no answer within 0.1 s \({CONNECTIONS}\)"):
        run_against(Silent, Way(patience_s=0.1))


def test_nobody_there_is_no_measurement() -> None:
    with serving(Constant) as port:
        pass
    with pytest.raises(BenchError, match=f"no connection to 127.0.0.1:{port}"):
        drive(port, CONNECTIONS, SECONDS, lambda: 0)


def test_requests_are_der_and_all_distinct() -> None:
    source = queries()
    drawn = [next(source) for _ in range(3000)]
    assert len({imprint for imprint, _ in drawn}) == len({nonce for _, nonce in drawn}) == len(drawn)
    for imprint, nonce in drawn[:20]:
        request = QUERY[False] + imprint + NONCE + nonce
        with_cert_req = tsp.TimeStampReq.load(QUERY[True] + imprint + NONCE + nonce + CERT_REQ, strict=True)
        assert with_cert_req["cert_req"].native is True
        decoded = tsp.TimeStampReq.load(request, strict=True)
        assert decoded.native == {
            "version": "v1",
            "message_imprint": {
                "hash_algorithm": {"algorithm": "sha256", "parameters": None},
                "hashed_message": imprint,
            },
            "req_policy": None,
            "nonce": int.from_bytes(nonce, "big"),
            "cert_req": False,
            "extensions": None,
        }
        assert decoded.dump(force=True) == request


def test_fault_of_the_right_answer_is_none() -> None:
    imprint, nonce = os.urandom(32), os.urandom(8)
    assert fault(200, BODY + imprint + NONCE + nonce, imprint, nonce) is None


def test_percentiles_are_nearest_ranks() -> None:
    assert percentiles_ms(array("q", [n * 1_000_000 for n in range(100, 0, -1)])) == {"p50": 50.0, "p99": 99.0}
    assert percentiles_ms(array("q", [3_000_000])) == {"p50": 3.0, "p99": 3.0}
