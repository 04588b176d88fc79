"""The report: one file that needs nothing else, says everything in both languages, and says what the verdict says."""

import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from typing import NamedTuple

import pytest

from bench import BenchError
from bench.capacity import record, report, report_words, words
from bench.capacity.record import Phase, Run
from bench.capacity.verdict import CapacityVerdict, Objectives, judge
from bench.capacity.words import Text, of_note, say
from tests.support.runs import good_run, run_of, stamp, steady, warm_up

CJK = re.compile(r"[\u4e00-\u9fff]")
GROUPS = [words.VERDICT, words.OBJECTIVES, words.FAILS, words.VOIDS, words.NOT_DONE, report_words.REPORT]


def failing_run() -> Run:
    """Four windows of reasons: slow, a wrong token, too few stamps; and something left undone."""
    slow = [each._replace(done=each.done + 0.3, fault="nonce" if each.verified else "") for each in steady()]
    return replace(run_of([*warm_up(), *slow]), not_done=["not done: live quota", "the weather <b>was</b> bad"])


def written(run: Run, folder: Path, stamp: report.Stamp | None = None) -> tuple[CapacityVerdict, str]:
    """The verdict, and the page that was written."""
    record.write(run, folder)
    verdict = judge(run)
    report.write(run, verdict, folder, stamp)
    return verdict, (folder / report.REPORT).read_text("utf-8")


@pytest.fixture(scope="module", params=[good_run(), failing_run()], ids=["pass", "fail"])
def shown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Shown":
    """A report as it is written, of a run that passes and of one that fails."""
    folder = tmp_path_factory.mktemp("report")
    return Shown(request.param, *written(request.param, folder), folder)


class Shown(NamedTuple):
    """What `shown` gives."""

    run: Run
    verdict: CapacityVerdict
    text: str
    folder: Path


@pytest.fixture
def _no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots take their time; where they are not looked at, there are none."""
    monkeypatch.setattr(
        report, "_drawn", lambda *_: dict.fromkeys(["rate", "latency", "spread", "quota", "refusals"], "")
    )


class Page(HTMLParser):
    """The texts of a page by the language of the element around them, "" for both; every attribute; its style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {"": [], "en": [], "zh": []}
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: set[str] = set()
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "span":
            self._open.append(dict(attrs).get("lang") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "span":
            self._open.pop()

    def handle_data(self, data: str) -> None:
        self.texts[self._open[-1] if self._open else ""].append(data)

    @property
    def text(self) -> str:
        return "".join(part for texts in self.texts.values() for part in texts)


def test_the_page_needs_nothing_from_outside(shown: Shown) -> None:
    page, text = Page(shown.text), shown.text
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "image"}
    for tag, name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "action", "srcset", "data"):
            assert value.startswith("#"), f"{tag} {name}={value}"
        elif not name.startswith("xmlns"):
            assert "//" not in value, f"{tag} {name}={value}"
    assert "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))


def test_an_empty_run_can_be_shown(tmp_path: Path) -> None:
    verdict, text = written(run_of([]), tmp_path)
    assert verdict.verdict == "void"
    assert say("void means").zh in Page(text).texts["zh"]


def test_the_names_in_the_plots_do_not_meet(shown: Shown) -> None:
    shapes = [value for tag, name, value in Page(shown.text).attributes if name == "id" and tag in ("path", "clippath")]
    assert len(shapes) == len(set(shapes)) > 5


def test_everything_is_said_in_both_languages(shown: Shown) -> None:
    page = Page(shown.text)
    assert len(page.texts["en"]) == len(page.texts["zh"]) > 40
    assert not [said for said in page.texts["en"] if CJK.search(said)]
    assert not [said for said in page.texts["zh"] if not CJK.search(said)]
    assert all(figures(one) <= figures(other) for one, other in zip(page.texts["en"], page.texts["zh"], strict=True))


def figures(said: str) -> set[str]:
    """The numbers above 100 in a text: what the languages may not differ in (one says 99 %, the other 第 99)."""
    return {number for number in re.findall(r"\d[\d,.]*\d", said) if len(number) > 2}


def test_every_word_is_there_twice_and_has_the_same_figures() -> None:
    assert sum(map(len, GROUPS)) == len(words.WORDS), "two groups of words have a key in common"
    for key, (english, chinese) in words.WORDS.items():
        assert fields(english) == fields(chinese), key
        assert CJK.search(chinese) or not re.search("[a-z]", fields_removed(english)), key
        assert not CJK.search(english), key


def fields(text: str) -> set[tuple[str, str]]:
    return {(name, form or "") for _, name, form, _ in Formatter().parse(text) if name}


def fields_removed(text: str) -> str:
    return "".join(literal for literal, *_ in Formatter().parse(text))


def test_no_word_is_idle() -> None:
    rooms = [Path(report.__file__).with_name(name).read_text() for name in ("report.html", "verdict.py", "doubts.py")]
    sources = "".join(rooms) + "".join(
        f'"{verdict} means" "phase {phase}"' for verdict in words.VERDICT for phase in Phase
    )
    met = {"pass", "fail", "void", "met", "missed", "not judged", "not done"}
    assert [key for key in words.WORDS if f'"{key}"' not in sources and key not in {*met, *words.NOT_DONE}] == []


