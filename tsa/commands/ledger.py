"""`tsa ledger`: verify, find, export, backup, prune."""

from __future__ import annotations

import csv
import json
import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tsa.commands import AsJson, StateDir, bar, second
from tsa.ledger import retention
from tsa.operate import ledger
from tsa.operate.ledger import Stamp

app = typer.Typer(help="What was signed: verify it, find it, take it out, keep it.", no_args_is_help=True)
out = Console(highlight=False, width=None if sys.stdout.isatty() else 200)


class Format(StrEnum):
    """Of an export."""

    JSONL = "jsonl"
    CSV = "csv"


@app.command()
def verify(state: StateDir, as_json: AsJson = False) -> None:
    """Walk every hash chain; exit 0 when the ledger is whole, 1 when not, with the first bad row of each file."""
    with _progress() as progress:
        task = progress.add_task("Verifying", total=None)
        verdicts = ledger.verify(state, lambda rows, of: progress.update(task, advance=rows, total=of or None))
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
    found = 0
    conditions = (_octets("--serial", serial), _octets("--imprint", imprint), application, _microseconds(since))
    for stamp in ledger.find(state, *conditions):
        _print_json(stamp)
        found += 1
    sys.exit(0 if found else 1)


@app.command()
def export(
    state: StateDir,
    form: Annotated[Format, typer.Option("--format", help="jsonl or csv.")] = Format.JSONL,
    since: Annotated[datetime | None, typer.Option(help="UTC, such as 2026-11-22.")] = None,
) -> None:
    """Print every stamp, the token in base64 as it was sent."""
    count, stamps = ledger.export(state, _microseconds(since))
    writer = csv.writer(sys.stdout)
    if form is Format.CSV:
        writer.writerow(Stamp._fields)
    with _progress() as progress:
        for stamp in progress.track(stamps, total=count, description="Exporting"):
            if form is Format.CSV:
                writer.writerow(stamp)
            else:
                _print_json(stamp)


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


def _print_json(stamp: Stamp) -> None:
    print(json.dumps(stamp._asdict()))


def _octets(option: str, text: str | None) -> bytes | None:
    if text is None:
        return None
    digits = text.lower().removeprefix("0x").replace(":", "")
    try:
        return bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2))
    except ValueError:
        raise typer.BadParameter(f"{option}: {text!r} is not hexadecimal.") from None


def _microseconds(moment: datetime | None) -> int:
    return 0 if moment is None else second(moment) * 1_000_000


def _progress() -> Progress:
    return bar(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
