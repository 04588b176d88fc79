"""Every file of the state folder that tsa/state/layout.py names has its sentence of trust in the papers."""

import inspect
from pathlib import Path

import pytest

from tsa.state import layout

DOCS = Path(__file__).parents[2] / "docs"
DIR = Path("DIR")


def names() -> list[str]:
    """The files and folders of a state folder, relative to it."""
    functions = [
        each for _, each in inspect.getmembers(layout, inspect.isfunction) if each.__module__ == layout.__name__
    ]
    placed = [each(DIR) for each in functions if [*inspect.signature(each).parameters] == ["state"]]
    return sorted({path.relative_to(DIR).as_posix() for path in placed} | {*layout.PUBLIC, layout.TSU_KEY})


@pytest.mark.parametrize("page", ["architecture.md", "operations.md"])
def test_every_file_is_described(page: str) -> None:
    rows = [line.split("|")[1] for line in (DOCS / page).read_text().splitlines() if line.startswith("| `")]
    described = "".join(rows)
    assert {"control.db", "ledger", "lock"} <= set(names())
    assert [name for name in names() if name not in described] == []
