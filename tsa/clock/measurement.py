"""Measuring the clock: the sources of [clock] are asked, and the gate follows from their answers.

Nothing here writes, logs or looks at a clock, so the measurer of a server and `tsa clock` without one find the same.
"""

from __future__ import annotations

from collections.abc import Callable

from tsa.clock.conclusion import Measured, SourceState, announced_leap, conclude
from tsa.clock.gate import Gate
from tsa.clock.journal import NO_ANSWER, NOT_TRUSTED, TRUSTED, JournalEntry
from tsa.clock.sources.reading import Distrusted, NoAnswer, Reading
from tsa.state.config import ClockTable, Config

ReadSource = Callable[[str, ClockTable, int], Reading]
"""As registry.read_source()."""

_NOT_HEARD = -1  # since a step: chronyd has not been asked yet


class Measurement:
    """What is known of the sources of `config`, from one asking to the next; `read_source` asks one of them."""

    def __init__(self, config: Config, read_source: ReadSource) -> None:
        self._settings = config.clock
        self._cut_us = config.token.cut_us
        self._read_source = read_source
        self._sources: dict[str, SourceState] = {}
        self._reference_us: int | None = None  # after a step: what chronyd said before it heard from its servers again
        self.leap_us: int | None = None  # the 00:00:00 UTC, µs since the epoch, after an announced leap second

    @property
    def answers(self) -> list[JournalEntry]:
        """The newest answer of every source."""
        return [each.answer for each in self._sources.values()]

    @property
    def is_complete(self) -> bool:
        """Whether every source gave its newest answer when it was asked last."""
        return not any(each.is_silent for each in self._sources.values())

    def framed(self, gate: Gate) -> Gate:
        """`gate` with the limits of the settings."""
        settings = self._settings
        return gate._replace(
            drift_ppm=settings.drift_ppm,
            cut_us=self._cut_us,
            floor_us=settings.accuracy_floor_ms * 1_000,
            max_accuracy_us=settings.max_accuracy_ms * 1_000,
            max_step_us=settings.max_step_ms * 1_000,
        )

    def forget(self) -> None:
        """The clock was stepped: believe nothing that was measured before."""
        self._sources.clear()
        self._reference_us = _NOT_HEARD

    def measure(self, gate: Gate, wall: int, boot: int, objection: str = "") -> Gate:
        """Ask every source at the moment (wall, boot), µs; the gate that follows `gate`.

        An `objection` that is not empty keeps it closed.
        """
        for source in self._settings.sources:
            self._sources[source] = self._ask(source, wall, boot)
        sources = list(self._sources.values())
        self._watch_leap(announced_leap(sources), wall)
        window = self._settings.leap_window_s * 1_000_000
        leap = (self.leap_us - window, self.leap_us + window) if self.leap_us is not None else (0, 0)
        conclusion = conclude(sources, objection, boot, self._settings.drift_ppm)
        return self.framed(gate)._replace(**conclusion._asdict(), leap_from_us=leap[0], leap_until_us=leap[1])

    def _ask(self, source: str, wall: int, boot: int) -> SourceState:
        """Ask one source. A source that does not answer keeps its earlier reading, which goes on ageing."""
        answer = JournalEntry(wall, "measured", source)
        try:
            reading = self._read(source, wall)
        except NoAnswer as fault:
            before = self._sources.get(source)
            kept = before.measured if before is not None else None
            return SourceState(answer._replace(verdict=NO_ANSWER, why=str(fault)), kept)
        except Distrusted as fault:
            return SourceState(answer._replace(verdict=NOT_TRUSTED, why=str(fault)), None)
        trusted = answer._replace(offset=reading.offset_us, error=reading.error_us, verdict=TRUSTED, why=reading.detail)
        return SourceState(trusted, Measured(reading, boot))

    def _read(self, source: str, wall: int) -> Reading:
        """The reading, unless chronyd has made it of what it heard before a step. Raises NoAnswer or Distrusted."""
        reading = self._read_source(source, self._settings, wall)
        if reading.reference_us is not None and self._reference_us is not None:
            if self._reference_us in (_NOT_HEARD, reading.reference_us):
                self._reference_us = reading.reference_us
                raise Distrusted("chronyd has not heard from its own servers since the clock was stepped.")
            self._reference_us = None
        return reading

    def _watch_leap(self, announced: int | None, wall: int) -> None:
        """An announced leap second is remembered through its window, whatever the sources say meanwhile."""
        window = self._settings.leap_window_s * 1_000_000
        if self.leap_us is not None and self.leap_us - window <= wall < self.leap_us + window:
            return
        self.leap_us = announced
