"""The command `tsa-bench licence`."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench import BenchError, api, host, server
from bench.capacity import authority, record, report, suite
from bench.capacity.plan import KEY_VARIABLE
from bench.capacity.progress import Progress
from bench.capacity.schedule import PATTERNS
from bench.capacity.target import Options, under_test
from bench.capacity.verdict import CapacityVerdict, Objectives, judge

CA = "ca.pem"


def _pattern(text: str) -> str:
    if text not in PATTERNS:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(PATTERNS)}")
    return text


Url = Annotated[
    str | None, typer.Option(metavar="URL", help="Where the authority stamps; without it, one is started for the run.")
]
Duration = Annotated[
    float, typer.Option(min=1, metavar="S", help="Length of the steady phase; the full proof takes 3600.")
]
Exhaust = Annotated[
    bool,
    typer.Option("--exhaust", help="Use up a whole window of a server given by --url: its customer has none left."),
]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Where records and report go.")]
KeyFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help=f"File with the APP_KEY; else it is taken from {KEY_VARIABLE}.")
]
Arrivals = Annotated[
    str, typer.Option(parser=_pattern, metavar="PATTERN", help=f"When requests are due: {', '.join(PATTERNS)}.")
]
Window = Annotated[
    int | None,
    typer.Option(min=1, max=3600, metavar="S", help="Length of the licence's window, where it is no hour."),
]


def licence(
    licences: Annotated[int, typer.Option(min=1, help="Licences to prove.")],
    url: Url = None,
    duration: Duration = 60.0,
    exhaust: Exhaust = False,
    out: Out = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Generator processes.")] = 1,
    web: Annotated[bool, typer.Option("--web", help="Open Locust's own page on the loopback address.")] = False,
    key_file: KeyFile = None,
    arrivals: Arrivals = "poisson",
    seed: Annotated[int | None, typer.Option(help="Of the schedule; the same seed gives the same one.")] = None,
    stamps_per_licence_hour: Annotated[int, typer.Option(min=1, help="Stamps that a licence gives an hour.")] = 20_000,
    window: Window = None,
    p99_ms: Annotated[float, typer.Option(min=0.001, help="Objective: p99 of the steady phase at most.")] = 100.0,
) -> None:
    """Prove that N licences are there: offer their stamps, check every token, give a verdict.

    The verdict is pass (exit status 0), fail (1), or void (2): then the proof itself is no good. 2 also stands for a
    run that could not be made.
    """
    errors = Console(stderr=True, highlight=False)
    options = Options(
        url=url,
        licences=licences,
        stamps_per_licence_hour=stamps_per_licence_hour,
        duration_s=duration,
        exhaust=exhaust,
        pattern=arrivals,
        seed=secrets.randbelow(1 << 32) if seed is None else seed,
        processes=processes,
        window_s=window,
        web_port=server.free_port() if web else None,
    )
    folder = out or Path(f"bench-licence-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    try:
        host.require("locust", "matplotlib")
        verdict = prove(options, app_key(key_file), folder, Objectives(p99_ms), errors)
    except (BenchError, OSError) as error:
        errors.print(f"tsa-bench: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    raise typer.Exit(verdict.exit_status)


def prove(options: Options, key: str, folder: Path, objectives: Objectives, errors: Console) -> CapacityVerdict:
    """The run, its record, the verdict and the report; the authority under test stamps the report."""
    if options.web_port:
        errors.print(f"Locust's page: http://127.0.0.1:{options.web_port}/")
    with under_test(options, key) as found:
        folder.mkdir(parents=True, exist_ok=True)
        with Progress(errors) as progress:
            run = suite.conduct(options, found, key, folder, progress)
        record.write(run, folder)
        (folder / CA).unlink(missing_ok=True)
        if found.sole:  # its CA ends with it: without the root, nobody could verify the report's token
            (folder / CA).write_bytes(api.get(found.url, "/ca.pem"))
        verdict = judge(run, objectives)
        report.write(run, verdict, folder, lambda page: authority.stamp(found.url, key, page))
    show(verdict, folder, Console(highlight=False))
    return verdict


def show(verdict: CapacityVerdict, folder: Path, console: Console) -> None:
    """Print the verdict: every objective, wanted and found, the reasons against a pass, and the place of the report."""
    table = Table("", "wanted", "found", "")
    for each in verdict.objectives:
        table.add_row(str(each.title), str(each.wanted), str(each.found), each.met)
    console.print(table)
    for reason in verdict.reasons:
        console.print(f"{reason.effect}: {reason.sentence}", markup=False)
    console.print(f"verdict: {verdict.verdict}    {folder / report.REPORT}", markup=False, soft_wrap=True)


def app_key(file: Path | None) -> str:
    """The APP_KEY from a file or the environment, "" for none; others can read a command line. BenchError."""
    if file is None:
        return os.environ.get(KEY_VARIABLE, "")
    try:
        key = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"the APP_KEY cannot be read from {file}: {getattr(error, 'strerror', error)}") from None
    if not (key and key.isascii() and key.isprintable()):
        raise BenchError(f"{file} holds no APP_KEY: one line of printable ASCII is expected")
    return key
