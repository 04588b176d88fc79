"""`tsa clock`: what the clock is trusted for now, its history, and the acceptance of a wrong genTime in the ledger."""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tsa.clock.journal import Journal
from tsa.commands import AsJson, StateDir, second
from tsa.operate import clock
from tsa.operate.clock import ClockStatus, moment
from tsa.state.config import load

WATCH_EVERY_S = 1.0

app = typer.Typer(help="Whether the clock is trusted, and why.", invoke_without_command=True)
out = Console(highlight=False, width=None if sys.stdout.isatty() else 240)


@app.callback()
def now(
    context: typer.Context,
    state: Annotated[Path | None, typer.Option("--dir", help="The state folder.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show each source with its verdict, and whether stamps are given; exit 1 when they are not."""
    if context.invoked_subcommand is not None:
        return
    if state is None:
        raise typer.BadParameter("Say which authority's clock: --dir DIR.")
    if watch:
        _watch(state)
        return
    status = clock.status(load(state))
    if as_json:
        print(json.dumps(_json(status), indent=2))
    else:
        out.print(_picture(status))
    sys.exit(0 if status.is_open else 1)


@app.command()
def history(
    state: StateDir,
    since: Annotated[datetime | None, typer.Option(help="UTC, such as 2026-11-22 or 2026-11-22T20:00:00.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print every measurement, step, opening and closing of the gate, and acceptance; with --json one object a line."""
    load(state)
    row = "{:24}  {:8}  {:6}  {:>12}  {:>12}  {:11}  {}"
    if not as_json:
        print(row.format("at (UTC)", "what", "source", "offset ms", "bound ms", "verdict", "why"))
    with closing(Journal(state)) as journal:
        for entry in journal.history(0 if since is None else second(since) * 1_000_000):
            if as_json:
                print(json.dumps(entry._asdict() | {"at": moment(entry.at)}, ensure_ascii=False))
            else:
                span = (_ms(entry.offset), _ms(entry.error))
                print(
                    row.format(moment(entry.at), entry.kind, entry.source or "", *span, entry.verdict or "", entry.why)
                )


@app.command()
def accept(state: StateDir) -> None:
    """Accept that the newest genTime of the ledger is wrong, for it lies in the future of a clock that is right.

    Stamps given while the clock was ahead stay in the ledger as they are, and are wrong: tell those who have them. New
    stamps go to ledger files of their own.
    """
    out.print(f"{clock.accept(load(state))} A server that runs goes on within a second.", soft_wrap=True)


def _watch(state: Path) -> None:
    try:
        with Live(console=out, auto_refresh=False) as live:
            while True:
                live.update(_picture(clock.status(load(state))), refresh=True)
                time.sleep(WATCH_EVERY_S)
    except KeyboardInterrupt:
        return


def _json(status: ClockStatus) -> dict[str, object]:
    served, is_open, since, why, sources = status
    rows = [source._asdict() for source in sources]
    return {"served": served, "open": is_open, "since": since, "why": why, "sources": rows}


def _picture(status: ClockStatus) -> Group:
    table = Table("source", "offset ms", "error bound ms", "age s", "verdict", "why")
    for source in status.sources:
        spans = (f"{span:,.3f}" if span is not None else "" for span in (source.offset_ms, source.error_bound_ms))
        table.add_row(source.source, *spans, f"{source.age_s:,.0f}", source.verdict, Text(source.why))
    gate = "The gate is open: stamps are given." if status.is_open else "The gate is CLOSED: every request is refused."
    if not status.served:
        gate = f"No server runs; measured now, the gate would be {'open' if status.is_open else 'CLOSED'}."
    since = f" Since {status.since}." if status.since else ""
    return Group(table, Text(f"{gate}{since} {status.why}"))


def _ms(microseconds: int | None) -> str:
    return "" if microseconds is None else f"{microseconds / 1e3:,.3f}"
