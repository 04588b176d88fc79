"""The common answer of NTP servers: the part of their intervals that most servers share, and the servers outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tsa.clock.sources.reading import US, Distrusted, NoAnswer, Reading, next_month, seconds


class Sample(NamedTuple):
    """The answer of one server: its time minus that of a clock here, the error bound of that, its leap indicator."""

    server: str
    offset_us: int
    distance_us: int
    leap: int

    @property
    def interval(self) -> tuple[int, int]:
        """UTC minus the clock here, at least and at most, µs."""
        return self.offset_us - self.distance_us, self.offset_us + self.distance_us

    def __str__(self) -> str:
        return f"{self.server} ({seconds(self.offset_us)} ± {self.distance_us / US:.6f} s)"


def intersect(intervals: Sequence[tuple[int, int]]) -> tuple[int, int, int]:
    """The lowest and highest of the points that most of the closed intervals share, and how many share them.

    The true point is not outside these two, as long as the wrong intervals are no more than the intervals without such
    a point (Marzullo; RFC 5905 11.2.1). Raises ValueError where there are no intervals.
    """
    shared = {point: sum(low <= point <= high for low, high in intervals) for ends in intervals for point in ends}
    most = max(shared.values())
    points = [point for point, count in shared.items() if count == most]
    return min(points), max(points), most


def judge(samples: Sequence[Sample], unfit: Mapping[str, str], quorum: int, now_us: int) -> Reading:
    """The reading from samples against the wall clock; `unfit` has the reason of every server without a sample.

    Raises NoAnswer where there are fewer samples than `quorum`, Distrusted where fewer than that, or not more than half
    of them, agree.
    """
    without = [f"{server} {why}" for server, why in unfit.items()]
    if len(samples) < quorum:
        raise NoAnswer(
            f"{len(samples)} of the NTP servers can be used where {quorum} are needed: {', '.join(without)}. See that "
            "[clock] names servers that are up, and that this machine can reach them."
        )
    low, high, count = intersect([each.interval for each in samples])
    needed = max(quorum, len(samples) // 2 + 1)
    if count < needed:
        raise Distrusted(
            f"The NTP servers disagree, and {needed} of {len(samples)} must say the same: "
            f"{', '.join([*map(str, samples), *without])}. Find out which are right, and take the others out of "
            "[clock]."
        )
    agreeing = [each for each in samples if each.interval[0] <= high and low <= each.interval[1]]
    left_out = [f"{each} disagrees" for each in samples if each not in agreeing] + without
    announced = sum(each.leap in (1, 2) for each in agreeing) * 2 > len(agreeing)
    return Reading(
        source="ntp",
        offset_us=(low + high) // 2,
        error_us=max(abs(low), abs(high)),
        leap_us=next_month(now_us) if announced else None,
        detail=f"{count} of {len(samples) + len(unfit)} agree: {', '.join(each.server for each in agreeing)}"
        + (f"; left out: {', '.join(left_out)}" if left_out else ""),
    )
