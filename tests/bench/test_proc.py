"""What /proc tells of a process, on processes whose doings we know."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from bench import BenchError, proc

SPIN = "import threading; threading.Thread(target=lambda: [None for _ in iter(int, 1)]).start(); print(flush=True)"
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"])
print(child.pid, flush=True)
sys.stdin.read()
child.wait()
"""


@pytest.fixture
def spinning() -> Iterator[int]:
    """A process with a thread, not its first, that never rests."""
    with subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield process.pid
        process.kill()


@pytest.mark.parametrize("read", [proc._scheduled_ns, proc._ticks_ns, lambda pid: proc.cpu_ns([pid])])
def test_cpu_of_a_busy_process_grows(spinning: int, read: Callable[[int], int]) -> None:
    first = read(spinning)
    assert first > 0
    while (
        read(spinning) < first + 50_000_000
    ):  # it ends only if the figure grows: the test's own timeout says otherwise
        os.sched_yield()


def test_cpu_readings_agree(spinning: int) -> None:
    while proc._ticks_ns(spinning) < 500_000_000:
        os.sched_yield()
    assert proc._scheduled_ns(spinning) == pytest.approx(proc._ticks_ns(spinning), rel=0.2)


def test_rss_is_that_of_a_python(spinning: int) -> None:
    assert 2**20 < proc.rss_bytes([spinning]) < 2**30
    assert proc.rss_bytes([spinning, spinning]) > proc.rss_bytes([spinning])


def test_family_is_parent_and_child() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        assert parent.stdin
        child = next(int(line) for line in parent.stdout if line.strip())
        assert proc.family(parent.pid) == [parent.pid, child]
        parent.stdin.close()
    with pytest.raises(BenchError, match=f"process {parent.pid} of the server ended"):
        proc.cpu_ns([parent.pid])


def test_pinned_is_for_the_block_and_its_processes() -> None:
    before = os.sched_getaffinity(0)
    core, _ = proc.cores()
    with proc.pinned(core):
        shown = subprocess.check_output([sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"], text=True)
    assert shown.strip() == f"{{{core}}}"
    assert os.sched_getaffinity(0) == before


WAITS = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "while __import__('time').process_time() < 0.2: pass"])
print(flush=True)
sys.stdin.read()
"""


def test_cpu_of_the_tree_counts_what_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        assert proc.family(process.pid) == [process.pid]
        assert proc.tree_cpu_ns(process.pid) >= 200_000_000 > proc.cpu_ns([process.pid])
        assert process.stdin
        process.stdin.close()


def test_of_a_process_that_is_not_there() -> None:
    with subprocess.Popen(["true"]) as process:
        pass
    for read in (proc.tree_cpu_ns, proc.affinity):
        with pytest.raises(BenchError, match=f"process {process.pid}"):
            read(process.pid)
