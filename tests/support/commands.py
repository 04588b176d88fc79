"""The commands, run in this process: what they print, and what is in control.db after them."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from tsa.cli import app
from tsa.state import layout


def run(*arguments: str | Path) -> Result:
    """Run `tsa` in this process; a fault comes out as the exception it is."""
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def add(state: Path, name: str = "bank", *options: str, licences: int = 1) -> str:
    """Add an application; its APP_KEY."""
    result = run("app", "add", name, "--licences", str(licences), "--dir", state, *options)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def listed(state: Path, *command: str) -> list[dict[str, Any]]:
    """What a command prints as JSON."""
    result = run(*command, "--json", "--dir", state)
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


def row(state: Path, name: str) -> dict[str, Any]:
    """An application in `tsa app list`."""
    [found] = [each for each in listed(state, "app", "list") if each["name"] == name]
    return found


def database(state: Path) -> sqlite3.Connection:
    """control.db, without a transaction of its own."""
    return sqlite3.connect(layout.control(state), isolation_level=None)


def dump(state: Path) -> list[str]:
    """Everything in control.db."""
    with closing(database(state)) as connection:
        return list(connection.iterdump())
