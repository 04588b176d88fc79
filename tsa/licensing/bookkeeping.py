"""What is kept aside of the ledger in control.db: heads, usage, and the hourly stamp on the heads (DESIGN 5.7)."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import structlog

from tsa.ledger import segment
from tsa.ledger.segment import LedgerFault
from tsa.licensing.applications import ANONYMOUS, Application, add, read
from tsa.licensing.counters import Counters
from tsa.state import layout
from tsa.state.config import Config
from tsa.state.control import Control

FIRST_LICENCES = 2
WITNESS_EVERY_S = 3600

log = structlog.get_logger()


def ensure_anonymous(control: Control, licences: int = FIRST_LICENCES) -> None:
    """The anonymous application and its development licences, unless they are there. Raises ControlFault."""
    if control.connection.execute("SELECT 1 FROM application WHERE name = ?", (ANONYMOUS,)).fetchone() is None:
        add(control, ANONYMOUS, key=None, licences=licences)


def restore(config: Config, counters: Counters, microseconds: int) -> None:
    """Count what the ledger has of the present window and the one before, before anything is served at a genTime.

    Raises LedgerFault.
    """
    since = (counters.window(microseconds) - 1) * counters.window_s
    for window, application, count in sorted(_count(config, since, counters.window_s)):
        if window <= counters.window(microseconds):  # the clock may have been ahead
            counters.restore(application, count, window)


def keep(config: Config, counters: Counters, microseconds: int, *, at_start: bool = False) -> None:
    """Write heads and usage down as they are now; `at_start` also what a server that was killed had no time to.

    Raises ControlFault or LedgerFault.
    """
    with closing(Control(config.dir)) as control:
        _keep_heads(control, layout.ledger(config.dir))
        _keep_usage(control, config, counters, microseconds, at_start=at_start)


def _keep_heads(control: Control, ledger: Path) -> None:
    known = dict(control.connection.execute("SELECT segment, seq FROM head WHERE pruned IS NULL"))
    heads = []
    names = segment.list_segments(ledger)
    newest = {segment.worker_of(name): name for name in names}  # only they grow; what follows a file tells its end
    for name in names:
        if name in known and name != newest[segment.worker_of(name)]:
            continue
        try:
            with segment.reading(ledger / name) as connection:
                seq, link, _ = segment.head(connection)
        except LedgerFault as fault:  # which is no reason to forget the others' heads
            log.error("ledger file cannot be read: see `tsa ledger verify`", segment=name, reason=str(fault))
            continue
        if seq < known.get(name, 0):
            log.error("ledger file is shorter than it was: see `tsa ledger verify`", segment=name, seq=seq)
        elif seq > known.get(name, -1):
            heads.append((name, seq, link, int(time.time())))
    with control.change() as connection:
        connection.executemany(
            "INSERT INTO head (segment, seq, link, at) VALUES (?, ?, ?, ?) ON CONFLICT (segment)"
            " DO UPDATE SET seq = excluded.seq, link = excluded.link, at = excluded.at WHERE excluded.seq > head.seq",
            heads,
        )


def _keep_usage(control: Control, config: Config, counters: Counters, microseconds: int, *, at_start: bool) -> None:
    """The present window and the one before by the counters; what is older and not written yet, by the ledger."""
    window, length = counters.window(microseconds), counters.window_s
    everyone = read(control, config.licence.stamps_per_licence_hour, config.licence.issuer_key)
    rows = []
    for application in everyone:
        for each in (window - 1, window):
            stamps, refusals = counters.used(application.id, each)
            if stamps or refusals:
                rows.append((each * length, application.id, application.capacity(each * length), stamps, refusals))
    forgotten = list(_forgotten(control, config, everyone, (window - 1) * length, length, at_start=at_start))
    insert = (
        "INSERT INTO usage (start, application, capacity, stamps, refusals) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (start, application) DO UPDATE SET capacity = excluded.capacity,"
        " refusals = max(refusals, excluded.refusals), stamps = "
    )
    with control.change() as connection:
        connection.executemany(f"{insert} excluded.stamps", rows)
        # Rows of the ledger may have been pruned since: what was billed is never lowered.
        connection.executemany(f"{insert} max(stamps, excluded.stamps)", forgotten)


def _forgotten(
    control: Control, config: Config, everyone: list[Application], before: int, length: int, *, at_start: bool
) -> Iterator[tuple[int, int, int, int, int]]:
    """Usage between the newest row that is written and `before`; at the start with the window of that row."""
    [newest] = control.connection.execute("SELECT max(start) FROM usage").fetchone()
    newest = 0 if newest is None else newest if at_start else newest + length
    if newest >= before:
        return
    by_id = {application.id: application for application in everyone}
    stamps: Counter[tuple[int, int]] = Counter()
    for window, application, count in _count(config, newest, length):
        stamps[window * length, application] += count
    for (start, application), count in stamps.items():
        if start < before and application in by_id:
            yield start, application, by_id[application].capacity(start), count, 0


def _count(config: Config, since: int, length: int) -> Iterator[tuple[int, int, int]]:
    """(window, application, stamps) of the ledger from the second `since` on, by file."""
    ledger, month = layout.ledger(config.dir), segment.month_of(max(0, since) * 1_000_000)
    for name in segment.list_segments(ledger):
        if name < month:
            continue
        with segment.reading(ledger / name) as connection:
            first = segment.first_at(connection, since * 1_000_000)
            yield from connection.execute(
                "SELECT gen_time / ?, application, count(*) FROM stamp WHERE seq >= ? GROUP BY 1, 2",
                (length * 1_000_000, first),
            )


def heads_text(control: Control) -> str:
    """The head of each worker's newest file as canonical JSON: what a witness stamps. The chains cover all before."""
    rows = control.connection.execute("SELECT segment, seq, hex(link) FROM head WHERE pruned IS NULL").fetchall()
    ordered = sorted(rows, key=lambda row: segment.order_of(row[0]))
    newest = {segment.worker_of(name): [name, seq, link] for name, seq, link in ordered}
    return json.dumps(list(newest.values()), separators=(",", ":"))


def witness_due(control: Control) -> bool:
    """Whether the heads have changed, and an hour has passed, since they were last stamped."""
    row = control.connection.execute("SELECT at, heads FROM witness ORDER BY at DESC LIMIT 1").fetchone()
    if row is None:
        return heads_text(control) != "[]"
    stamped_at, heads = row
    return bool(not 0 <= time.time() - stamped_at < WITNESS_EVERY_S and heads != heads_text(control))


def keep_witness(control: Control, by: str, heads: str, request: bytes, response: bytes) -> None:
    """Keep the TimeStampReq and Resp on `heads` by the authority at the URL `by`, or 'self'. Raises ControlFault."""
    with control.change() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO witness (at, by, heads, request, response) VALUES (?, ?, ?, ?, ?)",
            (int(time.time()), by, heads, request, response),
        )
