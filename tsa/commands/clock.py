"""`tsa clock`: what the clock is trusted for now, its history, and the acceptance of a wrong genTime in the ledger."""

from __future__ import annotations

import fcntl
import json
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tsa.clock.clock import UNWATCHED, ClockFault, ClockPair
from tsa.clock.conclusion import Measured, reach
from tsa.clock.gate import NOBODY_MEASURES_US
from tsa.clock.journal import Journal, JournalEntry
from tsa.clock.measurer import question
from tsa.clock.sources.registry import ask
from tsa.commands import AsJson, StateDir, second
from tsa.ledger.archive import newest_gen_time
from tsa.ledger.serial import LAST_EPOCH
from tsa.state import layout
from tsa.state.config import Config, load

WATCH_EVERY_S = 1.0

app = typer.Typer(help="Whether the clock is trusted, and why.", invoke_without_command=True)
out = Console(highlight=False, width=None if sys.stdout.isatty() else 240)

Row = dict[str, Any]


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
    status = _status(load(state))
    if as_json:
        print(json.dumps(status, indent=2))
    else:
        out.print(_picture(status))
    sys.exit(0 if status["open"] else 1)


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
                print(json.dumps(entry._asdict() | {"at": _moment(entry.at)}, ensure_ascii=False))
            else:
                span = (_ms(entry.offset), _ms(entry.error))
                print(
                    row.format(_moment(entry.at), entry.kind, entry.source or "", *span, entry.verdict or "", entry.why)
                )


@app.command()
def accept(state: StateDir) -> None:
    """Accept that the newest genTime of the ledger is wrong, for it lies in the future of a clock that is right.

    Stamps given while the clock was ahead stay in the ledger as they are, and are wrong: tell those who have them. New
    stamps go to ledger files of their own.
    """
    settings = load(state)
    with closing(Journal(state)) as journal:
        epoch = journal.epoch()
        newest = newest_gen_time(layout.ledger(settings.dir), epoch)
        wall = ClockPair().wall_ns() // 1_000  # after the ledger was read: a server may be stamping meanwhile
        if newest <= wall:
            raise ClockFault(
                f"There is nothing to accept: the ledger's newest stamp or file, of"
                f" {_moment(newest) if newest else 'never'}, is not in the future of the clock, which shows"
                f" {_moment(wall)}."
            )
        if epoch == LAST_EPOCH:
            raise ClockFault(f"{LAST_EPOCH} wrong times were accepted in this state folder: begin another one.")
        text = (
            f"Accepted that the ledger's newest stamp or file, of {_moment(newest)}, is wrong, and that the clock,"
            f" which shows {_moment(wall)}, is right."
        )
        journal.accept(wall, newest, text)
    out.print(f"{text} A server that runs goes on within a second.", soft_wrap=True)


def _watch(state: Path) -> None:
    try:
        with Live(console=out, auto_refresh=False) as live:
            while True:
                live.update(_picture(_status(load(state))), refresh=True)
                time.sleep(WATCH_EVERY_S)
    except KeyboardInterrupt:
        return


def _status(settings: Config) -> Row:
    """What the server last found; where none runs, what a measurement says now."""
    if _is_served(settings.dir):
        with closing(Journal(settings.dir)) as journal:
            gate = journal.gate()
            measured = [journal.measured(source) for source in settings.clock.sources]
        if time.time() - layout.lock(settings.dir).stat().st_mtime > NOBODY_MEASURES_US / 1e6 and gate is not None:
            gate = gate._replace(kind="closed", why=UNWATCHED)
        is_open = gate is not None and gate.kind == "opened"
        if gate is not None and settings.clock.sources == ("system",):  # which is taken at its word, and not measured
            verdict = "trusted" if is_open else "not trusted"
            measured = [JournalEntry(gate.at, "measured", "system", None, None, verdict, gate.why)]
        rows = [_row(entry, settings.clock.drift_ppm) for entry in measured if entry is not None]
        return {"served": True, "open": is_open, **_said(gate), "sources": rows}
    return _measure(settings)


def _said(gate: JournalEntry | None) -> Row:
    if gate is None:
        return {"since": None, "why": "The clock has not been measured yet."}
    return {"since": _moment(gate.at), "why": gate.why}


def _measure(settings: Config) -> Row:
    wall, boot = ClockPair().read()
    entries, measured, faults = list[JournalEntry](), list[Measured](), list[str]()
    for source in settings.clock.sources:
        said, reading = question(source, settings.clock, wall, ask)
        entries.append(said)
        if reading is not None:
            measured.append(Measured(reading, boot))
        else:
            faults.append(said.why)
    trusted, _, error, why = reach(measured, faults, boot, settings.clock.drift_ppm)
    if trusted and error > settings.clock.max_accuracy_ms * 1_000:
        trusted, why = False, f"The clock may be off by {error / 1e3:.1f} ms, more than [clock] max_accuracy_ms allows."
    rows = [_row(entry, settings.clock.drift_ppm) for entry in entries]
    return {"served": False, "open": trusted, "since": None, "why": why, "sources": rows}


def _row(entry: JournalEntry, drift_ppm: int) -> Row:
    age = time.time() - entry.at / 1e6
    bound = None if entry.error is None else round(entry.error / 1e3 + age * drift_ppm / 1e3, 3)
    return {
        "source": entry.source,
        "offset_ms": None if entry.offset is None else entry.offset / 1e3,
        "error_bound_ms": bound,
        "age_s": round(age, 1),
        "verdict": entry.verdict,
        "why": entry.why,
    }


def _picture(status: Row) -> Group:
    table = Table("source", "offset ms", "error bound ms", "age s", "verdict", "why")
    for row in status["sources"]:
        told = [
            row["source"],
            *(f"{row[key]:,.3f}" if row[key] is not None else "" for key in ("offset_ms", "error_bound_ms")),
        ]
        table.add_row(*told, f"{row['age_s']:,.0f}", row["verdict"], Text(row["why"]))
    gate = "The gate is open: stamps are given." if status["open"] else "The gate is CLOSED: every request is refused."
    if not status["served"]:
        gate = f"No server runs; measured now, the gate would be {'open' if status['open'] else 'CLOSED'}."
    since = f" Since {status['since']}." if status["since"] else ""
    return Group(table, Text(f"{gate}{since} {status['why']}"))


def _is_served(state: Path) -> bool:
    """Whether a server holds the state folder."""
    try:
        with layout.lock(state).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _moment(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ms(microseconds: int | None) -> str:
    return "" if microseconds is None else f"{microseconds / 1e3:,.3f}"
