"""Every vector of tests/vectors gets its verdict: not proved at its step, proved, or proved with its warning."""

import re
from pathlib import Path

import pytest

from tests.support.judging import verdict_on
from tests.vectors.make import INDEX, MAKERS, index
from tests.vectors.vector import STORE, Maker


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


def test_index_and_folders_agree() -> None:
    stored = sorted(maker.name for maker in MAKERS.values() if maker.stored)
    assert sorted(each.name for each in STORE.iterdir()) == stored
    assert INDEX.read_text() == index(), "run python -m tests.vectors.make"


@pytest.mark.parametrize("maker", [each for each in MAKERS.values() if each.stored], ids=lambda maker: maker.name)
def test_what_is_stored_is_what_the_script_makes(maker: Maker) -> None:
    assert _files(STORE / maker.name) == maker.make().files()


def _files(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}
