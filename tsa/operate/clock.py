"""The clock, as an operator asks for it: its state now, and the acceptance of a wrong genTime in the ledger."""

from __future__ import annotations

import fcntl
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tsa.clock.clock import UNWATCHED, ClockFault, ClockPair
from tsa.clock.gate import Gate
from tsa.clock.heartbeat import is_watched
from tsa.clock.journal import NOT_TRUSTED, TRUSTED, Journal, JournalEntry
from tsa.clock.measurement import Measurement
from tsa.clock.sources.registry import read_source
from tsa.ledger.archive import newest_gen_time
from tsa.ledger.segment import LedgerFault
from tsa.ledger.serial import LAST_EPOCH
from tsa.state import layout
from tsa.state.config import Config


class SourceStatus(NamedTuple):
    """The newest answer of one source; its error bound is what it has grown to by now."""

    source: str | None
    offset_ms: float | None
    error_bound_ms: float | None
    age_s: float
    verdict: str | None
    why: str


class ClockStatus(NamedTuple):
    """Whether a server runs, whether its gate is open (without a server: would be), since when, and why."""

    served: bool
    is_open: bool
    since: str | None
    why: str
    sources: list[SourceStatus]


def status(config: Config) -> ClockStatus:
    """What the server found last; where none runs, what a measurement finds now.

    Raises JournalFault.
    """
    return _found(config) if is_served(config.dir) else _measured(config)


def accept(config: Config) -> str:
    """Accept that the newest genTime of the ledger is wrong; the sentence that is journalled of it.

    Raises ClockFault where that genTime is not in the future of the clock, JournalFault or LedgerFault.
    """
    with closing(Journal(config.dir)) as journal:
        epoch = journal.epoch()
        newest = newest_gen_time(layout.ledger(config.dir), epoch)
        wall, _ = ClockPair().read()  # after the ledger was read: a server may be stamping meanwhile
        if newest <= wall:
            raise ClockFault(
                f"There is nothing to accept: the ledger's newest stamp or file, of"
                f" {moment(newest) if newest else 'never'}, is not in the future of the clock, which shows"
                f" {moment(wall)}."
            )
        if epoch == LAST_EPOCH:
            raise ClockFault(f"{LAST_EPOCH} wrong times were accepted in this state folder: begin another one.")
        text = (
            f"Accepted that the ledger's newest stamp or file, of {moment(newest)}, is wrong, and that the clock,"
            f" which shows {moment(wall)}, is right."
        )
        journal.accept(wall, newest, text)
    return text


def is_served(state: Path) -> bool:
    """Whether a server holds the state folder."""
    try:
        with layout.lock(state).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def moment(microseconds: int) -> str:
    """µs since the epoch in ISO 8601, UTC, to the millisecond."""
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _found(config: Config) -> ClockStatus:
    """By the journal of the server that runs."""
    with closing(Journal(config.dir)) as journal:
        gate = journal.gate()
        answers = [journal.measured(source) for source in config.clock.sources]
    if gate is None:
        since, is_open, why = None, False, Gate().text
    else:
        since, is_open, why = moment(gate.at), gate.kind == "opened", gate.why
        if not is_watched(config.dir, ClockPair().read()[1]):
            is_open, why = False, UNWATCHED
        if config.clock.sources == ("system",):  # its word is not journalled
            verdict = TRUSTED if is_open else NOT_TRUSTED
            answers = [JournalEntry(gate.at, "measured", "system", verdict=verdict, why=why)]
    found = [source_status(answer, config.clock.drift_ppm) for answer in answers if answer is not None]
    return ClockStatus(True, is_open, since, why, found)


def _measured(config: Config) -> ClockStatus:
    """By a measurement now, and the gate that a server would derive from it."""
    wall, boot = ClockPair().read()
    measurement = Measurement(config, read_source)
    epoch = _epoch(config.dir)
    try:
        newest = newest_gen_time(layout.ledger(config.dir), epoch)
    except LedgerFault:  # a server measures all the same, and `tsa ledger verify` tells of the ledger
        newest = 0
    gate = Gate(anchor_us=wall - boot, newest_us=newest, epoch=epoch)
    gate = measurement.measure(gate, wall, boot)
    _, why = gate.judge(wall, boot)
    found = [source_status(answer, config.clock.drift_ppm) for answer in measurement.answers]
    return ClockStatus(False, not why, None, why or gate.text, found)


def _epoch(state: Path) -> int:
    """How often a wrong genTime was accepted; a journal that a server has not begun yet is not begun here."""
    if not layout.clock_journal(state).exists():
        return 0
    with closing(Journal(state)) as journal:
        return journal.epoch()


def source_status(answer: JournalEntry, drift_ppm: int) -> SourceStatus:
    """An answer of a source, from its journal entry, as it stands now."""
    age = time.time() - answer.at / 1e6
    return SourceStatus(
        source=answer.source,
        offset_ms=None if answer.offset is None else answer.offset / 1e3,
        error_bound_ms=None if answer.error is None else round(answer.error / 1e3 + age * drift_ppm / 1e3, 3),
        age_s=round(age, 1),
        verdict=answer.verdict,
        why=answer.why,
    )
