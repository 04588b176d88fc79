"""verdict.json for scripts, and report.html for people: one file without anything from outside, in two languages.

The report is time-stamped as a whole: report.html.tsr is the TimeStampResp for the octets of report.html. So the token
covers the page that people read and sign, with its plots, and, by the digests in the page, verdict.json and the raw
records; any tool checks it, on the file as it is. A token inside the page could cover only a part of the page, and it
would need a tool of our own to be taken out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from bench import BenchError
from bench.capacity.findings import Findings
from bench.capacity.record import GRANTED, RUN, SAMPLES, Run
from bench.capacity.verdict import CapacityVerdict
from bench.capacity.words import Text, of_note, say

REPORT, TOKEN, VERDICT = "report.html", "report.html.tsr", "verdict.json"
MOST_REASONS = 8

Stamp = Callable[[bytes], bytes]


def write(run: Run, verdict: CapacityVerdict, folder: Path, stamp: Stamp | None = None) -> None:
    """Write verdict.json, report.html and, with `stamp`, report.html.tsr into the folder where the records lie.

    `stamp` takes the octets of the page and returns the DER TimeStampResp for their SHA-256; where it raises
    BenchError, or there is none, the report says that it has no time-stamp.
    """
    digests = {name: _sha256(folder / name) for name in (RUN, SAMPLES)}
    (folder / VERDICT).write_text(json.dumps(_summary(run, verdict, digests), indent=1, ensure_ascii=False), "utf-8")
    digests[VERDICT] = _sha256(folder / VERDICT)
    (folder / TOKEN).unlink(missing_ok=True)
    drawn, page, unstamped = _drawn(run, verdict), b"", ["not done: time-stamp"]
    if stamp is not None:
        page = _render(run, verdict, drawn, digests, [])
        try:
            (folder / TOKEN).write_bytes(stamp(page))
        except BenchError as error:
            page, unstamped = b"", [*unstamped, str(error)]
    (folder / REPORT).write_bytes(page or _render(run, verdict, drawn, digests, unstamped))


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _summary(run: Run, verdict: CapacityVerdict, digests: Mapping[str, str]) -> dict[str, Any]:
    told = ("url", "licences", "stamps_per_licence_hour", "window_s", "started", "command", "not_done")
    return asdict(verdict) | {name: getattr(run, name) for name in told} | {"records_sha256": digests}


def _drawn(run: Run, verdict: CapacityVerdict) -> dict[str, Markup]:
    """The plots; matplotlib escapes its texts. It takes most of a second to import: so only here."""
    from bench.capacity import plots

    findings, limit = Findings(run), verdict.figures["p99_limit_ms"]
    drawn = {
        "rate": plots.rate(findings),
        "latency": plots.latency(findings, limit),
        "spread": plots.spread(findings, limit),
        "quota": plots.quota(findings),
        "refusals": plots.refusals(findings),
    }
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704


def _render(
    run: Run, verdict: CapacityVerdict, drawn: Mapping[str, Markup], digests: Mapping[str, str], unstamped: list[str]
) -> bytes:
    """The page. `unstamped` has the reasons for a missing time-stamp; it is empty for a page that will be stamped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template(REPORT).render(
        run=run,
        verdict=verdict,
        figures=verdict.figures,
        reasons=verdict.reasons[:MOST_REASONS],
        t=lambda key, **figures: both(say(key, **figures)),
        both=both,
        phases=[(phase, sum(each.got == GRANTED for each in run.of(phase.name))) for phase in run.phases],
        notes=[of_note(note) for note in [*run.not_done, *unstamped]],
        stamped=not unstamped,
        digests=digests,
        settings=list(_flat(run.configuration)),
        plots=drawn,
    )
    return page.encode()


def both(text: Text) -> Markup:
    """A text in both languages, of which the page shows one; a text that is the same in both stands once."""
    if text.en == text.zh:
        return escape(text.en)
    return Markup('<span lang="en">{}</span><span lang="zh">{}</span>').format(text.en, text.zh)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Settings within settings, with their names joined by a dot."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "" if value is None else str(value)
