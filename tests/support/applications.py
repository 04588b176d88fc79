"""Applications of a server under test, made and changed in its control.db as the commands do it."""

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypedDict, TypeVar, Unpack

from tsa.licensing import applications
from tsa.licensing.store import SqliteApplications
from tsa.state.control import Control

_T = TypeVar("_T")
_HOUR = 3600


class Parts(TypedDict, total=False):
    """What else an application may be registered with."""

    policy: str
    networks: Sequence[str]
    certificate_subject: str


def add(state: Path, name: str, licences: int = 1, **parts: Unpack[Parts]) -> str:
    """Register an application with licences from now on and without end; its APP_KEY."""
    key = applications.new_key()
    with opened(state) as store:
        applications.add(store, name, key=key, licences=licences, **parts)
    return key


@contextmanager
def opened(state: Path) -> Iterator[SqliteApplications]:
    """The applications of a state folder."""
    with closing(Control(state)) as control:
        yield SqliteApplications(control)


def change(state: Path, what: Callable[[Control], _T]) -> _T:
    """Do something to the control.db of a state folder."""
    with closing(Control(state)) as control:
        return what(control)


def disable(state: Path, name: str) -> None:
    """Disable an application."""
    with opened(state) as store:
        applications.disable(store, name)


def rekey(state: Path, name: str) -> str:
    """Give an application a new APP_KEY."""
    with opened(state) as store:
        return applications.rekey(store, name)


def grant_more(state: Path, name: str, licences: int) -> None:
    """Give an application further licences."""

    def grant(control: Control) -> None:
        with control.change() as connection:
            connection.execute(
                "INSERT INTO licence (application, count, valid_from) SELECT id, ?, 0 FROM application WHERE name = ?",
                (licences, name),
            )

    change(state, grant)


def stay_within_an_hour(seconds: float) -> None:
    """Wait, in the last `seconds` of a clock hour, for the next: then a test ends in the window it begins in."""
    if (left := _HOUR - time.time() % _HOUR) < seconds:
        time.sleep(left)


def bearer(key: str) -> str:
    """The header that shows an APP_KEY as Bearer token."""
    return f"Authorization: Bearer {key}"


def basic(key: str, user: str = "anybody") -> str:
    """The header that shows an APP_KEY as Basic password."""
    return f"Authorization: Basic {base64.b64encode(f'{user}:{key}'.encode()).decode()}"
