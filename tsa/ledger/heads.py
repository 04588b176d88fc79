"""What control.db knows of the ledger: the heads of its files, those that were pruned, and the stamps on the heads.

No ledger file can show from inside that its end was cut off; a head that was kept aside can (decision 7).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import structlog

from tsa.ledger import segment
from tsa.ledger.segment import LedgerFault
from tsa.state.control import Control

WITNESS_EVERY_S = 3600

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeptHead:
    """The newest row of a file when control.db last had it, and whether the file was then removed on purpose."""

    seq: int
    link: bytes
    pruned: bool


class HeadsStamp(NamedTuple):
    """A time-stamp on the heads: seconds since the epoch, the URL of its TSA or 'self', and its octets.

    `heads` is the JSON that was stamped; `request` and `response` are the TimeStampReq and the TimeStampResp.
    """

    at: int
    by: str
    heads: str
    request: bytes
    response: bytes


def read_heads(control: Control) -> dict[str, KeptHead]:
    """The heads by file, those of pruned files included. Raises ControlFault."""
    rows = control.rows("SELECT segment, seq, link, pruned IS NOT NULL FROM head")
    return {name: KeptHead(seq, link, bool(pruned)) for name, seq, link, pruned in rows}


def keep_heads(control: Control, ledger: Path) -> None:
    """Write down the heads of all files that have grown. Raises ControlFault or LedgerFault.

    A file that cannot be read, or is shorter than it was, is logged: that is no reason to lose the heads of others.
    """
    known = {name: head.seq for name, head in read_heads(control).items() if not head.pruned}
    names = segment.list_segments(ledger)
    newest = {segment.worker_of(name): name for name in names}  # only they grow; a file that follows tells an end
    grown = []
    for name in names:
        if name in known and name != newest[segment.worker_of(name)]:
            continue
        try:
            with segment.reading(ledger / name) as connection:
                seq, link, _ = segment.head(connection)
        except LedgerFault as fault:
            log.error("ledger file cannot be read: see `tsa ledger verify`", segment=name, reason=str(fault))
            continue
        if seq < known.get(name, 0):
            log.error("ledger file is shorter than it was: see `tsa ledger verify`", segment=name, seq=seq)
        elif seq > known.get(name, -1):
            grown.append((name, seq, link, int(time.time())))
    with control.change() as connection:
        connection.executemany(
            "INSERT INTO head (segment, seq, link, at) VALUES (?, ?, ?, ?) ON CONFLICT (segment)"
            " DO UPDATE SET seq = excluded.seq, link = excluded.link, at = excluded.at WHERE excluded.seq > head.seq",
            grown,
        )


def keep_pruned(control: Control, name: str, seq: int, link: bytes) -> None:
    """Write down that a file is removed on purpose, and its last row. Raises ControlFault."""
    now = int(time.time())
    with control.change() as connection:
        connection.execute(
            "INSERT INTO head (segment, seq, link, at, pruned) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (segment) DO UPDATE SET seq = excluded.seq, link = excluded.link, pruned = excluded.pruned",
            (name, seq, link, now, now),
        )
        control.log_event("ledger pruned", segment=name, rows=seq, link=link.hex())


def heads_text(control: Control) -> str:
    """The head of every worker's newest file as canonical JSON, which a TSA stamps: its chain covers all files before.

    Raises ControlFault.
    """
    rows = control.rows("SELECT segment, seq, hex(link) FROM head WHERE pruned IS NULL")
    ordered = sorted(rows, key=lambda row: segment.order_of(row[0]))
    newest = {segment.worker_of(name): [name, seq, link] for name, seq, link in ordered}
    return json.dumps(list(newest.values()), separators=(",", ":"))


def stamp_due(control: Control) -> bool:
    """Whether the heads have changed, and an hour has passed, since they were last stamped. Raises ControlFault."""
    rows = control.rows("SELECT at, heads FROM witness ORDER BY at DESC LIMIT 1")
    if not rows:
        return heads_text(control) != "[]"
    [(stamped_at, heads)] = rows
    return bool(not 0 <= time.time() - stamped_at < WITNESS_EVERY_S and heads != heads_text(control))


def keep_stamp(control: Control, by: str, heads: str, request: bytes, response: bytes) -> None:
    """Keep a time-stamp on the heads, as HeadsStamp has it, of this moment. Raises ControlFault."""
    stamp = HeadsStamp(int(time.time()), by, heads, request, response)
    with control.change() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO witness (at, by, heads, request, response) VALUES (?, ?, ?, ?, ?)", stamp
        )


def read_stamps(control: Control) -> Iterator[HeadsStamp]:
    """Every time-stamp on the heads, oldest first. Raises ControlFault."""
    yield from map(HeadsStamp._make, control.rows("SELECT at, by, heads, request, response FROM witness ORDER BY at"))
