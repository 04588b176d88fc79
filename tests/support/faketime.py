"""A wall clock that a test steps under running processes, by libfaketime; every other clock of theirs stays true."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LIBRARY = next(iter(Path("/usr/lib").glob("**/faketime/libfaketime.so.1")), None)

needs_faketime = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed: apt-get install faketime")

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where libfaketime leaves things

# Python sleeps until a time of CLOCK_MONOTONIC, which libfaketime 0.9.10 gets wrong (EINVAL).
_SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
_SHARED = re.compile(r"(?:faketime_shm_|sem\.faketime_sem_)(\d+)")


class WallClock:
    """The wall clock of every process that is started with `environment`; the others keep the machine's."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "offset"
        (directory / "sitecustomize.py").write_text(_SLEEP)
        self.environment = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",  # so that a step is seen at once
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # nor CLOCK_BOOTTIME
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": str(directory),
        }
        self.set_offset(0)

    def set_offset(self, seconds: float) -> None:
        """Have the wall clock show so many seconds more than the machine's, from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+.6f}\n")
        new.replace(self._file)


@contextmanager
def wall_clock(directory: Path) -> Iterator[WallClock]:
    """A clock whose files are in `directory`, which is made; leave when the processes that show it have ended."""
    directory.mkdir()
    _sweep()
    try:
        yield WallClock(directory)
    finally:
        _sweep()


def _sweep() -> None:
    """Remove what ended processes have left behind: libfaketime does not start one whose number one of them had."""
    for path in SHARED_MEMORY.iterdir():
        if (match := _SHARED.fullmatch(path.name)) and not Path(f"/proc/{match[1]}").exists():
            path.unlink(missing_ok=True)
