"""Every vector of tests/vectors gets its verdict: not proved at its step, proved, or proved with its warning."""

import re
import zipfile
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.judging import verdict_on
from tests.vectors import archive
from tests.vectors.make import INDEX, MAKERS, ROOMS, index, members
from tests.vectors.vector import Maker

STORED = [maker for maker in MAKERS.values() if maker.stored]


@cache
def stored(room: str) -> dict[str, bytes]:
    """The members of a room's archive by name."""
    return archive.read(archive.path_of(room))


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS.keys())
def test_verdict(maker: Maker) -> None:
    found, expected = verdict_on(maker.make()), maker.verdict
    head, _, word = expected.partition(": ")
    assert found == expected or (word and found.startswith(head) and word in found), found


def test_there_are_enough_of_each() -> None:
    steps = [re.findall(r"step (\d+)", maker.verdict) for maker in MAKERS.values()]
    failing = [int(found[0]) for found in steps if found]
    assert len(failing) >= 60
    assert set(failing) == set(range(1, 13)), "a step that no vector fails at"  # step 13 warns, it never fails


def test_index_and_archives_agree() -> None:
    assert set(archive.FOLDER.glob("*.zip")) == {archive.path_of(maker.room) for maker in STORED}
    for room in ROOMS:
        kept = {name.partition("/")[0] for name in stored(room.__name__)}
        assert kept == {maker.name for maker in STORED if maker.room == room.__name__}
    assert INDEX.read_text() == index(), "run python -m tests.vectors.make"


@pytest.mark.parametrize("maker", STORED, ids=lambda maker: maker.name)
def test_what_is_stored_is_what_the_script_makes(maker: Maker) -> None:
    files = stored(maker.room).items()
    kept = {name: octets for name, octets in files if name.startswith(f"{maker.name}/")}
    made = {f"{maker.name}/{name}": octets for name, octets in maker.make().files().items()}
    assert archive.differences(kept, made) == []


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: archive.path_of(room.__name__).name)
def test_an_archive_made_again_has_the_members_of_the_stored(room: ModuleType, tmp_path: Path) -> None:
    archive.keep(tmp_path / "again.zip", members(room.__name__))
    assert archive.differences(stored(room.__name__), archive.read(tmp_path / "again.zip")) == []


def test_a_member_that_differs_is_named() -> None:
    made = {"a/token.tsr": b"1", "a/data": b"2", "b/token.tsr": b"3"}
    kept = {"a/token.tsr": b"1", "a/data": b"changed", "c/token.tsr": b"3"}
    expected = ["a/data has other octets.", "b/token.tsr is missing.", "c/token.tsr is stored, but not made."]
    assert archive.differences(kept, made) == expected


def test_an_archive_of_equal_members_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "old.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as other:  # as another program would write it
        other.writestr("a/data", b"1")
    before = path.read_bytes()
    archive.keep(path, {"a/data": b"1"})
    assert path.read_bytes() == before
    archive.keep(path, {"a/data": b"2"})
    assert archive.read(path) == {"a/data": b"2"}


def test_equal_members_give_equal_octets(tmp_path: Path) -> None:
    one, other = tmp_path / "one.zip", tmp_path / "other.zip"
    archive.keep(one, {"a": b"1", "b": b"2"})
    archive.keep(other, {"b": b"2", "a": b"1"})
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_damaged_archive_is_not_read_and_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(path, "w") as twice:
        twice.writestr("a/data", b"1")
        twice.writestr("a/data", b"2")
    with pytest.raises(zipfile.BadZipFile, match="two members named a/data"):
        archive.read(path)
    archive.keep(path, {"a/data": b"2"})
    assert archive.read(path) == {"a/data": b"2"}
