"""The one process that measures the clock, watches it for steps, and writes the gate that all others read.

Four times a second it holds the wall clock against CLOCK_BOOTTIME, which nobody sets; at each poll, and at once after a
step, it asks the sources of [clock]. What it finds, and every opening and closing of the gate, is journalled.
"""

from __future__ import annotations

import os
import re
import select
from collections.abc import Callable
from contextlib import suppress

import structlog

from tsa.clock.clock import ClockPair
from tsa.clock.conclusion import Measured, reach
from tsa.clock.gate import Gate, SharedGate
from tsa.clock.journal import Journal, JournalEntry, JournalFault
from tsa.clock.sources.reading import Distrusted, NoAnswer, Reading
from tsa.ledger.archive import newest_gen_time
from tsa.ledger.segment import LedgerFault
from tsa.state import layout
from tsa.state.config import ClockTable, Config

TICK_S = 0.25
CLOSED_POLL_S = 8.0  # while the gate is closed, a source is asked as often as this

SETTLING = "The clock was stepped, and must run evenly for [clock] settle_s before it is taken at its word again."

Ask = Callable[[str, ClockTable, int], Reading]

NO_ANSWER = "no answer"  # a verdict

log = structlog.get_logger()


def question(source: str, settings: ClockTable, now_us: int, ask: Ask) -> tuple[JournalEntry, Reading | None]:
    """Ask a source: what to journal of it, and the reading, where it gave one that can be trusted."""
    said = JournalEntry(now_us, "measured", source, None, None, None, "")
    try:
        reading = ask(source, settings, now_us)
    except NoAnswer as fault:
        return said._replace(verdict=NO_ANSWER, why=str(fault)), None
    except Distrusted as fault:
        return said._replace(verdict="not trusted", why=str(fault)), None
    return (
        said._replace(offset=reading.offset_us, error=reading.error_us, verdict="trusted", why=reading.detail),
        reading,
    )


