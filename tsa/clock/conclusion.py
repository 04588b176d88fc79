"""From the answers of the sources to whether the clock is trusted, and how far it may be off: a pure function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tsa.clock.journal import NO_ANSWER, JournalEntry
from tsa.clock.sources.reading import Reading


class Measured(NamedTuple):
    """A reading, and when it was taken, µs of CLOCK_BOOTTIME."""

    reading: Reading
    boot_us: int

    def error_at(self, boot_us: int, drift_ppm: int) -> int:
        """How far the wall clock may be off by `boot_us` at most, µs."""
        return self.reading.error_us + (boot_us - self.boot_us) * drift_ppm // 1_000_000


class SourceState(NamedTuple):
    """What is known of one source: its newest answer, and the reading that counts.

    That reading is an earlier one while the source does not answer, and None where the source is at fault.
    """

    answer: JournalEntry
    measured: Measured | None

    @property
    def is_silent(self) -> bool:
        """Whether an earlier reading goes on counting, because the source did not answer."""
        return self.measured is not None and self.answer.verdict == NO_ANSWER


class Conclusion(NamedTuple):
    """Whether the clock is trusted, when it was measured (µs of CLOCK_BOOTTIME), its error bound (µs), and why.

    The fields of a Gate have the same names.
    """

    trusted: bool
    measured_us: int
    error_us: int
    text: str


def conclude(sources: Sequence[SourceState], objection: str, boot_us: int, drift_ppm: int) -> Conclusion:
    """The conclusion at `boot_us`: every source must be trusted, and the worst bound counts.

    An `objection` that is not empty closes the gate, whatever the sources say.
    """
    silent = [each.answer.why for each in sources if each.is_silent]
    faults = [each.answer.why for each in sources if each.measured is None]
    if objection or faults:
        return Conclusion(False, boot_us, 0, " ".join(filter(None, [objection, *faults, *silent])))
    conclusion = _agree([each.measured for each in sources if each.measured is not None], boot_us, drift_ppm)
    return conclusion._replace(text=" ".join([conclusion.text, *silent]))


def announced_leap(sources: Sequence[SourceState]) -> int | None:
    """The earliest 00:00:00 UTC, µs since the epoch, that follows a leap second which a source announces."""
    readings = (each.measured.reading for each in sources if each.measured is not None)
    return min((reading.leap_us for reading in readings if reading.leap_us is not None), default=None)


def _agree(measured: Sequence[Measured], boot_us: int, drift_ppm: int) -> Conclusion:
    spans = [(_span(each, each.error_at(boot_us, drift_ppm)), each.reading.source) for each in measured]
    (_, earliest_end), first = min(spans, key=lambda span: span[0][1])
    (latest_start, _), last = max(spans, key=lambda span: span[0][0])
    if latest_start > earliest_end:
        apart = (latest_start - earliest_end) / 1e6
        text = f"The sources {first} and {last} disagree by {apart:.3f} s more than they allow for."
        return Conclusion(False, boot_us, 0, text)
    oldest = min(each.boot_us for each in measured)
    error = max(each.error_at(oldest, drift_ppm) for each in measured)
    return Conclusion(
        True, oldest, error, "; ".join(f"{each.reading.source}: {each.reading.detail}" for each in measured)
    )


def _span(measured: Measured, error_us: int) -> tuple[int, int]:
    """Where the true time lies at least and at most, µs from the wall clock."""
    offset = measured.reading.offset_us
    slack = error_us - abs(offset)
    return offset - slack, offset + slack
