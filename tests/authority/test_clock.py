"""genTime never goes back: a small step is waited out, a larger one refused until the clock has caught up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsa.authority.clock import MAX_BACKWARD_US, SystemClock
from tsa.protocol.errors import TimeNotAvailable

START_US = 1_700_000_000_000_000


class Hands:
    """What the machine's clock shows, in µs."""

    def __init__(self) -> None:
        self.us = START_US

    def now_ns(self) -> int:
        return self.us * 1_000 + 999


def test_gen_time_is_the_clocks_in_whole_microseconds_with_the_accuracy_claimed() -> None:
    assert SystemClock(250_000, Hands().now_ns).gen_time() == (START_US, 250_000)


@pytest.mark.parametrize("step", [1, MAX_BACKWARD_US])
def test_a_small_step_back_repeats_the_last_gen_time(step: int) -> None:
    hands = Hands()
    clock = SystemClock(1, hands.now_ns)
    clock.gen_time()
    hands.us -= step
    assert clock.gen_time() == (START_US, 1)
    hands.us = START_US + 5
    assert clock.gen_time() == (START_US + 5, 1)


def test_small_steps_do_not_add_up_to_a_large_one() -> None:
    hands = Hands()
    clock = SystemClock(1, hands.now_ns)
    clock.gen_time()
    hands.us -= MAX_BACKWARD_US
    clock.gen_time()
    hands.us -= 1
    with pytest.raises(TimeNotAvailable):
        clock.gen_time()


def test_a_larger_step_back_is_refused_until_the_clock_has_caught_up() -> None:
    hands = Hands()
    clock = SystemClock(1, hands.now_ns)
    clock.gen_time()
    hands.us -= 3_600_000_000
    for _ in range(2):
        with pytest.raises(TimeNotAvailable, match="set back"):
            clock.gen_time()
    hands.us = START_US - MAX_BACKWARD_US - 1
    with pytest.raises(TimeNotAvailable):
        clock.gen_time()
    hands.us = START_US + 1
    assert clock.gen_time() == (START_US + 1, 1)


@given(st.lists(st.integers(-3 * MAX_BACKWARD_US, 3 * MAX_BACKWARD_US), max_size=40))
def test_whatever_the_clock_does_gen_time_never_goes_back(steps: list[int]) -> None:
    hands = Hands()
    clock = SystemClock(1, hands.now_ns)
    last = 0
    for step in steps:
        hands.us += step
        try:
            gen_time, _ = clock.gen_time()
        except TimeNotAvailable:
            assert hands.us < last - MAX_BACKWARD_US
        else:
            assert gen_time >= last
            assert 0 <= gen_time - hands.us <= MAX_BACKWARD_US
            last = gen_time