class Measurer:
    """Measures as [clock] of `config` says, and writes `shared`; tests inject `clocks` and `ask`."""

    def __init__(self, config: Config, shared: SharedGate, ask: Ask, clocks: ClockPair | None = None) -> None:
        self._settings = config.clock
        self._cut_us = config.token.cut_us
        self._state = config.dir
        self._shared = shared
        self._ask = ask
        self._clocks = clocks or ClockPair()
        self._journal: Journal | None = None
        self._readings: dict[str, Measured] = {}
        self._gate = Gate()
        self._leap_us: int | None = None
        self._settling_until_us = 0  # CLOCK_BOOTTIME; of sources = ["system"] alone
        self._reference_us: int | None = None  # after a step: what chronyd said before it heard from its servers again
        self._due_us = 0
        self._told: tuple[bool, str] | None = None
        self._journal_fault = ""  # until the journal has been read: it knows of what a person has accepted

    def run(self, lifeline: int) -> None:
        """Until the pipe `lifeline` reads end-of-file."""
        self.begin()
        while not select.select([lifeline], [], [], TICK_S)[0]:
            try:
                self.tick()
            except Exception:  # the gate closes by itself if this goes on: nobody says then that the measurer is alive
                log.exception("clock not measured")

    def begin(self) -> None:
        """Take the gate over from a measurer before this one, or measure for the first time."""
        before, (wall, boot) = self._shared.read(), self._clocks.read()
        self._gate = self._framed(before)
        if not self._shared.number:
            self._gate = self._gate._replace(anchor_us=wall - boot)
        elif not before.trusted:
            self._settle(boot)
        if before.leap_until_us > wall:
            self._leap_us = (before.leap_from_us + before.leap_until_us) // 2
        with suppress(JournalFault):
            if self._opened().is_stepped():
                self._reference_us = -1
        self._read_ledger()
        self.tick()

    def tick(self) -> None:
        """Look for a step, measure if that is due, and tell of what has changed."""
        wall, boot = self._clocks.read_calmly(self._gate)
        step = self._gate.stepped(wall, boot)
        if abs(step) > self._gate.max_step_us or self._shared.suspected:
            self._stepped(step, wall, boot)
        self._read_journal()
        if boot >= self._due_us:
            self._measure()
        self._tell()
        self._shared.alive_us = self._clocks.read()[1]
        with suppress(OSError):
            os.utime(layout.lock(self._state))  # for who is not of this server, such as `tsa clock`

    def _framed(self, gate: Gate) -> Gate:
        """`gate` with what the settings say."""
        settings = self._settings
        return gate._replace(
            drift_ppm=settings.drift_ppm,
            cut_us=self._cut_us,
            floor_us=settings.accuracy_floor_ms * 1_000,
            max_accuracy_us=settings.max_accuracy_ms * 1_000,
            max_step_us=settings.max_step_ms * 1_000,
        )

    def _stepped(self, step: int, wall: int, boot: int) -> None:
        """Close the gate, and believe nothing that was measured before."""
        why = f"The clock was stepped by {step / 1e6:+.3f} s."
        self._readings.clear()
        self._reference_us = -1
        self._settle(boot)
        self._gate = self._gate._replace(trusted=False, anchor_us=wall - boot, text=why)
        self._shared.write(self._gate)
        self._shared.suspected = False
        log.warning("clock stepped", seconds=step / 1e6)
        self._note(JournalEntry(wall, "stepped", None, step, None, None, why))
        self._read_ledger()
        self._due_us = 0

    def _settle(self, boot: int) -> None:
        if "system" in self._settings.sources:
            self._settling_until_us = boot + int(self._settings.settle_s * 1e6)

    def _read_ledger(self) -> None:
        """The newest genTime that stands in the ledger."""
        try:
            newest = newest_gen_time(layout.ledger(self._state), self._gate.epoch)
        except LedgerFault as fault:  # the workers will find the same, and refuse
            log.error("ledger's newest genTime not read", reason=str(fault))
            return
        self._gate = self._gate._replace(newest_us=newest)

    def _measure(self) -> None:
        """Ask every source, and write what follows."""
        wall, boot = self._clocks.read_calmly(self._gate)
        faults, silent, entries = list(filter(None, [self._journal_fault])), list[str](), list[JournalEntry]()
        for source in self._settings.sources:
            said, reading = question(source, self._settings, wall, self._hear)
            if reading is not None:
                self._readings[source] = Measured(reading, boot)
            elif said.verdict == NO_ANSWER and source in self._readings:
                silent.append(said.why)
            else:
                self._readings.pop(source, None)
                faults.append(said.why)
            if source != "system":  # which measures nothing
                entries.append(said)
        self._note(*entries)
        self._watch_leap(wall)
        self._conclude(faults, silent, boot)
        if not silent and self._gate.has_no_room_for(self._gate.stepped(wall, boot)):
            self._shared.suspected = True  # or small steps, which are added to every new bound, would keep it closed
        poll_s = self._settings.poll_s if self._gate.trusted else min(self._settings.poll_s, CLOSED_POLL_S)
        self._due_us = boot + int(poll_s * 1e6)
        if boot < self._settling_until_us:
            self._due_us = min(self._due_us, self._settling_until_us)

    def _hear(self, source: str, settings: ClockTable, now_us: int) -> Reading:
        """The reading, unless chronyd has made it of what it heard before a step. Raises NoAnswer or Distrusted."""
        reading = self._ask(source, settings, now_us)
        if reading.reference_us is not None and self._reference_us is not None:
            if self._reference_us in (-1, reading.reference_us):
                self._reference_us = reading.reference_us
                raise Distrusted("chronyd has not heard from its own servers since the clock was stepped.")
            self._reference_us = None
        return reading

    def _watch_leap(self, wall: int) -> None:
        """An announced leap second is remembered through its window, whatever the sources say meanwhile."""
        window = self._settings.leap_window_s * 1_000_000
        if self._leap_us is not None and self._leap_us - window <= wall < self._leap_us + window:
            return
        announced = {each.reading.leap_us for each in self._readings.values()} - {None}
        leap = min((each for each in announced if each is not None), default=None)
        if leap is not None and leap != self._leap_us:
            log.warning("leap second announced", at_us=leap)
        self._leap_us = leap

    def _conclude(self, faults: list[str], silent: list[str], boot: int) -> None:
        """Write the gate that follows from the readings."""
        trusted, measured, error, text = reach(list(self._readings.values()), faults, boot, self._settings.drift_ppm)
        if boot < self._settling_until_us:
            trusted, text = False, SETTLING
        window = self._settings.leap_window_s * 1_000_000
        leap = (self._leap_us - window, self._leap_us + window) if self._leap_us is not None else (0, 0)
        self._gate = self._gate._replace(
            trusted=trusted,
            measured_us=measured,
            error_us=error,
            leap_from_us=leap[0],
            leap_until_us=leap[1],
            text=" ".join([text, *silent]),
        )
        self._shared.write(self._gate)

    def _tell(self) -> None:
        """Log and journal the gate's openings and closings, and a new reason of the measurer's for a closed one."""
        wall, boot = self._clocks.read_calmly(self._gate)
        accuracy, why = self._gate.judge(wall, boot)
        told = (not why, "" if self._gate.trusted else re.sub(r"[\d.]+", "", self._gate.text))  # figures always change
        if told == self._told:
            return
        self._told = told
        if why:
            log.error("clock not trusted", reason=why)
            self._note(JournalEntry(wall, "closed", None, None, None, None, why))
        else:
            log.info("clock trusted", accuracy_ms=accuracy / 1e3, by=self._gate.text)
            self._note(JournalEntry(wall, "opened", None, None, accuracy, None, self._gate.text))

    def _read_journal(self) -> None:
        """How often a future genTime was accepted as wrong; what it was, where that cannot be read any more."""
        try:
            epoch = self._opened().epoch()
        except JournalFault as fault:
            if not self._shared.number:
                self._journal_fault = str(fault)
            return
        if epoch != self._gate.epoch or self._journal_fault:
            self._gate, self._journal_fault = self._gate._replace(epoch=epoch), ""
            self._read_ledger()
            self._due_us = 0

    def _note(self, *entries: JournalEntry) -> None:
        """Journal; a journal that cannot be written does not stop the clock."""
        try:
            self._opened().write(*entries)
        except JournalFault as fault:
            log.error("clock not journalled", reason=str(fault))

    def _opened(self) -> Journal:
        if self._journal is None:
            self._journal = Journal(self._state)
        return self._journal
