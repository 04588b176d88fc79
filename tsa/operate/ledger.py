"""The ledger, as an operator asks of it: is it whole, where is a stamp, and all stamps for somebody else to keep."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tsa.ledger import audit
from tsa.ledger.archive import Archive, Record
from tsa.ledger.heads import read_heads
from tsa.ledger.segment import LedgerFault
from tsa.licensing.applications import read
from tsa.licensing.store import SqliteApplications
from tsa.state import layout
from tsa.state.control import Control, ControlFault


class Stamp(NamedTuple):
    """One stamp as it is shown and exported: octets in hexadecimal, but the token in base64, as it was sent."""

    serial: str
    gen_time: str
    app: str
    policy: str
    imprint: str
    token: str


def verify(state: Path, tell: Callable[[int, int], None]) -> list[audit.SegmentVerdict]:
    """What is found in every ledger file, and in the stamps of the witness; whole is a ledger without a fault.

    `tell` is told of rows as they are gone through, and of how many there are by the heads kept aside. Raises
    ControlFault.
    """
    archive = open_archive(state)
    with closing(Control(state)) as control:
        heads, (stamped, wrong) = read_heads(control), audit.read_witnessed(control)
    total = sum(head.seq for head in heads.values() if not head.pruned)
    tell(0, total)
    return [*audit.audit(archive.folder, heads, lambda rows: tell(rows, total), stamped), *wrong]


def find(
    state: Path,
    serial: bytes | None = None,
    imprint: bytes | None = None,
    application: str | None = None,
    since: int = 0,
) -> Iterator[Stamp]:
    """The stamps for which all of the conditions hold; `since` is a genTime, µs since the epoch.

    Raises ControlFault, or LedgerFault: also where there is no such application.
    """
    archive, names = open_archive(state), _names(state)
    wanted = None if application is None else _id_of(names, application)
    for record in _candidates(archive, serial, imprint, since, wanted):
        if record.entry.gen_time >= since and wanted in (None, record.application):
            yield _stamp(record, names)


def export(state: Path, since: int) -> tuple[int, Iterator[Stamp]]:
    """The number of stamps from a genTime on, µs since the epoch, and these. Raises ControlFault or LedgerFault."""
    archive, names = open_archive(state), _names(state)
    return archive.count(since), (_stamp(record, names) for record in archive.records(since))


def open_archive(state: Path) -> Archive:
    """The ledger of a state folder. Raises ControlFault where the folder is none."""
    if not layout.control(state).exists():
        raise ControlFault(f"{state} has no {layout.control(state).name}: is it a state folder?")
    return Archive(layout.ledger(state))


def _candidates(
    archive: Archive, serial: bytes | None, imprint: bytes | None, since: int, application: int | None
) -> Iterable[Record]:
    """The stamps that the most telling condition finds."""
    if serial is not None:
        record = archive.find_serial(serial)
        return [record] if record is not None and imprint in (None, record.entry.imprint) else []
    if imprint is not None:
        return archive.find_imprint(imprint)
    return archive.records(since, application)


def _names(state: Path) -> dict[int, str]:
    with closing(Control(state)) as control:
        return {application.id: application.name for application in read(SqliteApplications(control), 0)}


def _id_of(names: dict[int, str], name: str) -> int:
    for number, each in names.items():
        if each == name:
            return number
    raise LedgerFault(f"There is no application {name!r}: `tsa app list` shows those there are.")


def _stamp(record: Record, names: dict[int, str]) -> Stamp:
    return Stamp(
        serial=record.entry.serial.hex(),
        gen_time=record.gen_time,
        app=names.get(record.application, str(record.application)),
        policy=record.policy,
        imprint=record.entry.imprint.hex(),
        token=base64.b64encode(record.token).decode(),
    )
