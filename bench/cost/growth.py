"""Does a stamp cost more when the ledger is large? The same load on an empty ledger file and on one of many rows.

    python -m bench.cost.growth [--rows 5000000] [--json]

Two authorities, loaded in turn, A B A B, so that what else the machine does meets both. The rows are not stamped: SQL
copies the last one that was, with a serialNumber, imprint and signature of its own, in the order of genTime.
"""

import argparse
import json
import os
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from bench import BenchError, host, proc, server
from bench.cost.ceiling import percentiles_ms
from bench.cost.load import drive

KEY = "p256"
CHUNK = 250_000
ROLL = ("roll_mib = 1024", "roll_mib = 1048576")
"""In tsa.toml: all rows are to be in one file."""


@dataclass(frozen=True)
class Round:
    """One load on one of the two; `rows` of its ledger before it."""

    ledger: str
    rows: int
    stamps_per_s: float
    cpu_us: float
    latency_ms: dict[str, float]
    wrong: int


@dataclass(frozen=True)
class Growth:
    """What was found; the ratios are of the medians, large to empty."""

    host: dict[str, str | int]
    connections: int
    seconds: float
    file_mib: float
    rounds: list[Round]
    cpu_ratio: float
    p99_ratio: float


def measure(rows: int, connections: int, seconds: float, rounds: int, tell: Callable[[str], None]) -> Growth:
    """Load an authority with an empty ledger and one with `rows` rows in turn. BenchError where that cannot be done."""
    server_core, load_core = proc.cores()
    with TemporaryDirectory(prefix="tsa-bench-") as name, proc.pinned(load_core):
        empty, large = Path(name, "empty"), Path(name, "large")
        prepare(empty, 0, server_core, tell)
        prepare(large, rows, server_core, tell)
        found = []
        with server.serving(empty, server_core) as one, server.serving(large, server_core) as other:
            for number in range(rounds):
                for ledger, tsa in (("empty", one), ("large", other)):
                    tell(f"{ledger} ledger, {connections} connections, {seconds:g} s, {number + 1} of {rounds}")
                    found.append(_round(ledger, tsa, connections, seconds))
        size = ledger_file(large).stat().st_size / 2**20
    cpu, p99 = _ratio(found, lambda each: each.cpu_us), _ratio(found, lambda each: each.latency_ms["p99"])
    return Growth(host.describe(), connections, seconds, size, found, cpu, p99)


def prepare(directory: Path, rows: int, core: int, tell: Callable[[str], None]) -> None:
    """Make a state folder whose ledger has at least `rows` rows in one file. BenchError where that cannot be done."""
    server.initialise(directory, KEY)
    toml = directory / "tsa.toml"
    toml.write_text(toml.read_text().replace(*ROLL))
    if rows:
        with server.serving(directory, core) as tsa:
            drive(tsa.port, 1, 0.1, lambda: 0)  # something to copy
        fill(ledger_file(directory), rows, tell)


def ledger_file(directory: Path) -> Path:
    """The file that the only worker of an authority writes."""
    files = sorted((directory / "ledger").glob("*/0*.db"))
    if not files:
        raise BenchError(f"{directory}/ledger has no file of worker 0")
    return files[-1]


def fill(file: Path, rows: int, tell: Callable[[str], None]) -> None:
    """Have at least `rows` rows in a ledger file that has one; then wait until the last genTime has passed."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        while (missing := rows - (last := _last(connection))["seq"]) > 0:
            tell(f"{last['seq']:,} of {rows:,} rows")
            connection.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"
                " INSERT INTO stamp (seq, gen_time, serial, application, policy, imprint, cert_req, tsu, tst_info,"
                " signature, link) SELECT :seq + i, :gen_time + i, randomblob(20), :application, :policy,"
                " randomblob(32), :cert_req, :tsu, :tst_info, randomblob(length(:signature)), randomblob(32) FROM n",
                {**last, "count": min(CHUNK, missing)},
            )
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("rb") as written:
        os.fsync(written.fileno())  # or the disk would still be busy with it while we measure
    time.sleep(max(0.0, last["gen_time"] / 1e6 - time.time()))


def rows_of(directory: Path) -> int:
    """The rows of the ledger file that a running authority writes."""
    with closing(sqlite3.connect(f"{ledger_file(directory).as_uri()}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT coalesce(max(seq), 0) FROM stamp").fetchone()[0])


def _last(connection: sqlite3.Connection) -> dict[str, int | bytes]:
    connection.row_factory = sqlite3.Row
    row = connection.execute("SELECT * FROM stamp ORDER BY seq DESC LIMIT 1").fetchone()
    if row is None:
        raise BenchError("the ledger file has no row to copy")
    return dict(row)


def _round(ledger: str, tsa: server.Server, connections: int, seconds: float) -> Round:
    family = proc.family(tsa.pid)
    rows = rows_of(tsa.directory)
    run = drive(tsa.port, connections, seconds, lambda: proc.cpu_ns(family))
    stamps = len(run.latencies)
    return Round(
        ledger=ledger,
        rows=rows,
        stamps_per_s=stamps / run.elapsed * 1e9,
        cpu_us=run.server_cpu / stamps / 1000,
        latency_ms=percentiles_ms(run.latencies),
        wrong=run.faults.total(),
    )


def _ratio(rounds: list[Round], figure: Callable[[Round], float]) -> float:
    median = {
        ledger: statistics.median(figure(each) for each in rounds if each.ledger == ledger)
        for ledger in ("empty", "large")
    }
    return median["large"] / median["empty"]


def show(found: Growth, console: Console) -> None:
    """For a person to read."""
    table = Table("ledger", "rows", "stamps/s", "server CPU a stamp, µs", "p50, ms", "p99, ms", "wrong")
    for each in found.rounds:
        latency = (f"{each.latency_ms[name]:.2f}" for name in ("p50", "p99"))
        figures = (f"{each.rows:,}", f"{each.stamps_per_s:,.0f}", f"{each.cpu_us:.1f}", *latency, f"{each.wrong}")
        table.add_row(each.ledger, *figures)
    console.print(f"{found.host['cpu']}, {found.host['cores']} cores, {found.host['date']}", markup=False)
    console.print(table)
    console.print(f"A file of {found.file_mib:,.0f} MiB; {found.connections} connections, {found.seconds:g} s a round.")
    console.print(f"Large to empty: CPU a stamp {found.cpu_ratio:.3f}, p99 {found.p99_ratio:.3f} times.")


def main(arguments: list[str]) -> int:
    """Exit status 1 when any answer was wrong, 2 when nothing could be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.cost.growth", description="Cost of a stamp beside a large ledger."
    )
    parser.add_argument("--rows", type=int, default=5_000_000, help="of the large ledger file")
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=5.0, help="of a round, after 1 s of warm-up")
    parser.add_argument("--rounds", type=int, default=2, help="of each, in turn")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output, and nothing else")
    options = parser.parse_args(arguments)
    errors = Console(stderr=True, highlight=False)
    tell = errors.print if errors.is_terminal else lambda _: None
    try:
        found = measure(options.rows, options.connections, options.seconds, options.rounds, tell)
    except (BenchError, OSError, sqlite3.Error) as error:
        errors.print(f"bench.cost.growth: {error}", markup=False, soft_wrap=True)
        return 2
    if options.json:
        print(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        show(found, Console(highlight=False))
    return 1 if any(each.wrong for each in found.rounds) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
