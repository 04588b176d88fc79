"""The report on a token as a terminal shows it: in full for one token, a line for each of many."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from tsa.commands import visible
from tsa.verify.report import Report, Verdict

_STYLES = {Verdict.PROVED: "bold green", Verdict.NOT_PROVED: "bold red", Verdict.NOT_JUDGED: "bold yellow"}
_MARKS = {
    "passed": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "not asked": ("·", "dim"),
    "not judged": ("?", "yellow"),
    "not reached": ("·", "dim"),
}


def print_line(name: str, report: Report) -> None:
    """Print the verdict on one of many tokens."""
    proved = report["verdict"] == Verdict.PROVED
    said = "; ".join([moment(report), *report["warnings"]]) if proved else report["reason"]
    print(visible(f"{name}: {report['verdict']}: {said}"))


def print_sum(verdicts: Sequence[Verdict]) -> None:
    """Print the number of tokens with each verdict, where there are several tokens."""
    if len(verdicts) > 1:
        print(", ".join(f"{verdicts.count(each):,} {each}" for each in Verdict if each in verdicts))


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0: all are proved; 1: one is not; 2: none failed, but one could not be judged."""
    if Verdict.NOT_PROVED in verdicts:
        return 1
    return 2 if Verdict.NOT_JUDGED in verdicts else 0


def print_report(name: str, report: Report) -> None:
    """Print the full report on one token."""
    out = Console(soft_wrap=True, highlight=False, emoji=False, width=None if sys.stdout.isatty() else 500)
    out.print(Text.assemble(visible(name), ": ", (report["verdict"], _STYLES[report["verdict"]])))
    if report["verdict"] == Verdict.NOT_JUDGED:
        out.print(Text(visible(report["reason"])))
        return
    for step in report["steps"]:
        mark, style = _MARKS[step["state"]]
        state = f" ({step['state']})" if step["state"].startswith("not") else ""
        out.print(Text.assemble("  ", (mark, style), f" {step['step']:>2} {step['title']}", (state, "dim")))
    out.print()
    _print_rows(out, _proof(report) if report["verdict"] == Verdict.PROVED else _failure(report))
    for warning in report.get("warnings", ()):
        out.print(Text.assemble(("Warning: ", "bold yellow"), visible(warning)))


def _proof(report: Report) -> list[tuple[str, str]]:
    return [
        ("proves", "the data existed, exactly so, at genTime"),
        ("genTime", moment(report)),
        ("TSA", report["tsa_name"]),
        ("policy", report["policy"]),
        ("serialNumber", report["serial_number"]),
        ("imprint", f"{report['hash_algorithm']} {report['imprint']}"),
        *(("" if depth else "chain", f"{'  ' * depth}{name}") for depth, name in enumerate(report["chain"])),
    ]


def _failure(report: Report) -> list[tuple[str, str]]:
    return [
        (f"step {report['step']}", report["sentence"]),
        *((each, report[each]) for each in ("expected", "found", "clause", "meaning")),
    ]


def _print_rows(out: Console, rows: Sequence[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        out.print(Text.assemble("  ", name.ljust(width), "  ", visible(value)))


def moment(report: Report) -> str:
    """genTime in UTC, with its accuracy."""
    day, _, clock = report["gen_time"].removesuffix("Z").partition("T")
    if "." in clock:
        clock = clock.rstrip("0").rstrip(".")
    accuracy = report["accuracy_us"]
    return f"{day} {clock} UTC, " + ("accuracy not said" if accuracy is None else f"± {_span(accuracy)}")


def _span(microseconds: int) -> str:
    for unit, size in (("s", 1_000_000), ("ms", 1_000)):
        if microseconds % size == 0:
            return f"{microseconds // size:,} {unit}"
    return f"{microseconds:,} µs"
