"""Results for a person to read."""

from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table

from bench.ceiling import Ceiling, Cell

ROWS: dict[str, Callable[[Cell], str]] = {
    "stamps/s": lambda cell: f"{cell.stamps_per_s:,.0f}",
    "server CPU a stamp, µs": lambda cell: f"{cell.cpu_us:,.1f}",
    "raw signature, µs": lambda cell: f"{cell.raw_us:,.1f}",
    "ratio": lambda cell: f"[bold]{cell.ratio:.2f}[/bold]",
    "stamps": lambda cell: f"{cell.stamps:,}",
    "latency p50, ms": lambda cell: f"{cell.latency_ms['p50']:,.2f}",
    "latency p99, ms": lambda cell: f"{cell.latency_ms['p99']:,.2f}",
    "mean batch": lambda cell: "not told" if cell.mean_batch is None else f"{cell.mean_batch:.1f}",
    "wrong answers": lambda cell: f"{cell.wrong:,}",
    "tokens verified": lambda cell: f"{cell.verified} of {cell.sampled}",
    "server RSS, MiB": lambda cell: f"{cell.rss_mib:.0f}",
    "generator CPU a stamp, µs": lambda cell: f"{cell.generator_us:.1f}",
}


def ceiling(found: Ceiling, console: Console) -> None:
    """The cells side by side, under what they were measured on, over what must be known to read them."""
    host = found.host
    console.print(f"{host['cpu']}, {host['cores']} cores, Linux {host['kernel']}, {host['date']}")
    console.print(f"Python {host['python']}, cryptography {host['cryptography']} ({host['cryptography_openssl']})")
    table = Table()
    table.add_column("")
    for cell in found.results:
        table.add_column(f"{cell.key}\n{cell.connections} connections", justify="right")
    for title, text in ROWS.items():
        table.add_row(title, *map(text, found.results))
    for stage in found.results[0].stages_us:
        table.add_row(f"  {stage}, µs", *(f"{cell.stages_us[stage]:,.1f}" for cell in found.results))
    console.print(table)
    for note in _notes(found):
        console.print(note, markup=False)


def _notes(found: Ceiling) -> Iterator[str]:
    yield f"Tokens verified by {found.results[0].verifier}."
    yield f"The load generator's own ceiling here: {found.generator_ceiling_per_s:,.0f} answers/s."
    if found.shared_core:
        yield "There is one core, shared by server and load: stamps/s and latencies are of both together."
    for cell in found.results:
        where = f"{cell.connections} connections"
        if cell.generator_limited:
            yield f"{where}: over 80 % of the generator's own ceiling; the server may do more stamps/s than shown."
        for what, count in cell.faults.items():
            yield f"{where}: {count:,} wrong: {what}."
        for why in cell.unverified:
            yield f"{where}: a token did not verify: {why}"
