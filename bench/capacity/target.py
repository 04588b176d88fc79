"""The server under test: one that is there, looked at first, or one of our own, started for the run."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench import BenchError, server
from bench.capacity import authority
from bench.capacity.watch import OtherServer, OwnServer

WARM_UP_S = 2.0
HOUR_S = 3600
KEY_TYPE = "p256"
BURST_PER_S = 1500
"""Stamps a second for which a window of our own server leaves time; a generator does more as a rule."""
STARTING_S = 5.0
"""From the choice of the window to the first request, as a rule."""

_LEAST_BURST_S = 4.0
_SPIN_S = 0.5
_SHORTEST_WINDOW_S = 5


@dataclass(frozen=True)
class Options:
    """The run that is asked for. `url` None: a server of our own; `window_s` None: the window of the server."""

    url: str | None
    licences: int
    stamps_per_licence_hour: int
    duration_s: float
    exhaust: bool
    pattern: str
    seed: int
    processes: int
    window_s: int | None = None
    verify_every: int = 50
    web_port: int | None = None
    warm_up_s: float = WARM_UP_S

    @property
    def capacity(self) -> int:
        """Stamps of a window."""
        return self.licences * self.stamps_per_licence_hour


@dataclass(frozen=True)
class Target:
    """The server under test: its URL, its window, whether nobody else uses its licences, and how a restart shows."""

    url: str
    window_s: int
    burst_s: float
    """About the time that using up a window takes."""
    sole: bool
    identity: Callable[[], str]


@contextmanager
def under_test(options: Options, key: str) -> Iterator[Target]:
    """The server at the URL asked for, or one of our own for as long as the block lasts. Raises BenchError."""
    if options.url is not None:
        window_s = licensed_window_s(options.url, options, key)
        yield Target(options.url, window_s, burst_s(options), False, OtherServer(options.url))
        return
    needed_s = burst_s(options, crowding())
    window_s = options.window_s or own_window_s(options, needed_s, time.time())
    settings = {"licence": {"window_s": window_s, "stamps_per_licence_hour": options.stamps_per_licence_hour}}
    with server.authority(KEY_TYPE, all_cores(), options.licences, settings) as tsa:
        yield Target(f"http://127.0.0.1:{tsa.port}/", window_s, needed_s, True, OwnServer(tsa.pid))


def all_cores() -> list[int]:
    """Every core of this process: unlike a measurement of cost, a proof of capacity takes a machine as it is."""
    return sorted(os.sched_getaffinity(0))


def own_window_s(options: Options, needed_s: float, now: float) -> int:
    """The length of window, in s, with which the run ends soonest, if the server starts as fast as it does as a rule.

    The stamps are used up in the window in which the steady phase ends if `needed_s` are left of it, else in the next.
    """
    steady_ends = now + STARTING_S + options.warm_up_s + options.duration_s

    def over(length: int) -> float:
        left = length - steady_ends % length
        return left if left >= needed_s else left + length

    shortest = min(HOUR_S, max(_SHORTEST_WINDOW_S, math.ceil(needed_s)))
    longest = min(HOUR_S, math.ceil(shortest + options.warm_up_s + options.duration_s))
    return min(range(shortest, longest + 1), key=over)


def burst_s(options: Options, slower: float = 1.0) -> float:
    """The time, in s, to leave for using up a window, on a machine that is `slower` times as slow as an idle one."""
    return max(_LEAST_BURST_S, options.capacity / BURST_PER_S * slower)


def crowding() -> float:
    """The time that a process takes here now, in multiples of its CPU time: 1 while nothing else wants the cores."""
    began, cpu = time.perf_counter(), time.process_time()
    while (used := time.process_time() - cpu) < _SPIN_S:
        pass
    return max(1.0, (time.perf_counter() - began) / used)


def licensed_window_s(url: str, options: Options, key: str) -> int:
    """The window, in s, of a server that is there and has sold the capacity asked for. BenchError otherwise."""
    authority.check_answers(url, key)
    if not key:
        return options.window_s or HOUR_S
    usage = authority.usage(url, key)
    if usage.capacity != options.capacity:
        raise BenchError(
            f"{url} gives this application {usage.capacity:,} stamps a window, and {options.licences} licences of"
            f" {options.stamps_per_licence_hour:,} are {options.capacity:,}: correct --licences, or"
            " --stamps-per-licence-hour, or what the server sells"
        )
    if options.window_s not in (None, usage.window_s):
        raise BenchError(
            f"{url} counts in windows of {usage.window_s} s, not of {options.window_s}: leave out --window"
        )
    return usage.window_s
