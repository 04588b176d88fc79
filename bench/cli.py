"""tsa-bench: the cost and the capacity of an authority on this machine."""

import json
import signal
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from bench import BenchError, host
from bench.capacity.licence import licence
from bench.cost import ceiling, compare, raw, scale, show
from bench.cost.introduce import Subject, subject

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def bench() -> None:
    """Measure a time-stamp authority: the cost of a stamp, and the licensed capacity."""


def _counts(text: str) -> list[int]:
    """ "32,256" → [32, 256]."""
    counts = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if min(counts) < 1:
        raise typer.BadParameter(f"{text!r} is not a list of numbers from 1 up, such as 32,256")
    return counts


def _keys(text: str) -> list[str]:
    """ "p256,rsa3072" → ["p256", "rsa3072"]."""
    for key in text.split(","):
        if key not in raw.KEYS:
            raise typer.BadParameter(f"{key!r} is none of {', '.join(raw.KEYS)}")
    return text.split(",")


def _dimensions(text: str) -> list[str]:
    """ "workers,ledger rows" → ["workers", "ledger rows"]."""
    for name in text.split(","):
        if name not in scale.DIMENSIONS:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(scale.DIMENSIONS)}")
    return text.split(",")


def _plot(text: str) -> Path:
    file = Path(text)
    if file.suffix not in (".svg", ".png") or not file.absolute().parent.is_dir():
        raise typer.BadParameter(f"{text!r} is no name of an .svg or .png file in an existing folder")
    return file


def _subject(text: str) -> Subject:
    try:
        return subject(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


ALL_DIMENSIONS = ",".join(scale.DIMENSIONS)
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, and nothing else.")]
Plot = Annotated[Path | None, typer.Option(parser=_plot, metavar="FILE", help="Draw it too, as .svg or .png.")]
Seconds = Annotated[float, typer.Option(min=0.1, max=3600, help="Measured time of each, after 1 s of warm-up.")]
Rounds = Annotated[int, typer.Option(min=1, max=1000, help="Measurements of each, in turn; the medians are told.")]


@app.command(name="ceiling")
def ceiling_command(
    key: Annotated[
        Any, typer.Option(parser=_keys, metavar="TYPE,TYPE…", help=f"Signing keys: {', '.join(raw.KEYS)}.")
    ] = "p256",
    connections: Annotated[
        Any,
        typer.Option(parser=_counts, metavar="N,N…", help="Keep-alive connections, a measurement for each number."),
    ] = "32,256",
    seconds: Seconds = 5.0,
    as_json: Json = False,
    plot: Plot = None,
) -> None:
    """Start a server on one core, load it from another, and set its CPU time a stamp beside the raw signature's.

    Exit status 1 when any answer was wrong or any token of the sample did not verify, else 2 when a cell could not be
    measured.
    """
    _report(lambda tell: ceiling.measure(key, connections, seconds, tell), show.ceiling, "ceiling", as_json, plot)


@app.command(name="compare")
def compare_command(
    subjects: Annotated[
        list[Any],
        typer.Argument(parser=_subject, metavar="NAME=URL[,PID]…", help="Authorities; PID: whose CPU time is read."),
    ],
    connections: Annotated[int, typer.Option(min=1, max=10_000, help="At most; fewer where one serves fewer.")] = 32,
    seconds: Seconds = 5.0,
    rounds: Rounds = 3,
    cert_req: Annotated[bool, typer.Option("--cert-req", help="Ask for the certificates in each token.")] = False,
    as_json: Json = False,
    plot: Plot = None,
) -> None:
    """Put the same load on several RFC 3161 servers in turn, A B A B …, and compare the cost of a stamp.

    Keep each server off the load's core with `taskset --cpu-list 0`: the load is made on the second. Exit status 1 when
    any answer was wrong, else 2 when one of them could not be measured.
    """
    _report(
        lambda tell: compare.measure(subjects, connections, seconds, rounds, tell, cert_req=cert_req),
        show.comparison,
        "comparison",
        as_json,
        plot,
    )


@app.command(name="scale")
def scale_command(
    rows: Annotated[
        int,
        typer.Option(min=0, max=scale.ROWS, help="Of the largest ledger; 10000000 take 5 GB, 15 minutes."),
    ] = 1_000_000,
    workers: Annotated[
        Any, typer.Option(parser=_counts, metavar="N,N…", help="As far as there are cores.")
    ] = "1,2,4,8",
    connections: Annotated[Any, typer.Option(parser=_counts, metavar="N,N…", help="Keep-alive.")] = "1,10,100,1000",
    applications: Annotated[Any, typer.Option(parser=_counts, metavar="N,N…", help="With a key each.")] = "1,10,100",
    only: Annotated[
        Any, typer.Option(parser=_dimensions, metavar="NAME,NAME…", help=f"Of {ALL_DIMENSIONS}.")
    ] = ALL_DIMENSIONS,
    seconds: Seconds = 3.0,
    rounds: Rounds = 3,
    as_json: Json = False,
    plot: Plot = None,
) -> None:
    """Start servers, and see how the CPU time of a stamp grows with workers, connections, applications, ledger rows.

    Exit status 1 when any answer was wrong, 2 when nothing could be measured; a cell that was not done says so.
    """
    extent = scale.Extent(rows, workers, connections, applications, only)
    _report(lambda tell: scale.measure(extent, seconds, rounds, tell), show.scale, "scale", as_json, plot)


def _report(
    measure: Callable[[Callable[[str], None]], Any],
    table: Callable[[Any, Console], None],
    chart: str,
    as_json: bool,
    plot: Path | None,
) -> NoReturn:
    """Measure, draw with bench.cost.charts where asked for, print the result, and end with its exit status."""
    errors = Console(stderr=True, highlight=False)
    try:
        if plot:
            host.require("matplotlib")
        found = measure(errors.print if errors.is_terminal else lambda _: None)
        if plot:
            getattr(_charts(), chart)(found, plot)
    except (BenchError, OSError, sqlite3.Error) as error:
        errors.print(f"tsa-bench: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    if as_json:
        json.dump(asdict(found), sys.stdout, indent=2, ensure_ascii=False)
        print()
    else:
        table(found, Console(highlight=False))
    raise typer.Exit(found.exit_status)


def _charts() -> ModuleType:
    """Imported only for a plot: matplotlib takes most of a second."""
    from bench.cost import charts

    return charts


app.command()(licence)


def main() -> None:
    """The console script. SIGTERM takes the way of Ctrl-C, so that a server it started ends with it."""
    # A shell lets its background processes ignore SIGINT, and asyncio unwinds in order on SIGINT alone.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    app()
