"""NTP servers that this authority asks itself, all at once, each for one sample of the time."""

from __future__ import annotations

import math
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from threading import Thread

from ntplib import NTP, NTPPacket

from tsa.clock.sources.agreement import Sample, judge
from tsa.clock.sources.reading import US, Reading, host_and_port

PORT = 123
TIMEOUT_S = 1.5
_NAME_S = 0.5  # and so long for the name of a server
# RFC 5905 7.2: a server that may be off by more than MAXDIST is no candidate; PHI is the drift allowed for, in ppm.
MAX_DISTANCE_US, PHI = US, 15
_SERVER, _UNSYNCHRONISED, _MAX_STRATUM = 4, 3, 15  # mode, leap indicator, stratum: RFC 5905 7.3
_HEADER = 48  # octets of a packet without extensions
_ORIGIN, _TRANSMIT = slice(24, 32), slice(40, 48)
_ERA_S = 1 << 32
_NO_NTP = "does not answer as an NTP server"


class Unfit(Exception):
    """A server's answer cannot be used; the text, which follows the server's name, says why."""


def read_ntp(
    servers: Sequence[str],
    quorum: int,
    now_us: int,
    ask: Callable[[str], Sample] | None = None,
    wall_ns: Callable[[], int] = time.time_ns,
) -> Reading:
    """The reading of `servers`, each HOST, HOST:PORT or [IPv6]:PORT, while the wall clock shows `now_us`.

    The servers are compared with CLOCK_BOOTTIME, which nobody sets, and CLOCK_BOOTTIME with the wall clock when all
    have answered. So a step of the wall clock meanwhile makes no false answer, and the reading holds for the clock as
    it is then.
    Raises NoAnswer where fewer than `quorum` can be used, Distrusted where fewer than that agree: see judge().
    """
    samples, unfit = ask_all(servers, ask or ask_server)
    before_us = _boot_us()
    wall_us = wall_ns() // 1_000
    blur_us = _boot_us() - before_us + 1
    against_wall = [
        each._replace(offset_us=each.offset_us + before_us - wall_us, distance_us=each.distance_us + blur_us)
        for each in samples
    ]
    return judge(against_wall, unfit, quorum, now_us)


def _boot_us() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000


def ask_all(servers: Sequence[str], ask: Callable[[str], Sample]) -> tuple[list[Sample], dict[str, str]]:
    """The samples, and the reason of every server without a sample; both in the order of `servers`.

    A name that takes long to resolve is left behind: its thread ends by itself.
    """
    heard: dict[str, Sample | str] = {}

    def listen(server: str) -> None:
        try:
            heard[server] = ask(server)
        except Unfit as fault:
            heard[server] = str(fault)
        except OSError as fault:
            heard[server] = f"does not answer ({fault.strerror or fault})"
        except ValueError as fault:  # a name that cannot be one
            heard[server] = f"cannot be asked ({fault})"

    threads = [Thread(target=listen, args=(server,), name=f"ntp {server}", daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    limit = time.monotonic() + TIMEOUT_S + _NAME_S
    for thread in threads:
        thread.join(max(limit - time.monotonic(), 0))
    answers = {server: heard.get(server, "does not answer (in time)") for server in servers}
    samples = [each for each in answers.values() if isinstance(each, Sample)]
    return samples, {server: each for server, each in answers.items() if isinstance(each, str)}


def ask_server(server: str) -> Sample:
    """One NTPv4 query: the time of `server` against CLOCK_BOOTTIME. Raises Unfit and OSError.

    The query's transmit timestamp is a random number that the answer must bring back. It does not reveal our time, and
    a sender that has not seen the query cannot answer it.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(*host_and_port(server, PORT), type=socket.SOCK_DGRAM)[0]
    cookie = secrets.token_bytes(8)
    query = NTPPacket(version=4, mode=3).to_data()[: _TRANSMIT.start] + cookie
    with socket.socket(family, kind, protocol) as connection:
        connection.connect(address)  # then the kernel drops what others send
        limit = time.monotonic() + TIMEOUT_S
        sent_us = _boot_us()
        connection.send(query)
        answer = b""
        while answer[_ORIGIN] != cookie:
            if (left := limit - time.monotonic()) <= 0:  # however much comes that answers no query of ours
                raise TimeoutError("timed out")
            connection.settimeout(left)
            answer = connection.recv(1024)
            received_us = _boot_us()
    return measure(server, answer, sent_us, received_us)


def measure(server: str, answer: bytes, sent_us: int, received_us: int) -> Sample:
    """The sample in an answer, by a clock that showed `sent_us` and `received_us` (RFC 5905 8). Raises Unfit.

    Its distance is the server's own error bound plus half of the time on the way (RFC 5905 11.2.3).
    """
    if len(answer) < _HEADER:
        raise Unfit(_NO_NTP)
    packet = NTPPacket()
    packet.from_data(answer)
    _check(packet)
    arrived_us, left_us = _unix_us(packet.recv_timestamp), _unix_us(packet.tx_timestamp)
    elapsed_us = received_us - sent_us
    delay_us = max(elapsed_us - (left_us - arrived_us), 0)
    distance_us = math.ceil(
        (packet.root_delay * US + delay_us) / 2
        + (packet.root_dispersion + 2.0**packet.precision) * US
        + elapsed_us * PHI / US
        + 1  # what rounding takes
    )
    if distance_us > MAX_DISTANCE_US:
        raise Unfit(f"may itself be off by {distance_us / US:.3f} s")
    return Sample(server, (arrived_us - sent_us + left_us - received_us) // 2, distance_us, packet.leap)


def _check(packet: NTPPacket) -> None:
    if packet.mode != _SERVER:
        raise Unfit(_NO_NTP)
    if packet.stratum == 0:  # a kiss-o'-death: its code stands where the reference would (RFC 5905 7.4)
        code = packet.ref_id.to_bytes(4, "big").rstrip(b"\0")
        raise Unfit(f"refuses ({code.decode('ascii') if code.isalnum() else 'it does not say why'})")
    if packet.leap == _UNSYNCHRONISED or packet.stratum > _MAX_STRATUM:
        raise Unfit("is not synchronised itself")


def _unix_us(timestamp: float) -> int:
    """µs since the epoch of an NTP timestamp, which begins again at 0 in 2036 (RFC 5905 6)."""
    era_s = _ERA_S if timestamp < _ERA_S // 2 else 0
    since_epoch: float = timestamp + era_s - NTP.NTP_DELTA
    return round(since_epoch * US)
