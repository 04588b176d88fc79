"""State folders and control.db: development licences for anonymous callers, and what is there already stays."""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import applications as support
from tsa.licensing import applications
from tsa.licensing.store import SqliteApplications
from tsa.operate import initialise
from tsa.state.control import Control, ControlFault


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """The least careful umask there is."""
    before = os.umask(0)
    yield
    os.umask(before)


def licences_in(state: Path) -> list[tuple[str, int, str | None]]:
    """The licences in a folder's control.db: application, count, and the signed file, which development ones lack."""
    with closing(Control(state)) as control:
        return list(
            control.connection.execute(
                "SELECT name, count, document FROM licence JOIN application ON application.id = application ORDER BY 1"
            )
        )


@pytest.mark.parametrize("count", [0, 1, 7])
def test_anonymous_callers_have_the_development_licences_asked_for(tmp_path: Path, count: int) -> None:
    initialise.development(tmp_path, "p256", count)
    assert licences_in(tmp_path) == ([("anonymous", count, None)] if count else [])
    assert stat.S_IMODE((tmp_path / "control.db").stat().st_mode) == 0o600
    with closing(Control(tmp_path)) as control:
        [anonymous] = applications.read(SqliteApplications(control), 20_000)
        events = dict(control.connection.execute("SELECT what, detail FROM event"))
    assert (anonymous.name, anonymous.key_hash, anonymous.capacity(0)) == ("anonymous", None, 20_000 * count)
    assert json.loads(events["application added"])["development_licences"] == count


def test_applications_that_are_there_stay(tmp_path: Path) -> None:
    """As after a key was moved away, to begin with another."""
    initialise.development(tmp_path, "p256", 3)
    support.add(tmp_path, "bank", 5)
    (tmp_path / "keys/tsa.key").unlink()
    initialise.development(tmp_path, "p384", 9)
    assert licences_in(tmp_path) == [("anonymous", 3, None), ("bank", 5, None)]


def test_a_control_db_that_is_none_is_named_and_no_key_is_made(tmp_path: Path) -> None:
    (tmp_path / "control.db").write_bytes(b"no database" * 100)
    with pytest.raises(ControlFault, match=r"control\.db cannot be used: file is not a database"):
        initialise.development(tmp_path, "p256", 2)
    assert not (tmp_path / "keys/tsa.key").exists()
