"""The counters of licences: exact across processes, whoever is killed and whatever the hour."""

import os
import random
import signal
import struct
from collections.abc import Callable
from functools import partial
from mmap import mmap

import pytest

from tests.support.counts import times
from tsa.licensing.applications import Application
from tsa.licensing.contract import Licence
from tsa.licensing.counters import Counters
from tsa.licensing.quota import Exhaustion

WINDOW_S = 3600
SECOND = 1_000_000
START = 500_000 * WINDOW_S * SECOND  # the first µs of a window
NEXT = START + WINDOW_S * SECOND

pytestmark = pytest.mark.timeout(60)


def application(stamps: int, number: int = 7) -> Application:
    """One with a licence of that many stamps a window."""
    licences = (Licence(1, stamps, 0, None),)
    return Application(number, f"app {number}", None, None, (), None, disabled=False, licences=licences)


@pytest.fixture
def counters() -> Counters:
    return Counters(WINDOW_S)


def debit(counters: Counters, one: Application, count: int, at: int = START) -> int:
    """How many stamps one application gets."""
    return counters.debit({one: count}, at)[one]


def used(counters: Counters, one: Application, at: int = START) -> tuple[int, int]:
    """(stamps, refusals) in the window of a moment."""
    return counters.used(one.id, counters.window(at))


