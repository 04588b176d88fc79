"""The commands below `tsa`, one module a word, and what they share: options, and rows shown as a table or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tsa.authority.control import Control
from tsa.config import Config, load

StateDir = Annotated[Path, typer.Option("--dir", help="The state folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def opened(state: Path) -> Iterator[tuple[Config, Control]]:
    """The settings and the control.db of a state folder. Raises ConfigFault or ControlFault."""
    settings = load(state)
    with closing(Control(state)) as control:
        yield settings, control


def note(sentence: str) -> None:
    """Say something to whoever sits before the terminal; standard output is for what scripts take."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(sentence, markup=False)


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
