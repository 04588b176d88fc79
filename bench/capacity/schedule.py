"""The moments of all requests, fixed before the first is sent: an open schedule, which no slow answer can hold back.

A schedule never asks for more than a licence gives: the good requests of a window are at most its rate times its
length, and no request is due so close to a window's edge that the server may count it in the next window.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from bench.capacity.record import GOOD

BAD_SHARE = 0.05
"""Bad requests for each good one. They are refused and cost no stamp, so they come on top of the licensed rate."""

EDGE_SHARE = 1 / 3600
"""The part of a window that stays empty at both ends: a second of an hour."""


class Arrival(NamedTuple):
    """A request that is due `at` seconds after its phase began; `number` counts the good, or the bad, requests."""

    at: float
    kind: str
    number: int


class OfferedLoad(NamedTuple):
    """The load offered: good requests a second, their pattern, and the seed of all random draws."""

    rate: float
    pattern: str
    """A key of PATTERNS."""
    seed: int
    window_s: int


def poisson(draw: Random, count: int) -> Iterator[float]:
    """`count` moments of [0, 1] in ascending order: a Poisson process, given its count.

    They are the order statistics of as many uniform numbers, drawn one from the other: nothing is sorted or kept.
    """
    after = 1.0
    for left in range(count, 0, -1):
        after *= (1 - draw.random()) ** (1 / left)
        yield 1 - after


def constant(_draw: Random, count: int) -> Iterator[float]:
    """`count` moments of [0, 1] at equal distances."""
    for number in range(count):
        yield (number + 0.5) / count


PATTERNS: dict[str, Callable[[Random, int], Iterator[float]]] = {"poisson": poisson, "constant": constant}


def planned(rate: float, seconds: float) -> int:
    """The number of good requests in a phase of this length."""
    return _whole(rate * seconds)


def arrivals(load: OfferedLoad, phase: str, began: float, seconds: float, kinds: tuple[str, ...]) -> Iterator[Arrival]:
    """The schedule of a phase that begins at `began` (s since the epoch): good requests and, among them, bad ones.

    Equal arguments give an equal schedule: every process of the generator makes it anew and takes its share. `kinds`
    are the bad requests to choose from; without them, all requests are good.
    """
    draw = Random(f"{load.seed} {phase} bad")  # noqa: S311 - a schedule is no secret
    bad = _spread(load._replace(rate=load.rate * BAD_SHARE if kinds else 0.0), f"{phase} bad", began, seconds)
    return heapq.merge(
        (Arrival(at, GOOD, number) for number, at in enumerate(_spread(load, f"{phase} good", began, seconds))),
        (Arrival(at, draw.choice(kinds), number) for number, at in enumerate(bad)),
    )


def _spread(load: OfferedLoad, name: str, began: float, seconds: float) -> Iterator[float]:
    """Moments from 0 to `seconds`, their number fixed in each window of the licence."""
    draw, spread = Random(f"{load.seed} {name}"), PATTERNS[load.pattern]  # noqa: S311
    empty = load.window_s * EDGE_SHARE
    for start, end in windows(began, seconds, load.window_s):
        count = _whole(load.rate * end) - _whole(load.rate * start)
        first = start + empty if start > 0 else start
        last = end - empty if end < seconds else end
        for part in spread(draw, count):
            yield first + part * max(0.0, last - first)


def windows(began: float, seconds: float, window_s: int) -> Iterator[tuple[float, float]]:
    """The parts of a phase that lie in one window each; windows are counted from the epoch, UTC."""
    start = 0.0
    while start < seconds:
        end = min(seconds, start + window_s - (began + start) % window_s)
        yield start, end
        start = end


def _whole(requests: float) -> int:
    # A product such as 1.1 * 10 must not lose its last request by rounding.
    return math.floor(requests + 1e-6)