def test_the_page_says_what_the_verdict_says(shown: Shown) -> None:
    run, verdict, text, folder = shown
    page = Page(text)
    said = {language: set(texts) for language, texts in page.texts.items()}
    told = [say(verdict.verdict), *(each.sentence for each in verdict.reasons)]
    told += [part for each in verdict.objectives for part in (each.title, each.wanted, each.found, say(each.met))]
    for each in told:
        assert each.en == each.zh or ({each.en} <= said["en"] and {each.zh} <= said["zh"]), each
    summary = json.loads((folder / report.VERDICT).read_text("utf-8"))
    assert summary["verdict"] == verdict.verdict
    assert summary["figures"] == json.loads(json.dumps(verdict.figures))
    assert [each["sentence"]["en"] for each in summary["reasons"]] == [str(each.sentence) for each in verdict.reasons]
    assert (summary["url"], summary["licences"]) == (run.url, run.licences)
    for phase in run.phases:
        assert f">{phase.planned:,}<" in text


def test_the_records_are_named_by_their_digests(shown: Shown) -> None:
    for name in (record.RUN, record.SAMPLES, report.VERDICT):
        assert f"{hashlib.sha256((shown.folder / name).read_bytes()).hexdigest()}  {name}" in shown.text


@pytest.mark.usefixtures("_no_plots")
def test_what_was_not_done_is_said(tmp_path: Path) -> None:
    page = Page(written(failing_run(), tmp_path)[1])
    for note in ("not done: live quota", "not done: time-stamp"):
        assert say(note).en in page.texts["en"]
        assert say(note).zh in page.texts["zh"]
    assert "the weather <b>was</b> bad" in page.text
    assert say("not done").en in page.text  # the quota's line in the table
    (tmp_path / "whole").mkdir()
    whole = Page(written(good_run(), tmp_path / "whole", lambda _: b"token")[1])
    assert say("nothing left out").en in whole.texts["en"]


@pytest.mark.usefixtures("_no_plots")
def test_the_page_is_stamped_as_it_lies_there(tmp_path: Path) -> None:
    stamped: list[bytes] = []

    def authority(page: bytes) -> bytes:
        stamped.append(page)
        return b"the token"

    _, text = written(good_run(), tmp_path, authority)
    assert stamped == [(tmp_path / report.REPORT).read_bytes()]
    assert (tmp_path / report.TOKEN).read_bytes() == b"the token"
    assert "tsa verify report.html report.html.tsr" in text


@pytest.mark.usefixtures("_no_plots")
def test_a_report_that_cannot_be_stamped_says_so(tmp_path: Path) -> None:
    def authority(_: bytes) -> bytes:
        raise BenchError("the licences are used up")

    (tmp_path / report.TOKEN).write_bytes(b"of an earlier run")
    page = Page(written(good_run(), tmp_path, authority)[1])
    assert not (tmp_path / report.TOKEN).exists()
    assert say("not done: time-stamp").zh in page.texts["zh"]
    assert "the licences are used up" in page.text
    assert "tsa verify" not in page.text


def test_nothing_that_a_server_says_is_taken_for_markup(tmp_path: Path) -> None:
    hostile = '<script>alert("x")</script>'
    samples = [*steady(), stamp(Phase.STEADY, 3.03, got=f"HTTP 500 {hostile}", gen_time=None, fault=hostile)]
    _, text = written(replace(run_of(samples), url=f"http://tsa.example/{hostile}"), tmp_path)
    assert "script" not in Page(text).tags
    assert hostile in Page(text).text


@pytest.mark.usefixtures("_no_plots")
def test_many_reasons_are_cut_short_and_counted(tmp_path: Path) -> None:
    run = replace(good_run(), phases=[each._replace(planned=each.planned + 1) for each in good_run().phases] * 3)
    verdict, text = written(run, tmp_path)
    left = len(verdict.reasons) - report.MOST_REASONS
    assert left > 0
    assert say("why more", more=left).en in Page(text).texts["en"]


@pytest.mark.usefixtures("_no_plots")
def test_the_limit_is_the_objective_s(tmp_path: Path) -> None:
    run = good_run()
    record.write(run, tmp_path)
    report.write(run, judge(run, Objectives(p99_ms=250.0)), tmp_path)
    assert "99 of 100 answers within 250 ms" in (tmp_path / report.REPORT).read_text("utf-8")


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = failing_run()
    record.write(run, tmp_path)
    assert record.read(tmp_path) == run
    (tmp_path / record.SAMPLES).write_bytes((tmp_path / record.SAMPLES).read_bytes()[:-20])
    with pytest.raises(BenchError, match="holds no whole record"):
        record.read(tmp_path)
    with pytest.raises(BenchError, match="holds no whole record"):
        record.read(tmp_path / "absent")


def test_a_text_of_two_languages_is_filled_in_in_its_own() -> None:
    assert say("spoiled", objective=Text("rate", "速率"), spoiled=3).zh.startswith("“速率”")
    assert str(of_note("a sentence")) == "a sentence"
