"""The chronyds of a test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.chronyd import Chronyd


@pytest.fixture
def chronyd(tmp_path: Path) -> Iterator[Callable[..., Chronyd]]:
    """Makes chronyds, each to be started by the test, and ends them with it."""
    made: list[Chronyd] = []

    def make(*, follows: Chronyd | None = None, offset_s: float = 0.0) -> Chronyd:
        made.append(Chronyd(tmp_path / f"chronyd-{len(made)}", follows=follows, offset_s=offset_s))
        return made[-1]

    yield make
    for each in made:
        each.stop()
