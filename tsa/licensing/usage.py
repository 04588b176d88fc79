"""The usage of applications by window: its rows in control.db, and the counters after a restart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tsa.ledger.archive import count_by_window
from tsa.licensing.applications import Application, read
from tsa.licensing.counters import Counters
from tsa.licensing.quota import Quota
from tsa.licensing.store import SqliteApplications
from tsa.state import layout
from tsa.state.config import Config
from tsa.state.control import Control, reading


class Window(NamedTuple):
    """The capacity, stamps and refusals of an application in a window; `start` is in seconds since the epoch."""

    start: int
    capacity: int
    stamps: int
    refusals: int


_Row = tuple[int, int, int, int, int]  # start, application, capacity, stamps, refusals

_INSERT = (
    "INSERT INTO usage (start, application, capacity, stamps, refusals) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (start, application) DO UPDATE SET capacity = excluded.capacity,"
    " refusals = max(refusals, excluded.refusals), stamps = "
)


def read_windows(state: Path, application: int, since: int, most: int) -> list[Window]:
    """The newest windows of an application that were written down, from the second `since` on, at most so many.

    May be called in any thread. Raises ControlFault.
    """
    query = (
        "SELECT start, capacity, stamps, refusals FROM usage WHERE application = ? AND start >= ?"
        " ORDER BY start DESC LIMIT ?"
    )
    with reading(state) as connection:
        return [Window(*row) for row in connection.execute(query, (application, since, most))]


def stamps_by_application(control: Control, start: int) -> dict[int, int]:
    """The stamps of every application in the window that begins at the second `start`. Raises ControlFault."""
    return dict(control.rows("SELECT application, stamps FROM usage WHERE start = ?", start))


def restore(config: Config, counters: Counters, microseconds: int) -> None:
    """Count the stamps of the present window and the last from the ledger; called before anything is served.

    Raises LedgerFault.
    """
    present = counters.window(microseconds)
    since = (present - 1) * counters.window_s
    for window, application, count in sorted(count_by_window(layout.ledger(config.dir), since, counters.window_s)):
        if window <= present:  # the clock may have been ahead
            counters.restore(application, count, window)


def keep_usage(control: Control, config: Config, quota: Quota, microseconds: int, *, at_start: bool) -> None:
    """Write down the present window and the last from the quota, and older missing windows from the ledger.

    `at_start`: also the window of the newest row, which a killed server had no time to bring up to date.
    Raises ControlFault or LedgerFault.
    """
    window, length = quota.window(microseconds), quota.window_s
    everyone = read(SqliteApplications(control), config.licence.stamps_per_licence_hour, config.licence.issuer_key)
    rows = []
    for application in everyone:
        for each in (window - 1, window):
            stamps, refusals = quota.used(application.id, each)
            if stamps or refusals:
                rows.append((each * length, application.id, application.capacity(each * length), stamps, refusals))
    missing = list(_missing(control, config, everyone, (window - 1) * length, length, at_start=at_start))
    with control.change() as connection:
        connection.executemany(f"{_INSERT} excluded.stamps", rows)
        # Rows of the ledger may have been pruned since: a billed number never becomes less.
        connection.executemany(f"{_INSERT} max(stamps, excluded.stamps)", missing)


def _missing(
    control: Control, config: Config, everyone: list[Application], before: int, length: int, *, at_start: bool
) -> Iterator[_Row]:
    """Usage between the newest row that is written and `before`; at the start with the window of that row."""
    [[newest]] = control.rows("SELECT max(start) FROM usage")
    newest = 0 if newest is None else newest if at_start else newest + length
    if newest >= before:
        return
    by_id = {application.id: application for application in everyone}
    stamps: Counter[tuple[int, int]] = Counter()
    for window, application, count in count_by_window(layout.ledger(config.dir), newest, length):
        stamps[window * length, application] += count
    for (start, application), count in stamps.items():
        if start < before and application in by_id:
            yield start, application, by_id[application].capacity(start), count, 0
