"""The house rules that can be counted (CONTRIBUTING.md): small rooms, folders that can be overlooked, few files."""

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import SLOW

ROOT = Path(__file__).parents[2]
PRODUCTION = ("tsa", "signer", "certs", "bench")
LINES, FILES = 300, 500
ROOMS = 21  # "some 20"; bench/capacity has as many


def tracked() -> list[str]:
    """The files that git keeps."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no clone of the repository")
    return listed.stdout.split("\0")[:-1]


def rooms() -> list[Path]:
    """The modules of production code; `__init__.py` has the folder's docstring, and is none."""
    return [file for name in PRODUCTION for file in (ROOT / name).rglob("*.py") if file.name != "__init__.py"]


def test_no_room_is_too_large_to_be_read_at_once() -> None:
    lines = {str(room.relative_to(ROOT)): len(room.read_text().splitlines()) for room in rooms()}
    assert {room: count for room, count in lines.items() if count > LINES} == {}


def test_no_folder_has_so_many_rooms_that_it_wants_floors() -> None:
    counts = Counter(str(room.parent.relative_to(ROOT)) for room in rooms())
    assert {folder: count for folder, count in counts.items() if count > ROOMS} == {}


def test_the_repository_has_few_files() -> None:
    assert len(tracked()) < FILES


def test_everything_that_is_called_slow_is_there() -> None:
    tests = ROOT / "tests"
    assert [each for each in SLOW if not (tests / each.partition("::")[0]).exists()] == []
