"""Cores, CPU time and memory of processes, as Linux tells them in /proc."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench import BenchError

PROC = Path("/proc")


def cores() -> tuple[int, int]:
    """The core for the server and the core for the load: the same one where there is no second."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[min(1, len(allowed) - 1)]


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Keep the calling thread, and processes that it starts meanwhile, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def family(pid: int) -> list[int]:
    """The process and all its descendants. BenchError when it has ended."""
    children = [int(child) for task in _tasks(pid) for child in (task / "children").read_text().split()]
    return [pid, *(member for child in children for member in family(child))]


def cpu_ns(pids: Sequence[int]) -> int:
    """CPU time that all living threads of these processes have used, in ns. BenchError when one has ended."""
    read = _scheduled_ns if (PROC / "self/schedstat").exists() else _ticks_ns
    return sum(map(read, pids))


def _tasks(pid: int) -> list[Path]:
    try:
        return list((PROC / str(pid) / "task").iterdir())
    except (FileNotFoundError, ProcessLookupError) as error:
        raise BenchError(f"process {pid} of the server ended while it was being measured") from error


def _scheduled_ns(pid: int) -> int:
    total = 0
    for task in _tasks(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread may end between the listing and the reading
            total += int((task / "schedstat").read_text().split()[0])
    return total


def _ticks_ns(pid: int) -> int:
    """utime + stime, for a kernel without schedstat: whole ticks, of 10 ms as a rule."""
    # The command name, in parentheses, may hold spaces: the fields are counted from its end.
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))


def rss_bytes(pids: Sequence[int]) -> int:
    """Resident memory of the processes together, in bytes; what they share is counted once for each."""
    pages = (int((PROC / str(pid) / "statm").read_text().split()[1]) for pid in pids)
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")
