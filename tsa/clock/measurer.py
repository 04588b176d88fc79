"""The process that measures the clock, watches it for steps, and writes the gate that all other processes read.

Four times a second it compares the wall clock with CLOCK_BOOTTIME, which nobody sets. It asks the sources of [clock] at
each poll, and at once after a step. It journals its findings, and every opening and closing of the gate.
"""

from __future__ import annotations

import re
import select
from contextlib import suppress

import structlog

from tsa.clock.clock import ClockPair
from tsa.clock.gate import Gate, SharedGate
from tsa.clock.heartbeat import Heartbeat
from tsa.clock.journal import Journal, JournalEntry, JournalFault
from tsa.clock.measurement import Measurement, ReadSource
from tsa.ledger.archive import newest_gen_time
from tsa.ledger.segment import LedgerFault
from tsa.state import layout
from tsa.state.config import Config

TICK_S = 0.25
CLOSED_POLL_S = 8.0  # while the gate is closed, the sources are asked at least this often

SETTLING = "The clock was stepped, and must run evenly for [clock] settle_s before it is taken at its word again."

log = structlog.get_logger()


class Measurer:
    """Measures as [clock] of `config` says, and writes `shared`; tests inject `read_source` and `clocks`."""

    def __init__(
        self, config: Config, shared: SharedGate, read_source: ReadSource, clocks: ClockPair | None = None
    ) -> None:
        self._settings = config.clock
        self._state = config.dir
        self._shared = shared
        self._clocks = clocks or ClockPair()
        self._measurement = Measurement(config, read_source)
        self._heartbeat = Heartbeat(config.dir)
        self._journal: Journal | None = None
        self._gate = Gate()
        self._settling_until_us = 0  # CLOCK_BOOTTIME; of sources = ["system"] alone
        self._due_us = 0
        self._told: tuple[bool, str] | None = None
        self._journal_fault = ""  # until the journal has been read: nothing else knows of acceptances

    def run(self, lifeline: int) -> None:
        """Measure until the pipe `lifeline` reads end-of-file."""
        self.begin()
        while not select.select([lifeline], [], [], TICK_S)[0]:
            try:
                self.tick()
            except Exception:  # if this goes on, alive_us grows old, and the gate closes by itself
                log.exception("clock not measured")

    def begin(self) -> None:
        """Take the gate over from a measurer before this one, or measure for the first time."""
        before, (wall, boot) = self._shared.read(), self._clocks.read()
        self._gate = self._measurement.framed(before)
        if not self._shared.number:
            self._gate = self._gate._replace(anchor_us=wall - boot)
        elif not before.trusted:
            self._settle(boot)
        if before.leap_until_us > wall:
            self._measurement.leap_us = (before.leap_from_us + before.leap_until_us) // 2
        with suppress(JournalFault):
            if self._opened().is_stepped():
                self._measurement.forget()
        self._read_ledger()
        self.tick()

    def tick(self) -> None:
        """Look for a step, measure if that is due, and tell of changes."""
        wall, boot = self._clocks.read_calmly(self._gate)
        step = self._gate.stepped(wall, boot)
        if abs(step) > self._gate.max_step_us or self._shared.suspected:
            self._stepped(step, wall, boot)
        self._read_journal()
        if boot >= self._due_us:
            self._measure()
        self._tell()
        self._shared.alive_us = boot = self._clocks.read()[1]
        with suppress(OSError):
            self._heartbeat.beat(boot)

    def _stepped(self, step: int, wall: int, boot: int) -> None:
        """Close the gate, and forget all earlier readings."""
        why = f"The clock was stepped by {step / 1e6:+.3f} s."
        self._measurement.forget()
        self._settle(boot)
        self._gate = self._gate._replace(trusted=False, anchor_us=wall - boot, text=why)
        self._shared.write(self._gate)
        self._shared.suspected = False
        log.warning("clock stepped", seconds=step / 1e6)
        self._note(JournalEntry(wall, "stepped", offset=step, why=why))
        self._read_ledger()
        self._due_us = 0

    def _settle(self, boot: int) -> None:
        if "system" in self._settings.sources:
            self._settling_until_us = boot + int(self._settings.settle_s * 1e6)

    def _read_ledger(self) -> None:
        """Read the newest genTime of the ledger into the gate."""
        try:
            newest = newest_gen_time(layout.ledger(self._state), self._gate.epoch)
        except LedgerFault as fault:  # the workers will find the same, and refuse
            log.error("ledger's newest genTime not read", reason=str(fault))
            return
        self._gate = self._gate._replace(newest_us=newest)

    def _measure(self) -> None:
        """Ask every source, write the gate that follows, and say when to ask again."""
        wall, boot = self._clocks.read_calmly(self._gate)
        objection = SETTLING if boot < self._settling_until_us else self._journal_fault
        leap_us = self._measurement.leap_us
        gate = self._measurement.measure(self._gate, wall, boot, objection)
        if self._measurement.leap_us not in (None, leap_us):
            log.warning("leap second announced", at_us=self._measurement.leap_us)
        # "system" measures nothing, so its word is not journalled.
        self._note(*(answer for answer in self._measurement.answers if answer.source != "system"))
        self._gate = gate
        self._shared.write(gate)
        if self._measurement.is_complete and self._gate.has_no_room_for(self._gate.stepped(wall, boot)):
            self._shared.suspected = True  # or small steps, which are added to every new bound, would keep it closed
        poll_s = self._settings.poll_s if self._gate.trusted else min(self._settings.poll_s, CLOSED_POLL_S)
        self._due_us = boot + int(poll_s * 1e6)
        if boot < self._settling_until_us:
            self._due_us = min(self._due_us, self._settling_until_us)

    def _tell(self) -> None:
        """Log and journal that the gate opened or closed, or that the measurer has a new reason to keep it closed."""
        wall, boot = self._clocks.read_calmly(self._gate)
        accuracy, why = self._gate.judge(wall, boot)
        told = (not why, "" if self._gate.trusted else re.sub(r"[\d.]+", "", self._gate.text))  # figures always change
        if told == self._told:
            return
        self._told = told
        if why:
            log.error("clock not trusted", reason=why)
            self._note(JournalEntry(wall, "closed", why=why))
        else:
            log.info("clock trusted", accuracy_ms=accuracy / 1e3, by=self._gate.text)
            self._note(JournalEntry(wall, "opened", error=accuracy, why=self._gate.text))

    def _read_journal(self) -> None:
        """Read how often a future genTime was accepted as wrong; a count that was read once stays where this fails."""
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
        """Write to the journal; one that cannot be written does not stop the clock."""
        try:
            self._opened().write(*entries)
        except JournalFault as fault:
            log.error("clock not journalled", reason=str(fault))

    def _opened(self) -> Journal:
        if self._journal is None:
            self._journal = Journal(self._state)
        return self._journal
