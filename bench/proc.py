"""Cores, CPU time and memory of processes, read from Linux's /proc."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench import BenchError

PROC = Path("/proc")


def cores() -> tuple[int, int]:
    """(core for the server, core for the load): the same core twice on a machine with one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[min(1, len(allowed) - 1)]


@contextmanager
def pinned(*cores: int) -> Iterator[None]:
    """Keep the calling thread, and the processes that it starts in the block, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def affinity(pid: int) -> set[int]:
    """The cores that a process may run on. BenchError when there is no such process."""
    try:
        return os.sched_getaffinity(pid)
    except ProcessLookupError as error:
        raise BenchError(f"there is no process {pid}") from error


def family(pid: int) -> list[int]:
    """The process and all its descendants. BenchError when it has ended."""
    found = [pid]
    for task in _tasks(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread may end between the listing and the reading
            found += [int(child) for child in (task / "children").read_text().split()]
    descendants = []
    for child in found[1:]:
        with suppress(BenchError):  # and so may a child
            descendants += family(child)
    return [pid, *descendants]


def started(pid: int) -> int:
    """The start of a process in ticks since boot: the pid and this together name one process for ever."""
    try:
        return int(_stat(pid)[19])
    except (FileNotFoundError, ProcessLookupError) as error:
        raise BenchError(f"process {pid} of the server ended while it was being measured") from error


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


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on, "state"."""
    # The command name, in parentheses, may hold spaces: the fields are counted from its end.
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _ticks_ns(pid: int) -> int:
    """utime + stime, for a kernel without schedstat: whole ticks, of 10 ms as a rule."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))


def rss_bytes(pids: Sequence[int]) -> int:
    """Resident memory of the processes together, in octets; a shared page counts once for each process."""
    pages = (int((PROC / str(pid) / "statm").read_text().split()[1]) for pid in pids)
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


def tree_cpu_ns(pid: int) -> int:
    """CPU time of a process and all its descendants, in ns; ended ones count if their parent waited for them.

    It fits servers of any kind, but comes in whole ticks, of 10 ms as a rule. BenchError when the process has ended.
    """
    ticks = 0
    for member in family(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # a descendant may end between listing and reading
            ticks += sum(int(field) for field in _stat(member)[11:15])  # utime, stime, cutime, cstime
    return ticks * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))
