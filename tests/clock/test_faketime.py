"""The tool by which the wall clock of a server under test is stepped does what the tests of steps rely on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.faketime import SHARED_MEMORY, WallClock, needs_faketime, wall_clock

pytestmark = needs_faketime

NEAR_S = 0.9  # to this a loaded machine tells the time of another process on it

# Answers each line it reads with what its clocks show: in the process itself, a thread of it and a fork of it.
CHILD = """
import json, os, sys, threading, time

def show():
    time.sleep(0.001)
    return {
        "wall": time.time_ns() / 1e9,
        "boot": time.clock_gettime(time.CLOCK_BOOTTIME),
        "monotonic": time.monotonic(),
    }

for _ in sys.stdin:
    found = [show()]
    thread = threading.Thread(target=lambda: found.append(show()))
    thread.start()
    thread.join()
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, json.dumps(show()).encode())
        os._exit(0)
    os.wait()
    found.append(json.loads(os.read(reader, 1000)))
    print(json.dumps(found), flush=True)
"""


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[WallClock]:
    with wall_clock(tmp_path / "wall") as made:
        yield made


@pytest.fixture
def ask(wall: WallClock) -> Iterator[Callable[[], list[dict[str, float]]]]:
    """Asks a process under that wall clock what its clocks show."""
    command, environment = [sys.executable, "-c", CHILD], {**os.environ, **wall.environment}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        stdin, stdout = child.stdin, child.stdout

        def shown() -> list[dict[str, float]]:
            stdin.write("\n")
            found: list[dict[str, float]] = json.loads(stdout.readline())
            return found

        yield shown
        stdin.close()
        assert child.wait(20) == 0


def test_a_running_process_sees_steps_of_the_wall_clock_and_of_no_other(
    wall: WallClock, ask: Callable[[], list[dict[str, float]]]
) -> None:
    for offset in (0, 10, -10, 3.5, 0):
        wall.set_offset(offset)
        for shown in ask():
            assert abs(shown["wall"] - time.time() - offset) < NEAR_S
            assert abs(shown["boot"] - time.clock_gettime(time.CLOCK_BOOTTIME)) < NEAR_S
            assert abs(shown["monotonic"] - time.monotonic()) < NEAR_S


def test_nothing_is_left_behind_of_a_process_that_was_killed(tmp_path: Path) -> None:
    with wall_clock(tmp_path / "wall") as wall:
        command = [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"]
        child = subprocess.Popen(command, env={**os.environ, **wall.environment}, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        child.kill()
        child.communicate()
    assert list(SHARED_MEMORY.glob(f"*faketime*_{child.pid}")) == []
