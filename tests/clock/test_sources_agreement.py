"""Which servers agree, on what, and what the others are told apart by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsa.clock.sources.agreement import Sample, intersect, judge
from tsa.clock.sources.reading import US, Distrusted, NoAnswer, next_month

NOW_US = 1_800_000_000_000_000
SMALL = st.integers(-12, 12)
INTERVALS = st.lists(st.tuples(SMALL, SMALL).map(lambda ends: (min(ends), max(ends))), min_size=1, max_size=7)


def sample(server: str, offset_us: int, distance_us: int = 1_000, leap: int = 0) -> Sample:
    return Sample(server, offset_us, distance_us, leap)


@given(INTERVALS)
def test_the_intersection_is_that_of_every_point_tried(intervals: list[tuple[int, int]]) -> None:
    shared = {point: sum(low <= point <= high for low, high in intervals) for point in range(-12, 13)}
    most = max(shared.values())
    best = [point for point, count in shared.items() if count == most]
    assert intersect(intervals) == (best[0], best[-1], most)


@given(SMALL, st.data())
def test_the_truth_is_not_outside_while_a_majority_tells_it(truth: int, data: st.DataObject) -> None:
    spans = st.tuples(st.integers(0, 6), st.integers(0, 6)).map(lambda each: (truth - each[0], truth + each[1]))
    right = data.draw(st.lists(spans, min_size=1, max_size=5))
    wrong = data.draw(st.lists(INTERVALS.map(lambda each: each[0]), max_size=len(right) - 1))
    low, high, count = intersect(data.draw(st.permutations(right + wrong)))
    # Liars that happen to agree with some of the right ones can be more than all of these.
    if count <= len(right):
        assert low <= truth <= high


def test_nothing_to_intersect() -> None:
    with pytest.raises(ValueError):
        intersect([])


def test_the_bound_is_that_of_what_all_share() -> None:
    reading = judge([sample("a", 100), sample("b", 900), sample("c", -300)], {}, 2, NOW_US)
    assert (reading.offset_us, reading.error_us) == (300, 700)  # they share -100 to 700
    assert reading.detail == "3 of 3 agree: a, b, c"
    assert reading.leap_us is None


def test_one_that_disagrees_is_named_with_its_offset() -> None:
    reading = judge([sample("a", 0), sample("b", 5 * US), sample("c", 10)], {"d": "refuses (RATE)"}, 2, NOW_US)
    assert reading.detail == ("2 of 4 agree: a, c; left out: b (+5.000000 s ± 0.001000 s) disagrees, d refuses (RATE)")
    assert reading.error_us < 2_000


def test_two_that_disagree_differently() -> None:
    with pytest.raises(Distrusted, match=r"2 of 3 must say the same: a \(\+0.*, b \(\+5.*, c \(-5.* s\)\. Find out"):
        judge([sample("a", 0), sample("b", 5 * US), sample("c", -5 * US)], {}, 2, NOW_US)


def test_a_quorum_that_another_contradicts_is_not_enough() -> None:
    samples = [sample("a", 0), sample("b", 0), sample("c", 5 * US), sample("d", 5 * US)]
    with pytest.raises(Distrusted, match="3 of 4 must say the same"):
        judge(samples, {}, 2, NOW_US)


def test_agreement_of_fewer_than_the_quorum_is_not_enough() -> None:
    samples = [sample("a", 0), sample("b", 0), sample("c", 5 * US)]
    with pytest.raises(Distrusted, match="3 of 3 must say the same"):
        judge(samples, {}, 3, NOW_US)


def test_too_few_that_can_be_used() -> None:
    with pytest.raises(
        NoAnswer, match=r"1 of the NTP servers can be used where 2 are needed: b refuses \(DENY\)\. See"
    ):
        judge([sample("a", 0)], {"b": "refuses (DENY)"}, 2, NOW_US)


def test_a_leap_second_is_believed_of_a_majority_of_those_that_agree() -> None:
    quiet, inserting, deleting = sample("a", 0), sample("b", 0, leap=1), sample("c", 0, leap=2)
    wrong = sample("d", 5 * US, leap=1)
    assert judge([quiet, inserting, inserting], {}, 2, NOW_US).leap_us == next_month(NOW_US)
    assert judge([quiet, deleting, deleting], {}, 2, NOW_US).leap_us == next_month(NOW_US)
    assert judge([quiet, inserting, quiet], {}, 2, NOW_US).leap_us is None
    assert judge([quiet, quiet, inserting, inserting, quiet, wrong], {}, 2, NOW_US).leap_us is None
    assert judge([quiet, inserting], {}, 2, NOW_US).leap_us is None
