"""`tsa ledger`: verify, find, export, backup, prune."""

from __future__ import annotations

import base64
import csv
import json
import sys
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tsa.commands import AsJson, StateDir, bar, second
from tsa.ledger import audit as auditing
from tsa.ledger import retention
from tsa.ledger.archive import Archive, Record
from tsa.ledger.segment import LedgerFault
from tsa.licensing.applications import read
from tsa.state import layout
from tsa.state.control import Control, ControlFault

FIELDS = ("serial", "gen_time", "app", "policy", "imprint", "token")

app = typer.Typer(help="What was signed: verify it, find it, take it out, keep it.", no_args_is_help=True)
out = Console(highlight=False, width=None if sys.stdout.isatty() else 200)


class Format(StrEnum):
    """Of an export."""

    JSONL = "jsonl"
    CSV = "csv"


@app.command()
def verify(state: StateDir, as_json: AsJson = False) -> None:
    """Walk every hash chain; exit 0 when the ledger is whole, 1 when not, with the first bad row of each file."""
    archive = _archive(state)
    with closing(Control(state)) as control:
        heads, (stamped, wrong) = auditing.read_heads(control), auditing.read_witnessed(control)
    with _progress() as progress:
        task = progress.add_task("Verifying", total=sum(head.seq for head in heads.values() if not head.pruned) or None)
        verdicts = list(auditing.audit(archive.folder, heads, lambda rows: progress.advance(task, rows), stamped))
    verdicts += wrong
    whole = all(verdict.fault is None for verdict in verdicts)
    if as_json:
        files = [{"file": v.segment, "rows": v.rows, "fault": v.fault} for v in verdicts]
        print(json.dumps({"whole": whole, "rows": sum(v.rows for v in verdicts), "files": files}, indent=2))
    else:
        table = Table("file", "rows", "verdict")
        for verdict in verdicts:
            table.add_row(verdict.segment, f"{verdict.rows:,}", verdict.fault or "whole")
        out.print(table)
        out.print("The ledger is whole." if whole else "The ledger is NOT whole.", markup=False)
    sys.exit(0 if whole else 1)


@app.command()
def find(
    state: StateDir,
    serial: Annotated[str | None, typer.Option(help="serialNumber, hexadecimal.")] = None,
    imprint: Annotated[str | None, typer.Option(help="The digest that was stamped, hexadecimal.")] = None,
    application: Annotated[str | None, typer.Option("--app", help="Name of an application.")] = None,
    since: Annotated[datetime | None, typer.Option(help="UTC, such as 2026-11-22 or 2026-11-22T20:00:00.")] = None,
) -> None:
    """Print stamps as JSON, one a line; exit 1 when there is none. The conditions given must all hold."""
    if serial is None and imprint is None and application is None and since is None:
        raise typer.BadParameter("Say what to find: --serial, --imprint, --app or --since.")
    names, start = _names(state), _microseconds(since)
    wanted = None if application is None else _id_of(names, application)
    found = 0
    for record in _candidates(_archive(state), serial, imprint, start, wanted):
        if record.entry.gen_time >= start and wanted in (None, record.application):
            _print_json(record, names)
            found += 1
    sys.exit(0 if found else 1)


@app.command()
def export(
    state: StateDir,
    form: Annotated[Format, typer.Option("--format", help="jsonl or csv.")] = Format.JSONL,
    since: Annotated[datetime | None, typer.Option(help="UTC, such as 2026-11-22.")] = None,
) -> None:
    """Print every stamp, the token in base64 as it was sent."""
    archive, names, start = _archive(state), _names(state), _microseconds(since)
    writer = csv.writer(sys.stdout)
    if form is Format.CSV:
        writer.writerow(FIELDS)
    with _progress() as progress:
        for record in progress.track(archive.records(start), total=archive.count(start), description="Exporting"):
            if form is Format.CSV:
                writer.writerow(_fields(record, names).values())
            else:
                _print_json(record, names)


@app.command()
def backup(state: StateDir, to: Annotated[Path, typer.Option(help="The folder to copy to.")]) -> None:
    """Copy control.db and the ledger, beside the running server; files that have not grown are skipped. No keys."""
    with _progress() as progress:
        task = progress.add_task("Copying", total=None)
        copied = retention.back_up(state, to, lambda name: progress.update(task, description=f"Copying {name}"))
    out.print(f"{copied} ledger files copied to {to}. The keys are not among them.", markup=False)


@app.command()
def prune(
    state: StateDir,
    before: Annotated[datetime, typer.Option(help="UTC date: files whose every stamp is older go.")],
) -> None:
    """Remove whole ledger files; the chain stays verifiable across what was removed."""
    removed = retention.prune(state, _microseconds(before))
    for name in removed:
        out.print(f"removed {name}", markup=False)
    out.print(f"{len(removed)} ledger files removed.", markup=False)


def _archive(state: Path) -> Archive:
    if not layout.control(state).exists():
        raise ControlFault(f"{state} has no {layout.control(state).name}: is it a state folder?")
    return Archive(layout.ledger(state))


def _candidates(
    archive: Archive, serial: str | None, imprint: str | None, start: int, application: int | None
) -> Iterable[Record]:
    """The stamps that the most telling condition finds."""
    if serial is not None:
        record = archive.find_serial(_octets("--serial", serial))
        wanted = None if imprint is None else _octets("--imprint", imprint)
        return [record] if record is not None and wanted in (None, record.entry.imprint) else []
    if imprint is not None:
        return archive.find_imprint(_octets("--imprint", imprint))
    return archive.records(start, application)


def _octets(option: str, text: str) -> bytes:
    digits = text.lower().removeprefix("0x").replace(":", "")
    try:
        return bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2))
    except ValueError:
        raise typer.BadParameter(f"{option}: {text!r} is not hexadecimal.") from None


def _microseconds(moment: datetime | None) -> int:
    return 0 if moment is None else second(moment) * 1_000_000


def _names(state: Path) -> dict[int, str]:
    with closing(Control(state)) as control:
        return {application.id: application.name for application in read(control, 0)}


def _id_of(names: dict[int, str], name: str) -> int:
    for number, each in names.items():
        if each == name:
            return number
    raise LedgerFault(f"There is no application {name!r}: `tsa app list` shows those there are.")


def _fields(record: Record, names: dict[int, str]) -> dict[str, str]:
    values = (
        record.entry.serial.hex(),
        record.gen_time,
        names.get(record.application, str(record.application)),
        record.policy,
        record.entry.imprint.hex(),
        base64.b64encode(record.token).decode(),
    )
    return dict(zip(FIELDS, values, strict=True))


def _print_json(record: Record, names: dict[int, str]) -> None:
    print(json.dumps(_fields(record, names)))


def _progress() -> Progress:
    return bar(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
