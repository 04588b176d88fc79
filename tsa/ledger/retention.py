"""Backup of the ledger, and pruning: whole old files are removed, and their last links stay (decision 7)."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tsa.ledger import segment
from tsa.ledger.heads import keep_pruned
from tsa.ledger.segment import Head, LedgerFault
from tsa.state import layout, sqlite
from tsa.state.control import Control

KEEP_S = 86_400


def back_up(state: Path, target: Path, tell: Callable[[str], None]) -> int:
    """Copy control.db, the clock's journal and every ledger file that has grown since the last copy; how many of these.

    Runs beside the server. Keys are not copied. Raises LedgerFault.
    """
    copied = 0
    try:
        _copy(layout.control(state), layout.control(target))
        if layout.clock_journal(state).exists():  # there is none before the first start
            _copy(layout.clock_journal(state), layout.clock_journal(target))
        for name in layout.PUBLIC:
            if (state / name).exists():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(state / name, target / name)
        for name in segment.list_segments(layout.ledger(state)):
            tell(name)
            source, copy = layout.ledger(state) / name, layout.ledger(target) / name
            if not copy.exists() or _head(copy) != _head(source):
                _copy(source, copy)
                copied += 1
    except (OSError, sqlite3.Error) as error:
        raise LedgerFault(f"The backup to {target} is not complete: {error}.") from error
    return copied


def prune(state: Path, before: int) -> list[str]:
    """Remove ledger files whose every stamp is older than `before`, µs since the epoch; their names.

    The newest file of a worker always stays, and control.db keeps the last link of every removed file. Raises
    LedgerFault or ControlFault.
    """
    if before > (time.time() - KEEP_S) * 1_000_000:
        raise LedgerFault(
            "Stamps of the last day cannot be pruned: what is left of this hour's licences is counted from them."
        )
    ledger, removed = layout.ledger(state), list[str]()
    names = segment.list_segments(ledger)
    newest = {segment.worker_of(name): name for name in names}
    kept: set[int] = set()  # workers of which a file stays: then all later files stay, with stamps or without
    with closing(Control(state)) as control:
        for name in names:
            end, worker = _head(ledger / name), segment.worker_of(name)
            if worker in kept or name == newest[worker] or end.gen_time >= before:
                kept.add(worker)
                continue
            keep_pruned(control, name, end.seq, end.link)
            _remove(ledger / name)
            removed.append(name)
    return removed


def _head(path: Path) -> Head:
    with segment.reading(path) as connection:
        return segment.head(connection)


def _copy(source: Path, target: Path) -> None:
    """A consistent copy of a database that may be in use, whole or not at all."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.part")
    draft.unlink(missing_ok=True)
    sqlite.copy(source, draft)
    draft.chmod(0o600)
    draft.rename(target)


def _remove(path: Path) -> None:
    try:
        beside = [path.with_name(f"{path.name}-{kind}") for kind in ("wal", "shm")]
        for each in (path, *beside, layout.imprint_index(path)):
            each.unlink(missing_ok=True)
    except OSError as error:
        raise LedgerFault(f"{path} cannot be removed: {error.strerror}.") from error