class Children:
    """Processes that wait for each other to begin, and that hand back numbers."""

    def __init__(self) -> None:
        self._gate, self._opener = os.pipe()
        self._results: list[tuple[int, int]] = []

    def fork(self, work: Callable[[], list[int]]) -> None:
        """A process that does `work` once the gate is open."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(self._opener)
            os.read(self._gate, 1)  # end of file, when the parent opens the gate
            numbers = work()
            os.write(writer, struct.pack(f"{len(numbers)}Q", *numbers))
            os._exit(0)
        os.close(writer)
        self._results.append((pid, reader))

    def begin(self) -> None:
        """Let all of them go."""
        os.close(self._opener)

    def results(self) -> list[list[int]]:
        """What each handed back; fails when one died."""
        found = []
        for pid, reader in self._results:
            with os.fdopen(reader, "rb") as pipe:
                octets = pipe.read()
            assert os.waitpid(pid, 0)[1] == 0
            found.append(list(struct.unpack(f"{len(octets) // 8}Q", octets)))
        os.close(self._gate)
        return found


def test_four_processes_get_exactly_what_was_bought(counters: Counters) -> None:
    turns = 5_500  # so many that three of them could not use it up
    one, other = application(100_000), application(80_000, number=8)

    def work() -> list[int]:
        got = [0, 0]
        for _ in range(turns):
            granted = counters.debit({one: random.randint(1, 9), other: 4}, START)  # noqa: S311
            got[0] += granted[one]
            got[1] += granted[other]
        return got

    children = Children()
    for _ in range(4):
        children.fork(work)
    children.begin()
    assert [sum(each) for each in zip(*children.results(), strict=True)] == [100_000, 80_000]
    assert used(counters, one)[0] == 100_000
    assert used(counters, other) == (80_000, 4 * turns * 4 - 80_000)


def test_the_capacity_is_exact_while_processes_pass_into_the_next_window_one_by_one(counters: Counters) -> None:
    """They change at different moments, so batches of both windows come mixed."""
    one = application(5_000)

    def work(batches: int) -> list[int]:
        before = sum(debit(counters, one, 3, NEXT - 1) for _ in range(batches))
        return [before, sum(debit(counters, one, 3, NEXT) for _ in range(2_000))]

    children = Children()
    for batches in (10, 600, 1_500, 3_000):
        children.fork(partial(work, batches))
    children.begin()
    assert [sum(each) for each in zip(*children.results(), strict=True)] == [5_000, 5_000]
    assert (used(counters, one)[0], used(counters, one, NEXT)[0]) == (5_000, 5_000)


def test_what_is_given_back_by_some_is_had_by_others_and_no_more(counters: Counters) -> None:
    one = application(4_000)

    def work() -> list[int]:
        kept = 0
        for turn in range(4_000):
            got = debit(counters, one, 5)
            if turn % 2:
                counters.give_back({one: got}, START)
            else:
                kept += got
        return [kept]

    children = Children()
    for _ in range(4):
        children.fork(work)
    children.begin()
    assert sum(kept for [kept] in children.results()) == 4_000 == used(counters, one)[0]


@pytest.mark.long
def test_a_killed_process_takes_its_debit_with_it_and_blocks_nobody(counters: Counters) -> None:
    """Each victim notes in a page of its own what it got; at most its last debit is not noted."""
    deaths, capacity = times(25), 1_000_000_000
    one, noted = application(capacity), memoryview(mmap(-1, 8 * deaths)).cast("Q")

    for turn in range(deaths):
        pid = os.fork()
        while pid == 0:
            noted[turn] += debit(counters, one, 1)
        while noted[turn] < random.randint(1, 500):  # noqa: S311
            pass
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    spent = used(counters, one)[0]
    assert 0 <= spent - sum(noted) <= deaths
    rest = application(spent + 10)
    assert [debit(counters, rest, 7), debit(counters, rest, 7), debit(counters, rest, 7)] == [7, 3, 0]


def test_an_application_has_its_own_count(counters: Counters) -> None:
    one, other = application(5), application(5, number=8)
    assert counters.debit({one: 9, other: 2}, START) == {one: 5, other: 2}
    assert (used(counters, one), used(counters, other)) == ((5, 4), (2, 0))


def test_a_count_begins_anew_with_each_window(counters: Counters) -> None:
    one = application(5)
    assert [debit(counters, one, 9, at) for at in (START, NEXT - 1, NEXT, NEXT + 1)] == [5, 0, 5, 0]


def test_what_is_given_back_can_be_had_again_in_its_window_only(counters: Counters) -> None:
    one = application(5)
    debit(counters, one, 5)
    debit(counters, one, 5, NEXT)
    counters.give_back({one: 2}, START)
    assert debit(counters, one, 9, NEXT) == 0
    assert debit(counters, one, 9) == 2


def test_what_is_given_back_too_late_is_forgotten(counters: Counters) -> None:
    one = application(5)
    for window in range(3):
        debit(counters, one, 5, START + window * WINDOW_S * SECOND)
    counters.give_back({one: 5}, START)
    assert used(counters, one) == (0, 0)
    assert [debit(counters, one, 9, START + window * WINDOW_S * SECOND) for window in (1, 2)] == [0, 0]


def test_a_straggler_is_billed_in_its_own_window(counters: Counters) -> None:
    one = application(10)
    assert debit(counters, one, 4) == 4
    assert debit(counters, one, 10, NEXT) == 10
    assert [debit(counters, one, 5), debit(counters, one, 5)] == [5, 1]
    assert (used(counters, one)[0], used(counters, one, NEXT)[0]) == (10, 10)


def test_a_straggler_of_a_window_that_is_forgotten_gets_nothing(counters: Counters) -> None:
    one = application(10)
    for window in (1, 2):
        debit(counters, one, 1, START + window * WINDOW_S * SECOND)
    assert debit(counters, one, 1) == 0


def test_what_the_ledger_has_is_counted_before_anything_is_served(counters: Counters) -> None:
    one = application(10)
    counters.restore(one.id, 3, counters.window(START))
    counters.restore(one.id, 2, counters.window(START))  # from the ledger file of another worker
    counters.restore(one.id, 6, counters.window(NEXT))
    assert (debit(counters, one, 9), debit(counters, one, 9, NEXT)) == (5, 4)


def test_more_restored_than_was_bought_is_no_debt(counters: Counters) -> None:
    one = application(10)
    counters.restore(one.id, 30, counters.window(START))
    assert (debit(counters, one, 1), debit(counters, one, 1, NEXT)) == (0, 1)


@pytest.mark.parametrize(("capacity", "got"), [(25, 15), (10, 0), (4, 0), (0, 0)])
def test_a_changed_capacity_counts_within_the_window(counters: Counters, capacity: int, got: int) -> None:
    assert debit(counters, application(10), 10) == 10
    assert debit(counters, application(capacity), 100) == got
    assert used(counters, application(capacity))[0] == 10 + got


def test_a_licence_counts_from_its_first_second_and_no_longer_than_its_last(counters: Counters) -> None:
    start, end = START // SECOND + 10, START // SECOND + 20
    licences = (Licence(2, 5, start, end),)
    one = Application(7, "app", None, None, (), None, disabled=False, licences=licences)
    moments = (start * SECOND - 1, start * SECOND, end * SECOND - 1, end * SECOND)
    assert [debit(counters, one, 3, at) for at in moments] == [0, 3, 3, 0]


def test_refusals_are_counted_beside(counters: Counters) -> None:
    one = application(2)
    debit(counters, one, 5)
    counters.refused(one.id, START)
    counters.refused(one.id, NEXT)
    assert (used(counters, one), used(counters, one, NEXT)) == ((2, 4), (0, 1))


@pytest.mark.parametrize("into", [0, 1, 1_799.5, 3_598, 3_599.999999])  # seconds
def test_retry_after_leads_into_the_next_window(counters: Counters, into: float) -> None:
    at = START + int(into * SECOND)
    exhausted = Exhaustion.of(application(20_000), at, counters.window_s)
    then = (at // SECOND + exhausted.retry_after_s) * SECOND
    assert counters.window(then) == counters.window(at) + 1
    assert counters.window(then - SECOND) == counters.window(at), "a second less would do"
    assert (exhausted.application, exhausted.capacity, exhausted.licences) == ("app 7", 20_000, 1)
    assert exhausted.window_s == WINDOW_S


def test_a_straggler_may_be_the_first_of_its_window(counters: Counters) -> None:
    """The counters have the windows 10 and 8; a worker a moment behind brings the first stamps of 9."""
    buyer, length = application(5), counters.window_s * 1_000_000
    for window in (8, 10):
        assert debit(counters, buyer, 1, window * length) == 1
    assert debit(counters, buyer, 7, 9 * length) == 5
    assert debit(counters, buyer, 1, 9 * length) == 0
    assert counters.used(buyer.id, 10) == (1, 0)


def test_windows_that_are_yet_to_come_are_forgotten_and_no_others(counters: Counters) -> None:
    """After `tsa clock accept`: what was had before the clock ran ahead counts, also in the window after."""
    one = application(10)
    assert debit(counters, one, 6) == 6
    assert debit(counters, one, 10, NEXT + 5 * (NEXT - START)) == 10
    counters.forget_after(START + 1)
    assert debit(counters, one, 9) == 4
    assert debit(counters, one, 3, NEXT) == 3
    assert used(counters, one) == (10, 5)
    assert used(counters, one, NEXT) == (3, 0)
    assert debit(counters, one, 10, NEXT + 5 * (NEXT - START)) == 10
