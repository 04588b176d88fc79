"""The house rules that can be counted (CONTRIBUTING.md): small rooms, folders that can be overlooked."""

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import SLOW

ROOT = Path(__file__).parents[2]
PRODUCTION = ("tsa", "signer", "certs", "bench")
LINES = 300
FILES_A_FOLDER = 50
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


def test_no_folder_fills_up_with_files() -> None:
    """Stored data stands in an archive a maker: 1,634 of 2,041 files were vectors once."""
    counts = Counter(str(Path(name).parent) for name in tracked())
    assert {folder: count for folder, count in counts.items() if count > FILES_A_FOLDER} == {}
    assert max(Counter(name.partition("/")[0] for name in tracked() if not name.endswith(".py")).values()) < 100


def test_everything_that_is_called_slow_is_there() -> None:
    tests = ROOT / "tests"
    assert [each for each in SLOW if not (tests / each.partition("::")[0]).exists()] == []
