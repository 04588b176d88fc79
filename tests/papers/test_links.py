"""The papers of the repository: every relative link, anchor and path in them leads to something that is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOUSES = ("tsa/", "signer/", "certs/", "bench/", "tests/", "docs/")
# A link in text, not in code: ](target) with an optional anchor.
LINK = re.compile(r"\]\((?P<file>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
# A path from the root, as a paper names it in code; the state folder has a certs/ of its own, of PEM files.
NAMED = re.compile(rf"`((?:{'|'.join(HOUSES)})[\w./-]*)(?<!\.pem)(?<!\.csr)`")
MODULE = re.compile(r"python -m ((?:bench|tests)[\w.]*)")


def papers() -> list[Path]:
    """Every page of Markdown of the repository."""
    folders = [path for path in ROOT.iterdir() if f"{path.name}/" in HOUSES]
    return sorted([*ROOT.glob("*.md"), *(page for folder in folders for page in folder.rglob("*.md"))])


def headings(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found = set[str]()
    for line in re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL).splitlines():
        if heading := re.match(r"#+ (.*)", line):
            found.add(re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-"))
    return found


def broken_links(page: Path, text: str) -> Iterator[str]:
    """Links of a page that lead nowhere; those to other hosts are not followed."""
    for link in LINK.finditer(CODE.sub("", text)):
        if re.match(r"[a-z]+:", link["file"]):
            continue
        target = page.parent / link["file"] if link["file"] else page
        if not target.exists():
            yield f"{link[0]}: no such file"
        elif link["anchor"] and link["anchor"] not in headings(text if target == page else target.read_text()):
            yield f"{link[0]}: no such heading"


def wrong_paths(text: str) -> Iterator[str]:
    """Paths from the root, and modules to be run, that a page names and that are not there."""
    yield from (path for path in NAMED.findall(text) if not (ROOT / path).exists())
    modules = (ROOT.joinpath(*name.split(".")) for name in MODULE.findall(text))
    yield from (path.name for path in modules if not path.with_suffix(".py").exists())


def uneven_tables(text: str) -> Iterator[str]:
    """Rows of a table that have more or fewer cells than its head; a bar in code ends a cell, too (GFM 4.10)."""
    cells = 0
    for line in text.replace("\\|", "").splitlines():
        cells = (cells or line.count("|")) if line.startswith("|") else 0
        if cells and line.count("|") != cells:
            yield line


@pytest.mark.parametrize("page", papers(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere_and_every_table_is_even(page: Path) -> None:
    assert list(broken_links(page, page.read_text())) == []
    assert list(uneven_tables(page.read_text())) == []


@pytest.mark.parametrize(
    "name",
    ["README.md", "CONTRIBUTING.md", "SECURITY.md", *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))],
)
def test_every_path_that_is_named_is_there(name: str) -> None:
    assert sorted(set(wrong_paths((ROOT / name).read_text()))) == []


def test_every_paper_of_docs_is_reached_from_the_readme() -> None:
    linked = {link["file"] for link in LINK.finditer((ROOT / "README.md").read_text())}
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked


def test_an_uneven_table_would_be_seen() -> None:
    assert list(uneven_tables("| a | b |\n|---|---|\n| c | \\| |\n| f |\n\n| g |\n")) == ["| f |"]


def test_a_wrong_link_would_be_seen() -> None:
    text = "# One heading, two\n[a](README.md) [b](#one-heading-two) [c](nowhere.md) [d](#one) `[e](code.md)`"
    assert list(broken_links(ROOT / "README.md", text)) == [
        "](nowhere.md): no such file",
        "](#one): no such heading",
    ]
    assert list(wrong_paths("`tsa/cli.py` `tsa/nobody.py` `signer/` `sign/`")) == ["tsa/nobody.py"]
    assert list(wrong_paths("python -m bench.cost.survey, python -m bench.cost.nothing")) == ["nothing"]
