"""genTime never goes back, and is not given while the clock is not trusted."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import MAX_STEP_US, clock, open_gate
from tsa.clock.clock import CLOSED, Clock, ClockPair
from tsa.clock.gate import NOBODY_MEASURES_US, Gate, SharedGate
from tsa.protocol.errors import TimeNotAvailable

START_US = 1_700_000_000_000_000
BOOT_US = 5_000_000_000
SECOND_US = 1_000_000


class Wall:
    """The wall clock and CLOCK_BOOTTIME of a machine, µs; `pass_` lets time go by, `step` sets the wall clock."""

    def __init__(self) -> None:
        self.us, self.boot_us = START_US, BOOT_US

    def step(self, by_us: int) -> None:
        self.us += by_us

    def pass_(self, us: int) -> None:
        self.us, self.boot_us = self.us + us, self.boot_us + us

    def wall_ns(self) -> int:
        return self.us * 1_000 + 999

    def boot_ns(self) -> int:
        return self.boot_us * 1_000


GATE = Gate(
    trusted=True,
    anchor_us=START_US - BOOT_US,
    measured_us=BOOT_US,
    error_us=3_000,
    drift_ppm=100,
    floor_us=2_000,
    max_accuracy_us=500_000,
    max_step_us=MAX_STEP_US,
    text="a test",
)


def gated(wall: Wall, gate: Gate = GATE) -> Clock:
    shared = SharedGate()
    shared.alive_us = 1 << 62
    shared.write(gate)
    return Clock(shared, ClockPair(wall.wall_ns, wall.boot_ns))


def refuses(clock: Clock) -> str:
    """Why no genTime is to be had."""
    with pytest.raises(TimeNotAvailable, match=CLOSED):
        clock.gen_time()
    return clock.why_closed()


def test_gen_time_is_the_clocks_in_whole_microseconds_with_the_error_measured() -> None:
    assert gated(Wall()).gen_time() == (START_US, 3_000)


def test_what_is_claimed_is_never_less_than_the_floor() -> None:
    assert gated(Wall(), GATE._replace(floor_us=250_000)).gen_time() == (START_US, 250_000)


def test_the_error_grows_with_the_age_of_the_measurement() -> None:
    wall = Wall()
    clock = gated(wall)
    wall.pass_(60 * SECOND_US)
    assert clock.gen_time() == (START_US + 60 * SECOND_US, 3_000 + 60 * 100)


def test_a_clock_that_may_be_off_by_too_much_is_not_trusted_until_it_is_measured_again() -> None:
    wall = Wall()
    clock = gated(wall)
    wall.pass_(4_970 * SECOND_US)
    assert clock.gen_time()[1] == 500_000
    wall.pass_(SECOND_US)
    assert "500.1 ms" in refuses(clock)
    clock.gate.write(GATE._replace(measured_us=wall.boot_us))
    assert clock.gen_time() == (START_US + 4_971 * SECOND_US, 3_000)


def test_nothing_is_given_before_the_first_measurement() -> None:
    shared = SharedGate()
    shared.alive_us = 1 << 62
    assert refuses(Clock(shared)) == "The clock has not been measured yet."


def test_nothing_is_given_when_nobody_measures_any_more() -> None:
    wall = Wall()
    clock = gated(wall)
    clock.gate.alive_us = BOOT_US
    wall.pass_(NOBODY_MEASURES_US)
    clock.gen_time()
    wall.pass_(1)
    assert "the process that measures it" in refuses(clock)


@pytest.mark.parametrize("by_us", [-MAX_STEP_US, -1_000, 1_000, MAX_STEP_US])
def test_a_small_step_adds_to_what_is_claimed(by_us: int) -> None:
    wall = Wall()
    clock = gated(wall)
    wall.step(by_us)
    assert clock.gen_time() == (START_US + by_us, 3_000 + abs(by_us))


@pytest.mark.parametrize("by_us", [-10 * SECOND_US, -MAX_STEP_US - 1, MAX_STEP_US + 1, 10 * SECOND_US])
def test_a_large_step_closes_the_gate_until_the_clock_is_measured_again(by_us: int) -> None:
    wall = Wall()
    clock = gated(wall)
    wall.step(by_us)
    assert "was stepped" in refuses(clock)
    assert clock.gate.suspected
    wall.step(-by_us)
    assert "was stepped" in refuses(clock), "a clock that was set once, and back, is nobody's measured clock"
    clock.gate.write(GATE)
    assert clock.gen_time() == (START_US, 3_000)


def test_a_process_that_is_halted_between_two_looks_sees_no_step() -> None:
    wall, looks = Wall(), iter([1, 0, 0, 0, 0])
    clock = gated(wall)

    def halted() -> int:
        return (BOOT_US + next(looks) * SECOND_US) * 1_000

    clock._clocks = ClockPair(wall.wall_ns, halted)
    assert clock.gen_time() == (START_US, 3_000)


@pytest.mark.parametrize("step", [1, MAX_STEP_US])
def test_a_small_step_back_repeats_the_last_gen_time(step: int) -> None:
    wall = Wall()
    clock = gated(wall)
    clock.gen_time()
    wall.step(-step)
    assert clock.gen_time() == (START_US, 3_000 + 2 * step), "it is off by the step, and repeated for as long"
    wall.pass_(step + 5)
    assert clock.gen_time()[0] == START_US + 5


def test_small_steps_do_not_add_up_to_a_large_one() -> None:
    wall = Wall()
    clock = clock_of(wall)
    clock.gen_time()
    wall.step(-MAX_STEP_US)
    clock.gen_time()
    wall.step(-1)
    refuses(clock)


def clock_of(wall: Wall) -> Clock:
    """A clock whose CLOCK_BOOTTIME goes with the wall clock, so that no step is seen: only what was given is known."""
    return clock(wall.wall_ns, 1)


def test_a_clock_behind_its_last_gen_time_is_refused_until_it_has_caught_up() -> None:
    wall = Wall()
    clock = clock_of(wall)
    clock.gen_time()
    wall.step(-3_600 * SECOND_US)
    assert "lies 3600.000 s in the future" in refuses(clock)
    wall.us = START_US - MAX_STEP_US - 1
    refuses(clock)
    wall.us = START_US + 1
    assert clock.gen_time() == (START_US + 1, 1)


@given(st.lists(st.integers(-3 * MAX_STEP_US, 3 * MAX_STEP_US), max_size=40))
def test_whatever_the_clock_does_gen_time_never_goes_back(steps: list[int]) -> None:
    wall = Wall()
    clock = clock_of(wall)
    last = 0
    for step in steps:
        wall.us += step
        try:
            gen_time, accuracy = clock.gen_time()
        except TimeNotAvailable:
            assert wall.us < last - MAX_STEP_US
        else:
            assert gen_time >= last
            assert 0 <= gen_time - wall.us <= min(MAX_STEP_US, accuracy)
            last = gen_time


def test_the_ledgers_newest_gen_time_is_waited_for() -> None:
    wall = Wall()
    clock = gated(wall, GATE._replace(newest_us=START_US + SECOND_US))
    assert "lies 1.000 s in the future by this clock" in refuses(clock)
    wall.pass_(SECOND_US - 1)
    assert clock.gen_time()[0] == START_US + SECOND_US


def test_what_was_accepted_as_wrong_holds_nothing_up_once_the_process_knows() -> None:
    wall = Wall()
    clock = gated(wall)
    clock.gen_time()
    wall.step(-10 * SECOND_US)
    clock.gate.write(GATE._replace(epoch=1, anchor_us=wall.us - wall.boot_us))
    assert "accept" in refuses(clock)
    clock.begin_epoch(1)
    assert clock.gen_time() == (START_US - 10 * SECOND_US, 3_000)


@pytest.mark.parametrize(
    ("at_us", "closed"), [(-2_000_001, False), (-2_000_000, True), (1_999_999, True), (2_000_000, False)]
)
def test_nothing_is_given_around_a_leap_second(at_us: int, closed: bool) -> None:
    wall, leap = Wall(), START_US + 60 * SECOND_US
    clock = gated(wall, GATE._replace(leap_from_us=leap - 2 * SECOND_US, leap_until_us=leap + 2 * SECOND_US))
    wall.pass_(60 * SECOND_US + at_us)
    assert ("leap second" in clock.why_closed()) == closed
    if closed:
        refuses(clock)
    else:
        assert clock.gen_time()[0] == leap + at_us


def test_the_shared_gate_holds_what_was_written_last() -> None:
    shared = SharedGate()
    assert (shared.number, shared.read()) == (0, Gate())
    for number in range(1, 4):
        shared.write(GATE._replace(error_us=number, text=f"measured {number} ± …"))
        assert (shared.number, shared.read()) == (number, GATE._replace(error_us=number, text=f"measured {number} ± …"))
    assert shared.read() is shared.read()


def test_a_text_that_is_too_long_for_the_memory_is_cut() -> None:
    shared = SharedGate()
    shared.write(GATE._replace(text="é" * 5_000))
    assert shared.read().text.startswith("é" * 700)
    assert shared.read()._replace(text="") == GATE._replace(text="")


def test_a_state_that_is_written_while_it_is_read_is_read_again() -> None:
    shared = SharedGate()
    shared.write(GATE._replace(text="first"))

    class Torn(SharedGate):
        def __init__(self) -> None:
            self.__dict__ = shared.__dict__

        def _place(self, number: int) -> int:
            if number == 1:
                shared.write(GATE._replace(text="second"))
            return shared._place(number)

    assert Torn().read().text == "second"


def test_the_machines_own_clocks_are_read() -> None:
    shared = open_gate()
    wall, boot = ClockPair().read()
    shared.write(shared.read()._replace(anchor_us=wall - boot, max_step_us=SECOND_US))
    before = time.time_ns() // 1_000
    gen_time, _ = Clock(shared).gen_time()
    assert before <= gen_time <= time.time_ns() // 1_000


def test_wall_time_is_known_while_it_is_not_trusted() -> None:
    wall = Wall()
    read: Callable[[], int] = gated(wall, Gate()).wall_us
    assert read() == START_US
