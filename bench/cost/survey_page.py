"""The page of a survey, in Markdown: tables of what was measured, and what must be known to read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rich.text import Text

from bench.cost.ceiling import Ceiling
from bench.cost.compare import Comparison
from bench.cost.scale import Scale
from bench.show import COMPARED, ROWS

T = TypeVar("T")

_INTRODUCTION = """
All servers on one core, the load on another, requests with distinct imprints and nonces, every answer checked for both.
CPU time is that of the server's processes, those that have ended included. Compare ratios, not absolute figures: what
else the machine did meets all of them, for they were loaded in turn. The load average says how busy it was: above the 2
that server and generator make, the machine was shared with others, and stamps/s and latencies are of what was left.
"""

_COMPARED = """
- **ours** makes every token durable in its ledger (synchronous=FULL) before it leaves; the others store nothing.
- **openssl ts** is no server. Here a process is started for each request (`openssl_ts.py`), as whoever serves it
  must; the figure has that process, and the little HTTP around it, one request after the other.
"""

_CERTOMANCER = """
- **certomancer** (PyPI) is a tool for PKI tests; here under gunicorn with one worker. Its tokens name the certificate
  by ESSCertID with SHA-1, and tsa.verify, which wants ESSCertIDv2 (RFC 5816), does not prove them.
"""

_NO_CERTOMANCER = """
- **certomancer**: not done, it was not on the PATH.
"""

_NOT_DONE = """
- uts-server, sigstore/timestamp-authority, digitorus/timestamp, SignServer, Bouncy Castle: not done; no Debian or PyPI
  package brings one of them as a server.
- Debian: `apt-cache search` finds clients (python3-rfc3161ng) and no authority but `openssl ts`.
- Other packages on PyPI are clients and verifiers; zeitgitterd stamps git commits, not by RFC 3161.
- Keys in hardware, TLS, certReq TRUE, load from other machines: not done.
"""


class Page:
    """Sections, in the order in which they are added."""

    def __init__(self, file: Path, load_average: tuple[float, float, float]) -> None:
        self._file, self._before = file, load_average
        self._sections: list[str] = []
        self._host: Mapping[str, str | int] = {}

    def comparison(self, key: str, found: Comparison, record: str) -> None:
        """Ours beside the others, with a key of one type."""
        table = _table([each.name for each in found.results], COMPARED, found.results)
        said = [f"{each.name}: {why}." for each in found.results for why in each.not_measured]
        said += [
            f"{each.name}: {count:,} wrong: {what}." for each in found.results for what, count in each.faults.items()
        ]
        how = f"Medians of rounds of {found.seconds:g} s, in turn."
        self._add(f"Beside others: {key}", table, [how, *said, *found.notes], record)
        self._host = self._host or found.host

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

    def write(self, load_average: tuple[float, float, float], *, with_certomancer: bool) -> None:
        """Write the page; `load_average` is that at the end."""
        command = str(self._host["command"]).replace("survey.py", "python -m bench.cost.survey")
        host, before, after = self._host, f"{self._before[0]:.1f}", f"{load_average[0]:.1f}"
        where = (
            f"{host['cpu']}, {host['cores']} cores, Linux {host['kernel']}, Python {host['python']}, {host['openssl']};"
            f" cryptography {host['cryptography']} ({host['cryptography_openssl']}).\n{host['date']},"
            f" load average {before} at the start and {after} at the end. Made by `{command}`."
        )
        peers = _COMPARED.strip() + (_CERTOMANCER if with_certomancer else _NO_CERTOMANCER)
        parts = [f"# Survey of {self._file.stem[:10]}", where, _INTRODUCTION, *self._sections]
        parts += ["## What was compared", peers, "## Not done", _NOT_DONE]
        self._file.write_text("\n\n".join(part.strip() for part in parts) + "\n", "utf-8")


def _stage(name: str) -> Callable[[object], str]:
    return lambda cell: f"{cell.stages_us[name]:,.1f}" if cell.stages_us else "not measured"  # type: ignore[attr-defined]


def _table(heads: Sequence[str], rows: Mapping[str, Callable[[T], str]], results: Sequence[T]) -> str:
    lines = [["", *heads]]
    lines += [
        [title.strip(), *(Text.from_markup(text(each)).plain for each in results)] for title, text in rows.items()
    ]
    return _markdown(lines)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])
