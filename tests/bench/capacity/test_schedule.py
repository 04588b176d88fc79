"""The open schedule: as many requests as the licence gives, in order, the same for all who make it, never too many."""

from collections import Counter
from itertools import islice, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.capacity.record import GOOD
from bench.capacity.schedule import (
    BAD_SHARE,
    EDGE_SHARE,
    PATTERNS,
    OfferedLoad,
    arrivals,
    constant,
    planned,
    poisson,
    windows,
)

KINDS = ("one", "another")
DRAW = Random(5)  # noqa: S311 - a schedule is no secret

loads = st.builds(
    OfferedLoad,
    rate=st.floats(0.01, 400),
    pattern=st.sampled_from(sorted(PATTERNS)),
    seed=st.integers(0, 1 << 32),
    window_s=st.integers(1, 3600),
)
begins = st.floats(1.7e9, 1.8e9)
lengths = st.floats(0.1, 20)


@given(loads, begins, lengths)
def test_the_good_requests_are_those_of_the_rate(load: OfferedLoad, began: float, seconds: float) -> None:
    schedule = list(arrivals(load, "steady", began, seconds, KINDS))
    good = [arrival for arrival in schedule if arrival.kind == GOOD]
    assert abs(len(good) - load.rate * seconds) <= 1
    assert len(good) == planned(load.rate, seconds)
    assert [arrival.number for arrival in good] == list(range(len(good)))


@given(loads, begins, lengths)
def test_it_is_in_order_and_within_its_phase(load: OfferedLoad, began: float, seconds: float) -> None:
    moments = [arrival.at for arrival in arrivals(load, "steady", began, seconds, KINDS)]
    assert all(0 <= moment <= seconds for moment in moments)
    assert all(before <= after for before, after in pairwise(moments))


@given(loads, begins, lengths)
def test_every_process_makes_the_same(load: OfferedLoad, began: float, seconds: float) -> None:
    first, second = (list(arrivals(load, "steady", began, seconds, KINDS)) for _ in range(2))
    assert first == second


@given(st.integers(1, 400), st.integers(1, 10), st.sampled_from(sorted(PATTERNS)), begins, st.floats(1, 35))
def test_no_window_is_asked_for_more_than_it_gives(
    per_window: int, window_s: int, pattern: str, began: float, seconds: float
) -> None:
    load = OfferedLoad(per_window / window_s, pattern, 7, window_s)
    asked = Counter(int((began + arrival.at) // window_s) for arrival in arrivals(load, "steady", began, seconds, ()))
    assert max(asked.values(), default=0) <= per_window


@given(begins, st.integers(2, 60))
def test_nothing_is_due_at_the_edge_between_two_windows(began: float, window_s: int) -> None:
    for arrival in arrivals(OfferedLoad(40.0, "poisson", 1, window_s), "steady", began, 2.5 * window_s, ()):
        into = (began + arrival.at) % window_s
        away = min(into, window_s - into)
        at_the_ends = min(arrival.at, 2.5 * window_s - arrival.at)
        assert min(away, window_s) >= 0.9 * window_s * EDGE_SHARE or at_the_ends <= window_s * EDGE_SHARE


@given(begins, st.floats(0.1, 100), st.integers(1, 60))
def test_windows_are_counted_from_the_epoch_and_cover_the_phase(began: float, seconds: float, window_s: int) -> None:
    parts = list(windows(began, seconds, window_s))
    assert (parts[0][0], parts[-1][1]) == (0, seconds)
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    for _, end in parts[:-1]:
        assert (began + end) % window_s == pytest.approx(0, abs=1e-5) or (began + end) % window_s > window_s - 1e-5


def test_bad_requests_come_on_top() -> None:
    schedule = list(arrivals(OfferedLoad(1000.0, "poisson", 3, 3600), "steady", 0.0, 10.0, KINDS))
    kinds = Counter(arrival.kind for arrival in schedule)
    assert kinds[GOOD] == 10_000
    assert sum(kinds[kind] for kind in KINDS) == 10_000 * BAD_SHARE
    assert min(kinds[kind] for kind in KINDS) > 0
    assert [each.kind for each in arrivals(OfferedLoad(5.0, "constant", 3, 3600), "steady", 0.0, 1.0, ())] == [GOOD] * 5


def test_another_seed_is_another_schedule() -> None:
    schedules = [
        tuple(islice(arrivals(OfferedLoad(9.0, "poisson", seed, 3600), phase, 0.0, 10.0, ()), 5))
        for seed, phase in ((1, "steady"), (2, "steady"), (1, "warm-up"))
    ]
    assert len(set(schedules)) == 3


def test_constant_is_even() -> None:
    assert list(constant(DRAW, 4)) == [0.125, 0.375, 0.625, 0.875]


def test_poisson_is_even_on_the_whole_and_uneven_in_the_small() -> None:
    """Gaps of a Poisson process: their mean is 1/n, and as many as 1/e of them are longer than that."""
    moments = list(poisson(DRAW, 20_000))
    gaps = [after - before for before, after in pairwise(moments)]
    assert moments[10_000] == pytest.approx(0.5, abs=0.02)
    longer = sum(gap > 1 / 20_000 for gap in gaps) / len(gaps)
    assert longer == pytest.approx(0.368, abs=0.02)
