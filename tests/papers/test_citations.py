"""What the code cites of docs/architecture.md stands there: decisions by their numbers, sections by their headings."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
DECISIONS = {int(number) for number in re.findall(r"^(\d+)\. \*\*", ARCHITECTURE, re.MULTILINE)}
SECTIONS = {heading.lower() for heading in re.findall(r"^#+ (.*)$", ARCHITECTURE, re.MULTILINE)}
CITATION = re.compile(r"\((?:decisions? (?P<numbers>[\d, and]+)|architecture: (?P<section>[^)]+))\)")


def wrong_citations(source: str) -> Iterator[str]:
    """Citations of a decision or a section that is not there."""
    for cited in CITATION.finditer(source):
        numbers = {int(number) for number in re.findall(r"\d+", cited["numbers"] or "")}
        section = " ".join((cited["section"] or "").split()).lower()
        if numbers - DECISIONS or (section and section not in SECTIONS):
            yield cited[0]


def test_the_decisions_are_numbered_without_a_gap() -> None:
    assert sorted(DECISIONS) == list(range(1, 23))


def test_every_citation_leads_somewhere() -> None:
    files = [file for folder in ("tsa", "signer", "certs", "bench", "tests") for file in (ROOT / folder).rglob("*.py")]
    sources = {file: file.read_text() for file in files if file != Path(__file__)}
    assert sum(len(CITATION.findall(source)) for source in sources.values()) > 0
    assert [f"{file}: {each}" for file, source in sources.items() for each in wrong_citations(source)] == []


def test_a_wrong_citation_would_be_seen() -> None:
    text = (
        "(decision 7) (decisions 2, 6 and 7) (architecture: the house) (decisions 2 and 23) (architecture: the cellar)"
    )
    assert list(wrong_citations(text)) == ["(decisions 2 and 23)", "(architecture: the cellar)"]
