"""The page of a survey: every figure of the records, and for each that there is not, why."""

from pathlib import Path
from typing import Any

from bench.cost import limit
from bench.cost.compare import NO_PID, Comparison, Result
from bench.cost.dimension import Point, summed_up
from bench.cost.scale import Scale
from bench.cost.survey_page import SurveyPage
from tests.bench.cost.test_ceiling import WITHOUT, found

HOST = found().host | {"cores": 2, "command": "survey.py --out reports", "openssl": "OpenSSL"}


def result(**changed: Any) -> Result:
    figures: dict[str, Any] = dict.fromkeys(Result.__dataclass_fields__) | {
        "name": "ours",
        "key": "p256",
        "proof": "",
        "connections": 32,
        "keeps_alive": True,
        "not_measured": [],
        "stamps_per_s": 12_345.0,
        "rate_ratio": 1.0,
        "cpu_us": 55.5,
        "cpu_ratio": 1.0,
        "raw_us": 22.2,
        "raw_ratio": 2.5,
        "latency_ms": {"p50": 2.0, "p99": 3.0},
        "rss_mib": 100.0,
        "wrong": 0,
        "faults": {},
    }
    return Result(**(figures | changed))


def written(tmp_path: Path, *, with_certomancer: bool = True) -> str:
    page = SurveyPage(tmp_path / "2026-11-23-survey.md", (0.5, 0.5, 0.5))
    other = result(name="other", cpu_us=None, cpu_ratio=None, not_measured=[NO_PID], wrong=2, faults={"the nonce": 2})
    page.comparison("p256", Comparison(HOST, 5.0, False, 1, [result(), other], [], ["a note"]), "compare")
    page.ceiling(found(), "ceiling")
    page.ceiling(found(**WITHOUT), "limited")
    points = [
        Point(1, stamps_per_s=1.0, cpu_us=50.0, latency_ms={"p50": 1.0, "p99": 7.5}),
        Point(8, "not done: 2 cores"),
    ]
    page.scale(Scale(HOST, "p256", 3.0, 3, [summed_up("workers", points)]), "scale")
    page.write((1.5, 1.0, 1.0), {} if with_certomancer else {"certomancer": "it was not on the PATH"})
    return (tmp_path / "2026-11-23-survey.md").read_text("utf-8")


def test_figures_and_reasons_are_there(tmp_path: Path) -> None:
    text = written(tmp_path)
    assert text.startswith("# Survey of 2026-11-23\n")
    assert (
        "load average 0.5 at the start and 1.5 at the end. Made by `python -m bench.cost.survey --out reports`." in text
    )
    assert "| stamps/s | 12,345 | 12,345 |" in text
    assert "| server CPU a stamp, µs | 55.5 | not measured |" in text
    assert all(said in text for said in (f"other: {NO_PID}", "other: 2 wrong: the nonce", "a note"))
    assert "| ratio | 2.00 |" in text
    assert f"| stamps/s | {limit.NOT_MEASURED} |" in text
    assert "| 1 | 1.0 | 50.0 | 7.5 | 0 |  |" in text
    assert "| 8 | not measured | not measured | not measured | 0 | not done: 2 cores |" in text
    assert "workers: no slope" in text


def test_records_and_plots_are_named(tmp_path: Path) -> None:
    text = written(tmp_path)
    for record in ("compare", "ceiling", "scale"):
        assert f"({record}.json)" in text
        assert f"({record}.svg)" in text


def test_what_was_not_there_is_said(tmp_path: Path) -> None:
    assert "certomancer**: not done" in written(tmp_path, with_certomancer=False)
    assert "certomancer**: not done" not in written(tmp_path)
