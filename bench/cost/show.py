"""The measurements of cost as tables for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from bench.cost.ceiling import Ceiling, Cell
from bench.cost.compare import Comparison, Result
from bench.cost.scale import Scale

T = TypeVar("T")

ROWS: dict[str, Callable[[Cell], str]] = {
    "stamps/s": lambda cell: cell.not_measured or _number(cell.stamps_per_s, ",.0f"),
    "licences that it fills": lambda cell: _number(cell.licences, ",.0f"),
    "licences a core can fill, by its CPU": lambda cell: _number(cell.licences_per_core, ",.0f"),
    "server CPU a stamp, µs": lambda cell: _number(cell.cpu_us, ",.1f"),
    "raw signature, µs": lambda cell: f"{cell.raw_us:,.1f}",
    "ratio": lambda cell: f"[bold]{_number(cell.ratio, '.2f')}[/bold]",
    "stamps": lambda cell: f"{cell.stamps:,}",
    "latency p50, ms": lambda cell: _number(_percentile(cell.latency_ms, "p50"), ",.2f"),
    "latency p99, ms": lambda cell: _number(_percentile(cell.latency_ms, "p99"), ",.2f"),
    "mean batch": lambda cell: (
        "not told" if cell.mean_batch is None and not cell.not_measured else _number(cell.mean_batch, ".1f")
    ),
    "wrong answers": lambda cell: f"{cell.wrong:,}",
    "tokens verified": lambda cell: f"{cell.verified} of {cell.sampled}",
    "server RSS, MiB": lambda cell: f"{cell.rss_mib:.0f}",
    "generator CPU a stamp, µs": lambda cell: f"{cell.generator_us:.1f}",
    "generator's own ceiling, answers/s": lambda cell: f"{cell.generator_ceiling_per_s:,.0f}",
}

COMPARED: dict[str, Callable[[Result], str]] = {
    "key": lambda each: each.key,
    "connections": lambda each: f"{each.connections}{'' if each.keeps_alive else ', one a request'}",
    "stamps/s": lambda each: _number(each.stamps_per_s, ",.0f"),
    "  rate to the first": lambda each: _number(each.rate_ratio, ".3g"),
    "server CPU a stamp, µs": lambda each: _number(each.cpu_us, ",.1f"),
    "  CPU to the first": lambda each: f"[bold]{_number(each.cpu_ratio, '.3g')}[/bold]",
    "raw signature, µs": lambda each: _number(each.raw_us, ",.1f"),
    "  CPU to raw": lambda each: _number(each.raw_ratio, ",.3g"),
    "latency p50, ms": lambda each: _number(_percentile(each.latency_ms, "p50"), ",.2f"),
    "latency p99, ms": lambda each: _number(_percentile(each.latency_ms, "p99"), ",.2f"),
    "server RSS, MiB": lambda each: _number(each.rss_mib, ",.0f"),
    "wrong answers": lambda each: f"{each.wrong:,}",
    "its token, by tsa.verify": lambda each: "not proved" if each.proof else "proved",
}


def _percentile(latency_ms: Mapping[str, float] | None, name: str) -> float | None:
    return latency_ms[name] if latency_ms else None


def _number(value: float | None, form: str) -> str:
    return "not measured" if value is None else format(value, form)


def ceiling(found: Ceiling, console: Console) -> None:
    """The host, the cells of each key side by side, and the remarks on them."""
    _host(found.host, console)
    for key in dict.fromkeys(cell.key for cell in found.results):
        cells = [cell for cell in found.results if cell.key == key]
        table = _side_by_side(ROWS, [f"{key}\n{cell.connections} connections" for cell in cells], cells)
        stages = [cell.stages_us or {} for cell in cells]
        for stage in {name: None for each in stages for name in each}:
            table.add_row(f"  {stage}, µs", *(_number(each.get(stage), ",.1f") for each in stages))
        console.print(table)
    for note in _notes(found):
        console.print(note, markup=False, soft_wrap=True)


def _host(host: Mapping[str, str | int], console: Console) -> None:
    console.print(f"{host['cpu']}, {host['cores']} cores, Linux {host['kernel']}, {host['date']}")
    console.print(f"Python {host['python']}, cryptography {host['cryptography']} ({host['cryptography_openssl']})")


def _side_by_side(rows: Mapping[str, Callable[[T], str]], heads: Sequence[str], results: Sequence[T]) -> Table:
    table = Table("")
    for head in heads:
        table.add_column(head, justify="right")
    for title, text in rows.items():
        table.add_row(title, *map(text, results))
    return table


def _notes(found: Ceiling) -> Iterator[str]:
    yield f"A licence is {found.stamps_per_licence_hour:,} stamps an hour. A server on one core, its load from another."
    if found.shared_core:
        yield "There is one core, shared by server and load: stamps/s and latencies are of both together."
    for cell in found.results:
        where = f"{cell.key}, {cell.connections} connections"
        if cell.not_measured:
            yield f"{where}: {cell.not_measured}; the server took over 80 % of the generator's ceiling."
        for what, count in cell.faults.items():
            yield f"{where}: {count:,} wrong: {what}."
        for why in cell.unverified:
            yield f"{where}: a token did not verify: {why}"
    for key, verifier in {cell.key: cell.verifier for cell in found.results}.items():
        yield f"Tokens of the {key} key verified by {verifier}."


def comparison(found: Comparison, console: Console) -> None:
    """The host, the authorities side by side, and the remarks on them."""
    _host(found.host, console)
    console.print(_side_by_side(COMPARED, [each.name for each in found.results], found.results))
    for remark in remarks(found):
        console.print(remark, markup=False, soft_wrap=True)


def remarks(found: Comparison) -> Iterator[str]:
    """The remarks for a reader of the figures, with the reasons for missing ones."""
    asked = "with certReq" if found.cert_req else "without certReq"
    yield f"Medians of rounds of {found.seconds:g} s, A B A B …; requests {asked}."
    for each in found.results:
        yield from (f"{each.name}: {why}." for why in each.not_measured)
        yield from (f"{each.name}: {count:,} wrong: {what}." for what, count in each.faults.items())
        if each.proof:
            yield f"{each.name}: tsa.verify does not prove its token: {each.proof}"
    yield from found.notes


def scale(found: Scale, console: Console) -> None:
    """A table for each dimension, and under it the sentence on its slope."""
    _host(found.host, console)
    for each in found.dimensions:
        table = Table(each.name, "stamps/s", "server CPU a stamp, µs", "p50, ms", "p99, ms", "wrong", "")
        for point in each.points:
            latency = point.latency_ms or {}
            figures = [_number(point.stamps_per_s, ",.0f"), _number(point.cpu_us, ",.1f")]
            figures += [_number(latency.get(name), ",.2f") for name in ("p50", "p99")]
            table.add_row(f"{point.x:,.0f}", *figures, f"{point.wrong:,}", point.not_done or point.remark)
        console.print(table)
        console.print(each.sentence, markup=False, soft_wrap=True)
