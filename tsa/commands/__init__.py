"""The commands below `tsa`, and what they share: options, sentences, progress bars, rows as a table or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress, ProgressColumn
from rich.table import Table
from rich.text import Text

from tsa.licensing.store import SqliteApplications
from tsa.state.config import Config, load
from tsa.state.control import Control

StateDir = Annotated[Path, typer.Option("--dir", help="The state folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_T = TypeVar("_T")


@contextmanager
def opened(state: Path) -> Iterator[tuple[Config, SqliteApplications]]:
    """The settings of a state folder, and its applications in control.db. Raises ConfigFault or ControlFault."""
    settings = load(state)
    with closing(Control(state)) as control:
        yield settings, SqliteApplications(control)


def note(sentence: str) -> None:
    """Print a sentence for the person at the terminal, on standard error: standard output is for scripts."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(sentence, markup=False)


def visible(text: str) -> str:
    """A line of text, its control characters as escapes: strangers wrote some texts, and a terminal would obey them."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)


def bar(*columns: ProgressColumn, hidden: bool = False) -> Progress:
    """A progress bar on standard error, where that is a terminal; it takes nothing from standard output."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    return Progress(
        *(columns or Progress.get_default_columns()),
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # else the output to a file would go to the terminal
        disable=hidden or not console.is_terminal,
    )


def tracked(items: Sequence[_T], what: str) -> Iterator[_T]:
    """The items, with a bar that shows how many are done, where there are several."""
    with bar(hidden=len(items) == 1) as progress:
        yield from progress.track(items, description=what)


def show(rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    """Print rows that have the same keys: as a JSON array, or as a table with the keys for a head."""
    if as_json:
        print(json.dumps(rows, indent=2))
    elif rows:
        table = Table(*(key.replace("_", " ") for key in rows[0]))
        for row in rows:
            table.add_row(*(Text(_cell(value)) for value in row.values()))
        Console(highlight=False, width=None if sys.stdout.isatty() else 500).print(table)
    else:
        note("There are none.")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def second(moment: datetime) -> int:
    """Seconds since the epoch of a date or time on the command line, which is UTC."""
    return int(moment.replace(tzinfo=UTC).timestamp())
