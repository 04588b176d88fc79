"""How an NTP server is asked, and what its answer is taken for; real servers are asked in tests/clock."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from unittest.mock import MagicMock

import pytest
from ntplib import NTP, NTPPacket

from tsa.clock.sources import ntp
from tsa.clock.sources.agreement import Sample
from tsa.clock.sources.ntp import Unfit, ask_all, ask_server, measure, read_ntp
from tsa.clock.sources.reading import US, NoAnswer

NOW_US = 1_800_000_000 * US
RATE, STEP = int.from_bytes(b"RATE", "big"), int.from_bytes(b"\x01\x02\0\0", "big")


def answer(at_us: int = NOW_US, **fields: float) -> bytes:
    """What a good stratum-1 server answers at that time, but for `fields`."""
    packet = NTPPacket(version=4, mode=4)
    packet.stratum, packet.precision = 1, -20
    packet.recv_timestamp = packet.tx_timestamp = (at_us / US + NTP.NTP_DELTA) % 2**32
    for name, value in fields.items():
        setattr(packet, name, value)
    octets, precision = bytes(packet.to_data()), int(packet.precision)
    return octets[:3] + precision.to_bytes(1, "big", signed=True) + octets[4:]


def test_a_sample_is_half_way_and_as_far_off_as_that_may_be() -> None:
    sample = measure("a", answer(NOW_US + 5 * US), NOW_US - 10_000, NOW_US + 10_000)
    assert abs(sample.offset_us - 5 * US) <= 1
    assert 10_000 < sample.distance_us < 10_010
    assert (sample.server, sample.leap) == ("a", 0)


def test_what_the_server_may_be_off_itself_is_part_of_the_distance() -> None:
    sample = measure("a", answer(root_delay=0.125, root_dispersion=0.25), NOW_US, NOW_US)
    assert 312_500 < sample.distance_us < 312_510


@pytest.mark.parametrize("at_us", [2_085_978_496 * US - US, 2_085_978_496 * US + US, 4_000_000_000 * US])
def test_the_era_that_begins_in_2036(at_us: int) -> None:
    assert abs(measure("a", answer(at_us), at_us, at_us).offset_us) <= 1


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (answer(leap=3), "is not synchronised itself"),
        (answer(stratum=16), "is not synchronised itself"),
        (answer(stratum=0, ref_id=RATE), r"refuses \(RATE\)"),
        (answer(stratum=0, ref_id=STEP), "refuses .it does not say why."),
        (answer(root_dispersion=1.5), r"may itself be off by 1\.5\d\d s"),
        (answer(precision=127), "may itself be off by"),
        (answer(mode=5), "does not answer as an NTP server"),
        (answer()[:47], "does not answer as an NTP server"),
        (b"", "does not answer as an NTP server"),
    ],
)
def test_an_answer_that_is_of_no_use(octets: bytes, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        measure("a", octets, NOW_US, NOW_US)


def test_an_answer_later_than_the_way_takes_adds_nothing() -> None:
    octets = answer(tx_timestamp=NOW_US / US + NTP.NTP_DELTA + 0.5)
    assert measure("a", octets, NOW_US, NOW_US + 100).distance_us < 10


@contextmanager
def serving(respond: Callable[[bytes], list[bytes]]) -> Iterator[str]:
    """A UDP server that sends `respond(query)`; its address."""
    with socket.socket(type=socket.SOCK_DGRAM) as connection:
        connection.bind(("127.0.0.1", 0))
        connection.settimeout(20)

        def serve() -> None:
            query, asker = connection.recvfrom(1024)
            for octets in respond(query):
                connection.sendto(octets, asker)

        thread = Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{connection.getsockname()[1]}"
        thread.join()


def to(query: bytes, octets: bytes) -> bytes:
    """`octets` as the answer to `query`."""
    return octets[:24] + query[40:48] + octets[32:]


def test_an_answer_to_another_query_is_not_heard() -> None:
    def respond(query: bytes) -> list[bytes]:
        good = answer(time.time_ns() // 1_000)
        return [answer(0), b"", to(bytes(48), answer(0)), to(query, good)]

    with serving(respond) as server:
        sample = ask_server(server)
    boot_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000
    assert abs(sample.offset_us - (time.time_ns() // 1_000 - boot_us)) < US // 2


def test_the_query_tells_nothing_of_our_time() -> None:
    queries = []

    def respond(query: bytes) -> list[bytes]:
        queries.append(query)
        return [to(query, answer())]

    for _ in range(2):
        with serving(respond) as server:
            ask_server(server)
    assert [query[:40] for query in queries] == [b"\x23" + bytes(39)] * 2
    assert queries[0][40:] != queries[1][40:]


def test_a_server_that_keeps_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ntp, "TIMEOUT_S", 0.05)
    with serving(lambda query: []) as server, pytest.raises(NoAnswer, match=rf"{server} does not answer \(timed out\)"):
        read_ntp([server], 1, NOW_US)


def test_a_flood_of_what_answers_no_query_is_not_listened_to_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    flood, limit = MagicMock(), time.monotonic() + 3

    def recv(_octets: int) -> bytes:
        assert time.monotonic() < limit, "it listens on"
        return answer()

    flood.__enter__.return_value.recv = recv
    monkeypatch.setattr(ntp, "TIMEOUT_S", 0.05)
    monkeypatch.setattr(socket, "socket", lambda *_: flood)
    with pytest.raises(TimeoutError):
        ask_server("127.0.0.1:123")


def test_servers_are_asked_at_once_and_stragglers_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ntp, "TIMEOUT_S", 0.0)
    released = Event()

    def ask(server: str) -> Sample:
        if server == "slow":
            released.wait(20)
        return Sample(server, 0, 0, 0)

    samples, unfit = ask_all(["slow", "quick"], ask)
    released.set()
    assert [each.server for each in samples] == ["quick"]
    assert unfit == {"slow": "does not answer (in time)"}


def test_names_that_cannot_be_asked() -> None:
    _, unfit = ask_all(["a..b", "host:port", "x" * 70 + ".example"], ask_server)
    assert len(unfit) == 3
    assert all(why.startswith(("cannot be asked (", "does not answer (")) for why in unfit.values())


def test_a_step_while_servers_are_asked_is_not_taken_for_their_time() -> None:
    boot_ahead_us = NOW_US - time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000
    wall_ahead_us = boot_ahead_us

    def ask(server: str) -> Sample:
        nonlocal wall_ahead_us
        wall_ahead_us = boot_ahead_us + 10 * US  # the wall clock is set forward, the servers know better
        return Sample(server, boot_ahead_us, 50, 0)

    def wall_ns() -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) + wall_ahead_us * 1_000

    reading = read_ntp(["a", "b", "c"], 2, NOW_US, ask, wall_ns)
    assert abs(reading.offset_us + 10 * US) < US // 2
    assert reading.error_us >= 10 * US
