"""The plots of the report, as SVG without words: the page has the captions in two languages."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.capacity.findings import Findings, answered, percentile
from bench.capacity.record import GOOD, GRANTED, NO_ANSWER, Phase, Sample

BLUE, ORANGE, GREY, RED = "#2f6ea5", "#d9822b", "#8a94a0", "#b3261e"
INTERVALS = 60
_MOST_WINDOWS = 24

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text, in the page's font
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "grid.color": "#e3e7ec",
    "axes.axisbelow": True,
    "lines.linewidth": 1.4,
}


def _draw(name: str, draw: Callable[[Axes], None], size: tuple[float, float] = (4.3, 2.2)) -> str:
    """The drawing of `draw` as one SVG element, with identifiers of its own."""
    with rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        text = io.StringIO()
        figure.savefig(
            text, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def rate(findings: Findings) -> str:
    """Stamps a second over the phases that have a schedule: due (blue area), granted (orange), licensed (dashed)."""
    due = [each for each in findings.run.of(Phase.WARM_UP, Phase.STEADY) if each.kind == GOOD]
    granted = [each for each in due if each.got == GRANTED]

    def draw(axes: Axes) -> None:
        edges = _intervals([each.scheduled for each in due])
        axes.axhline(findings.licensed_rate, color=GREY, linestyle="--")
        axes.stairs(_rates([each.scheduled for each in due], edges), edges, color=BLUE, alpha=0.35, fill=True)
        axes.stairs(_rates([each.done for each in granted], edges), edges, color=ORANGE)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("s")

    return _draw("rate", draw, (8.8, 2.0))


def _rates(moments: Iterable[float], edges: Sequence[float]) -> list[float]:
    counts = Counter(_place(moment, edges) for moment in moments)
    return [counts[place] / (edges[1] - edges[0]) for place in range(len(edges) - 1)]


def latency(findings: Findings, limit_ms: float) -> str:
    """p50 (blue) and p99 (orange) of each interval of the steady phase; seconds that the generator spoiled are grey."""
    prompt = findings.prompt

    def draw(axes: Axes) -> None:
        if not prompt:
            return
        edges = _intervals([each.scheduled for each in prompt])
        within: dict[int, list[Sample]] = {}
        for each in prompt:
            within.setdefault(_place(each.scheduled, edges), []).append(each)
        places = sorted(within)
        middles = [(edges[place] + edges[place + 1]) / 2 for place in places]
        for percent, colour in ((50, BLUE), (99, ORANGE)):
            values = [percentile(findings.ordered_ms(within[place]), percent) for place in places]
            axes.plot(middles, values, color=colour, marker=".", markersize=4)
        for second in findings.spoiled_seconds.intersection(range(int(edges[0]), int(edges[-1]) + 1)):
            axes.axvspan(second, second + 1, color=GREY, alpha=0.25, linewidth=0)
        axes.axhline(limit_ms, color=GREY, linestyle="--")
        _logarithmic(axes, "y")
        axes.set_xlabel("s")

    return _draw("latency", draw)


def spread(findings: Findings, limit_ms: float) -> str:
    """The share of the steady phase's answers that took longer than each time; limit and 1 % dashed."""
    ordered = findings.ordered_ms(findings.prompt)

    def draw(axes: Axes) -> None:
        if not ordered:
            return
        shares = [100 * (len(ordered) - at) / len(ordered) for at in range(len(ordered))]
        step = max(1, len(ordered) // 2000)  # the slowest hundred all, of the others enough for a line
        keep = [at for at in range(len(ordered)) if at % step == 0 or at > len(ordered) - 100]
        axes.plot([ordered[at] for at in keep], [shares[at] for at in keep], color=BLUE, drawstyle="steps-pre")
        axes.axvline(limit_ms, color=GREY, linestyle="--")
        axes.axhline(1, color=GREY, linestyle="--")
        _logarithmic(axes, "x")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
        axes.set_xlabel("ms")

    return _draw("spread", draw)


def quota(findings: Findings) -> str:
    """Stamps of each licence window, a bar each at the window's begin in UTC; the capacity dashed."""
    run, windows = findings.run, sorted(findings.windows.items())[-_MOST_WINDOWS:]

    def draw(axes: Axes) -> None:
        begins = [datetime.fromtimestamp(window * run.window_s, UTC) for window, _ in windows]
        names = [f"{begin:%H:%M:%S}" for begin in begins]
        colours = [RED if count > run.capacity else BLUE for _, count in windows]
        bars = axes.bar(names, [count for _, count in windows], color=colours, width=0.6)
        axes.bar_label(bars, fmt="{:,.0f}", fontsize=8)
        axes.axhline(run.capacity, color=GREY, linestyle="--")
        axes.set_ylim(0, max([run.capacity, *(count for _, count in windows)]) * 1.15)
        axes.margins(x=0.2 if len(windows) < 4 else 0.02)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("UTC")
        if len(names) > 6:
            axes.tick_params("x", rotation=60)

    return _draw("quota", draw)


def refusals(findings: Findings) -> str:
    """Answers that are no token, by kind: due (blue), not due (orange); "" when there are none."""
    refused = [each for each in findings.run.samples if each.got != GRANTED]
    due, undue = (_kinds(each for each in refused if (each.got == each.expected) is right) for right in (True, False))
    names = [name for name, _ in (due + undue).most_common(12)][::-1]
    if not names:
        return ""

    def draw(axes: Axes) -> None:
        left = [due[name] for name in names]
        axes.barh(names, left, color=BLUE, height=0.6)
        bars = axes.barh(names, [undue[name] for name in names], left=left, color=ORANGE, height=0.6)
        axes.bar_label(bars, [f"{due[name] + undue[name]:,}" for name in names], padding=3, fontsize=8)
        axes.set_xlim(0, max(due[name] + undue[name] for name in names) * 1.15)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value == int(value) else "")

    return _draw("refusals", draw, (4.3, 0.6 + 0.25 * len(names)))


def _kinds(samples: Iterable[Sample]) -> Counter[str]:
    return Counter(each.got if answered(each) else NO_ANSWER for each in samples)


def _intervals(moments: Sequence[float]) -> list[float]:
    """Edges of equal intervals, of a second at least, that hold all the moments."""
    first, last = (int(min(moments)), max(moments)) if moments else (0, 1.0)
    length = max(1.0, (last - first) / INTERVALS)
    return [first + place * length for place in range(int((last - first) / length) + 2)]


def _place(moment: float, edges: Sequence[float]) -> int:
    return min(len(edges) - 2, int((moment - edges[0]) / (edges[1] - edges[0])))


def _logarithmic(axes: Axes, name: str) -> None:
    if name == "x":
        axes.set_xscale("log")
    else:
        axes.set_yscale("log")
    (axes.xaxis if name == "x" else axes.yaxis).set_major_formatter(lambda value, _: f"{value:g}")
