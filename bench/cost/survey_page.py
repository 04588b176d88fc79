"""The page of a survey, in Markdown: tables of the figures of this run, and captions that say how they were made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rich.text import Text

from bench.cost.ceiling import Ceiling, Cell
from bench.cost.compare import Comparison
from bench.cost.scale import Scale
from bench.cost.show import COMPARED, ROWS, remarks

T = TypeVar("T")

_CAPTION = """
The servers run on one core, the load on another. Every request has its own messageImprint and nonce, and every answer
is checked for both. CPU time is that of all processes of a server, ended ones included. Servers and cells are loaded in
turn, so that other work of the machine meets all of them: ratios can be compared better than absolute figures.
"""

_SUBJECTS = {
    "ours": "`tsa serve` with one worker; a token leaves when its ledger row is durable (synchronous=FULL).",
    "openssl ts": "`bench/cost/openssl_ts.py`: a process of `openssl ts` for each request, one after the other.",
    "certomancer": "under gunicorn with one worker, configured by `bench/cost/certomancer.yml`.",
}
"""How each server of a comparison is run."""


class SurveyPage:
    """Sections, in the order in which they are added."""

    def __init__(self, file: Path, load_average: tuple[float, float, float]) -> None:
        self._file, self._before = file, load_average
        self._sections: list[str] = []
        self._host: Mapping[str, str | int] = {}
        self._compared: dict[str, None] = {}

    def comparison(self, key: str, found: Comparison, record: str) -> None:
        """Ours beside the others, with a key of one type."""
        table = _table([each.name for each in found.results], COMPARED, found.results)
        self._add(f"Beside others: {key}", table, list(remarks(found)), record)
        self._host = self._host or found.host
        self._compared |= dict.fromkeys(each.name for each in found.results)

    def ceiling(self, found: Ceiling, record: str) -> None:
        """The ceiling of each key."""
        for key in dict.fromkeys(cell.key for cell in found.results):
            cells = [cell for cell in found.results if cell.key == key]
            stages = {name: None for cell in cells for name in cell.stages_us or {}}
            rows = ROWS | {f"of which {name}, µs": _stage(name) for name in stages}
            self._add(f"Ceiling: {key}", _table([f"{cell.connections} connections" for cell in cells], rows, cells))
        self._add("Ceiling: the plot", "", [], record)

    def scale(self, found: Scale, record: str) -> None:
        """How the cost grows."""
        for each in found.dimensions:
            rows = [["", "stamps/s", "server CPU a stamp, µs", "p99, ms", "wrong", ""]]
            for point in each.points:
                figures = [point.stamps_per_s, point.cpu_us, (point.latency_ms or {}).get("p99")]
                told = ["not measured" if figure is None else f"{figure:,.1f}" for figure in figures]
                rows.append([f"{point.x:,.0f}", *told, f"{point.wrong}", point.not_done or point.remark])
            self._add(f"Scale: {each.name}", _markdown(rows), [each.sentence])
        self._add("Scale: the plot", "", [], record)

    def _add(self, title: str, table: str, said: Sequence[str] = (), record: str = "") -> None:
        shown = f"![{title}]({record}.svg)\n\nRaw record: [{record}.json]({record}.json)." if record else ""
        self._sections.append("\n\n".join(part for part in (f"## {title}", table, "\n".join(said), shown) if part))

    def write(self, load_average: tuple[float, float, float], not_done: Mapping[str, str]) -> None:
        """Write the page; `load_average` is that at the end, `not_done` the names left out, and why."""
        command = str(self._host["command"]).replace("survey.py", "python -m bench.cost.survey")
        host, before, after = self._host, f"{self._before[0]:.1f}", f"{load_average[0]:.1f}"
        where = (
            f"{host['cpu']}, {host['cores']} cores, Linux {host['kernel']}, Python {host['python']}, {host['openssl']};"
            f" cryptography {host['cryptography']} ({host['cryptography_openssl']}).\n{host['date']},"
            f" load average {before} at the start and {after} at the end. Made by `{command}`."
        )
        subjects = [f"- **{name}**: {_SUBJECTS[name]}" for name in self._compared if name in _SUBJECTS]
        left_out = [f"- **{name}**: not done, {why}." for name, why in not_done.items()]
        parts = [f"# Survey of {self._file.stem[:10]}", where, _CAPTION, *self._sections]
        parts += ["## Servers compared", "\n".join(subjects)] if subjects else []
        parts += ["## Not done", "\n".join(left_out)] if left_out else []
        self._file.write_text("\n\n".join(part.strip() for part in parts) + "\n", "utf-8")


def _stage(name: str) -> Callable[[Cell], str]:
    return lambda cell: f"{cell.stages_us[name]:,.1f}" if cell.stages_us else "not measured"


def _table(heads: Sequence[str], rows: Mapping[str, Callable[[T], str]], results: Sequence[T]) -> str:
    lines = [["", *heads]]
    lines += [
        [title.strip(), *(Text.from_markup(text(each)).plain for each in results)] for title, text in rows.items()
    ]
    return _markdown(lines)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])
