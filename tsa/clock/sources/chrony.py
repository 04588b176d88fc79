"""The tracking data of chronyd, by chronyc: its reference, and how far the clock may be from that."""

from __future__ import annotations

import math
import subprocess
from typing import NamedTuple

from tsa.clock.sources.reading import US, Distrusted, NoAnswer, Reading, host_and_port, next_midnight, seconds

TIMEOUT_S = 2.0
PORT = 323
_NOTHING, _OWN_CLOCK = "00000000", "7F7F0101"  # the reference IDs of no source, and of the `local` directive
_MOST_S = 1e11  # some 3000 years: more is no time, and its µs fit no 64-bit word


class Tracking(NamedTuple):
    """The fields of `chronyc tracking` that are used here; spans of time in µs.

    `offset_us` is positive while the wall clock is slow.
    """

    reference_id: str
    name: str
    stratum: int
    reference_us: int
    offset_us: int
    root_delay_us: int
    root_dispersion_us: int
    leap: str


def read_chrony(address: str, now_us: int) -> Reading:
    """The reading of the chronyd at `address`, a Unix socket's path or HOST:PORT, while the wall clock shows `now_us`.

    Raises NoAnswer, and Distrusted while chronyd follows nothing.
    """
    return judge(parse_tracking(ask_chronyc(address)), address, now_us)


def ask_chronyc(address: str) -> str:
    """The line that `chronyc -c tracking` prints. Raises NoAnswer."""
    try:
        command = ["chronyc", "-n", "-c", *_where(address), "tracking"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise NoAnswer(
            "There is no chronyc on this machine: install chrony, or choose another of [clock] sources."
        ) from None
    except ValueError as fault:
        raise NoAnswer(f"[clock] does not name a chronyd that can be asked: {fault}.") from None
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise _no_answer(address, str(fault)) from None
    if done.returncode != 0:
        raise _no_answer(address, (done.stdout + done.stderr).decode(errors="replace").strip() or "no reason given")
    return done.stdout.decode(errors="replace").strip()


def _no_answer(address: str, why: str) -> NoAnswer:
    return NoAnswer(
        f"chronyd does not answer at {address} ({why}): start it, and see that this user may ask it, with "
        f"`{_command(address)} tracking`."
    )


def _command(address: str) -> str:
    return " ".join(["chronyc", *_where(address)])


def _where(address: str) -> list[str]:
    if address.startswith("/"):
        return ["-h", address]
    host, port = host_and_port(address, PORT)
    return ["-h", host, "-p", str(port)]


def parse_tracking(line: str) -> Tracking:
    """The fields of `chronyc -c tracking`. Raises NoAnswer where they are not what chrony documents."""
    fields = line.split(",")
    try:
        return Tracking(
            reference_id=fields[0],
            name=fields[1],
            stratum=int(fields[2]),
            reference_us=_microseconds(fields[3]),
            offset_us=_microseconds(fields[4]),
            root_delay_us=abs(_microseconds(fields[10])),
            root_dispersion_us=_microseconds(fields[11], least_s=0),
            leap=fields[13],
        )
    except (ValueError, IndexError):
        raise NoAnswer(f"chronyc prints tracking data that cannot be read, {line[:200]!r}: see its version.") from None


def _microseconds(text: str, least_s: float = -_MOST_S) -> int:
    value_s = float(text)
    if not least_s <= value_s <= _MOST_S:  # nor is nan
        raise ValueError
    return round(value_s * US)


def judge(tracking: Tracking, address: str, now_us: int) -> Reading:
    """The reading from the tracking data of chronyd. Raises Distrusted.

    The bound is the one that chrony's documentation gives: the offset that it has yet to correct, the root dispersion
    and half the root delay. A leap second is announced only on the day that it ends (chronyd's reference.c).
    """
    if tracking.leap == "Not synchronised" or tracking.stratum == 0 or tracking.reference_id == _NOTHING:
        raise Distrusted(f"chronyd at {address} is not synchronised: see why with `{_command(address)} sources`.")
    if tracking.reference_id == _OWN_CLOCK:
        raise Distrusted(
            f"chronyd at {address} follows only this machine's own clock, by its `local` directive: give it servers or "
            "a reference clock."
        )
    distance_us = tracking.root_dispersion_us + math.ceil(tracking.root_delay_us / 2)
    return Reading(
        source="chrony",
        offset_us=tracking.offset_us,
        error_us=abs(tracking.offset_us) + distance_us + 1,  # what rounding took
        leap_us=next_midnight(now_us) if tracking.leap in ("Insert second", "Delete second") else None,
        detail=f"follows {tracking.name or tracking.reference_id}, stratum {tracking.stratum}, offset "
        f"{seconds(tracking.offset_us)}, root distance {seconds(distance_us)}",
        reference_us=tracking.reference_us,
    )
