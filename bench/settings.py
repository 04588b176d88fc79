"""Settings of a server under test: other values in its tsa.toml."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

Settings = Mapping[str, Mapping[str, int]]
"""Values by table and name, as {"licence": {"window_s": 60}}."""


def change(directory: Path, settings: Settings) -> None:
    """Write settings into the tsa.toml of a state folder; its comments go. The server refuses a name it does not know.

    The file is tables of plain values, each table once: so its values are written as JSON, which TOML reads.
    """
    file = directory / "tsa.toml"
    tables = tomllib.loads(file.read_text("utf-8"))
    for table, values in settings.items():
        tables[table] = {**tables.get(table, {}), **values}
    file.write_text("\n".join(_lines(tables)) + "\n", "utf-8")


def _lines(tables: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    for table, values in tables.items():
        yield f"[{table}]"
        yield from (f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items())
