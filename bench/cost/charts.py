"""Results as a picture, .svg or .png. Imported only for a plot: matplotlib takes most of a second."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.cost.ceiling import Ceiling
from bench.cost.compare import Comparison
from bench.cost.scale import Scale

COLOURS = ("#2f6ea5", "#d9822b", "#5b9e6f", "#7d5ba6", "#b3261e", "#4f6d7a")
GREY = "#8a94a0"
_STYLE: dict[Any, Any] = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none"}


def _draw(file: Path, width: float, height: float, draw: Callable[[Figure], None]) -> None:
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        figure.savefig(file, dpi=150)


def ceiling(found: Ceiling, file: Path) -> None:
    """The stages of a stamp, a bar for each measured cell, in multiples of its raw signature."""
    cells = found.results
    stages = list({name: None for cell in cells for name in cell.stages_us or {}})

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        names = [f"{cell.key}, {cell.connections}" for cell in cells]
        left = [0.0] * len(cells)
        for number, stage in enumerate(stages):
            # The rest may be negative: a stage by itself can cost more than within the server.
            parts = [max(0.0, (cell.stages_us or {}).get(stage, 0.0)) / cell.raw_us for cell in cells]
            colour = GREY if stage == "the rest" else COLOURS[number % len(COLOURS)]
            axes.barh(names, parts, left=left, color=colour, label=stage)
            left = [before + part for before, part in zip(left, parts, strict=True)]
        for place, cell in enumerate(cells):
            figures = (cell.stamps_per_s or 0, cell.cpu_us or 0, cell.licences or 0)
            said = cell.not_measured or "  {:,.0f} stamps/s, {:,.1f} µs, {:,.0f} licences".format(*figures)
            axes.text(left[place], place, said, va="center")
        axes.invert_yaxis()
        axes.set_xlim(0, max([*left, 1.0]) * 1.7)
        axes.set_xlabel("CPU of a stamp, raw signature = 1 (key type, connections)")
        axes.legend(loc="lower right", frameon=False)

    _draw(file, 9, 1.6 + 0.5 * len(cells), draw)


def comparison(found: Comparison, file: Path) -> None:
    """CPU and rate of each authority divided by the first's, and its CPU by the raw signature's; logarithmic."""
    panels = {
        "server CPU a stamp, first = 1": [each.cpu_ratio for each in found.results],
        "server CPU a stamp, raw signature = 1": [each.raw_ratio for each in found.results],
        "stamps/s, first = 1": [each.rate_ratio for each in found.results],
    }
    names = [each.name for each in found.results]

    def draw(figure: Figure) -> None:
        for axes, (title, values), colour in zip(
            figure.subplots(1, 3, sharey=True), panels.items(), COLOURS, strict=False
        ):
            _ratios(axes, names, values, colour)
            axes.set_title(title, fontsize=9)

    _draw(file, 10, 1.2 + 0.5 * len(names), draw)


def _ratios(axes: Axes, names: list[str], values: list[float | None], colour: str) -> None:
    """A line from 1 to each ratio: on a logarithmic axis a bar would begin nowhere."""
    for place, value in enumerate(values):
        ratio, said = (1.0, "not measured") if value is None else (value, f"{value:,.3g}")
        axes.hlines(place, min(1.0, ratio), max(1.0, ratio), color=colour, linewidth=3)
        axes.plot([ratio], [place], color=colour, marker="" if value is None else "o")
        axes.annotate(said, (ratio, place), (0, 7), textcoords="offset points", ha="center")
    axes.axvline(1.0, color=GREY, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), names)
    axes.margins(x=0.2, y=0.4)
    if not axes.yaxis_inverted():
        axes.invert_yaxis()


def scale(found: Scale, file: Path) -> None:
    """CPU a stamp along each dimension, both axes logarithmic, the upright one the same for all: flat looks flat."""

    def draw(figure: Figure) -> None:
        shape = (math.ceil(len(found.dimensions) / 2), min(2, len(found.dimensions)))
        for axes, each in zip(figure.subplots(*shape, sharey=True, squeeze=False).flat, found.dimensions, strict=False):
            points = [(max(1.0, point.x), point.cpu_us) for point in each.points if point.cpu_us]
            axes.plot([x for x, _ in points], [y for _, y in points], color=COLOURS[0], marker="o")
            for x, y in points:
                axes.annotate(f"{y:,.0f}", (x, y), (0, 6), textcoords="offset points", ha="center")
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_ylim(10, 1000)
            axes.set_xlim(0.7, None)
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
                axis.set_minor_formatter(lambda *_: "")
            axes.set_title(f"{each.name}: CPU a stamp, µs", fontsize=9)

    _draw(file, 8, 1.5 + 2.25 * math.ceil(len(found.dimensions) / 2), draw)
