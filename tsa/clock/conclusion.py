"""From what the sources said to whether the clock is trusted, and how far it may be off: a pure function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tsa.clock.sources.reading import Reading


class Verdict(NamedTuple):
    """Whether the clock is trusted, why, and its error bound, µs, when it was measured, µs of CLOCK_BOOTTIME."""

    trusted: bool
    measured_us: int
    error_us: int
    text: str


class Measured(NamedTuple):
    """What a source said, and when, µs of CLOCK_BOOTTIME."""

    reading: Reading
    boot_us: int

    def error_at(self, boot_us: int, drift_ppm: int) -> int:
        """How far the wall clock may be off by `boot_us` at most, µs."""
        return self.reading.error_us + (boot_us - self.boot_us) * drift_ppm // 1_000_000


def reach(measured: Sequence[Measured], faults: Sequence[str], boot_us: int, drift_ppm: int) -> Verdict:
    """What follows at `boot_us`: every source must be trusted, and the worst bound counts."""
    if faults:
        return Verdict(False, boot_us, 0, " ".join(faults))
    spans = [(_span(each, each.error_at(boot_us, drift_ppm)), each.reading.source) for each in measured]
    (_, earliest_end), first = min(spans, key=lambda span: span[0][1])
    (latest_start, _), last = max(spans, key=lambda span: span[0][0])
    if latest_start > earliest_end:
        apart = (latest_start - earliest_end) / 1e6
        text = f"The sources {first} and {last} disagree by {apart:.3f} s more than they allow for."
        return Verdict(False, boot_us, 0, text)
    oldest = min(each.boot_us for each in measured)
    error = max(each.error_at(oldest, drift_ppm) for each in measured)
    text = "; ".join(f"{each.reading.source}: {each.reading.detail}" for each in measured)
    return Verdict(True, oldest, error, text)


def _span(measured: Measured, error_us: int) -> tuple[int, int]:
    """Where the true time lies at least and at most, µs from the wall clock."""
    offset = measured.reading.offset_us
    slack = error_us - abs(offset)
    return offset - slack, offset + slack
