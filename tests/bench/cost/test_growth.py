"""bench.cost.growth, end to end and tiny: the rows are there, both are loaded in turn, the figures are well-formed."""

import io
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from bench import BenchError
from bench.cost import growth

ROWS = 2_000


def run(tmp_path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "bench.cost.growth", "--rows", f"{ROWS}", "--seconds", "0.5", "--rounds", "1"]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    return subprocess.run([*command, *arguments], capture_output=True, text=True, env=environment, check=False)


def test_figures_are_well_formed(tmp_path: Path) -> None:
    done = run(tmp_path, "--connections", "8", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    empty, large = found["rounds"]
    assert (empty["ledger"], empty["rows"]) == ("empty", 0)
    assert (large["ledger"], large["rows"]) == ("large", ROWS)
    for each in (empty, large):
        assert each["wrong"] == 0
        assert 0 < each["latency_ms"]["p50"] <= each["latency_ms"]["p99"]
        assert each["stamps_per_s"] > 0
    assert found["cpu_ratio"] == large["cpu_us"] / empty["cpu_us"] > 0
    assert found["p99_ratio"] == large["latency_ms"]["p99"] / empty["latency_ms"]["p99"] > 0
    assert not list(tmp_path.iterdir())


def test_a_table_for_people() -> None:
    rounds = [
        growth.Round(ledger, rows, 1_000.0, 50.0, {"p50": 1.0, "p99": 2.0}, 0)
        for ledger, rows in (("empty", 0), ("large", ROWS))
    ]
    found = growth.Growth({"cpu": "a processor", "cores": 2, "date": "today"}, 2, 0.5, 3.0, rounds, 1.25, 1.5)
    growth.show(found, Console(file=(sink := io.StringIO()), width=200))
    assert f"{ROWS:,}" in sink.getvalue()
    assert "Large to empty: CPU a stamp 1.250, p99 1.500 times." in sink.getvalue()


def test_what_cannot_be_measured_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="has no file of worker 0"):
        growth.ledger_file(tmp_path)
    with closing(sqlite3.connect(tmp_path / "empty.db")) as connection:
        connection.execute("CREATE TABLE stamp (seq INTEGER)")
    with pytest.raises(BenchError, match="no row to copy"):
        growth.fill(tmp_path / "empty.db", 1, print)
