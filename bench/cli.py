"""tsa-bench: what the authority costs and carries on this machine."""

import json
import signal
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from bench import BenchError, raw, show
from bench.ceiling import measure

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def bench() -> None:
    """Measure a time-stamp authority: what a stamp costs, and how many it can give."""


def _counts(text: str) -> list[int]:
    """ "32,256" → [32, 256]."""
    counts = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if min(counts) < 1:
        raise typer.BadParameter(
            f"{text!r} is not a list of numbers from 1 up, such as 32,256", param_hint="--connections"
        )
    return counts


def _key(text: str) -> str:
    if text not in raw.KEYS:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(raw.KEYS)}")
    return text


@app.command()
def ceiling(
    key: Annotated[
        str, typer.Option(parser=_key, metavar="TYPE", help=f"Signing key: {', '.join(raw.KEYS)}.")
    ] = "p256",
    connections: Annotated[
        str, typer.Option(metavar="N,N…", help="Keep-alive connections, a measurement for each number.")
    ] = "32,256",
    seconds: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Measured time of each, after 1 s of warm-up.")
    ] = 5.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output, and nothing else.")
    ] = False,
) -> None:
    """Start a server on one core, load it from another, and set its CPU time a stamp beside the raw signature's.

    Exit status 1 when any answer was wrong or any token of the sample did not verify, 2 when nothing could be measured.
    """
    counts = _counts(connections)
    errors = Console(stderr=True, highlight=False)
    try:
        found = measure(key, counts, seconds, errors.print if errors.is_terminal else lambda _: None)
    except (BenchError, OSError) as error:
        errors.print(f"tsa-bench: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    if as_json:
        json.dump(asdict(found), sys.stdout, indent=2, ensure_ascii=False)
        print()
    else:
        show.ceiling(found, Console(highlight=False))
    raise typer.Exit(0 if found.right else 1)


def main() -> None:
    """The console script. SIGTERM takes the way of Ctrl-C, so that a server it started ends with it."""
    # A shell has SIGINT ignored in what it starts with `&`; asyncio unwinds in order on SIGINT alone.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    app()
