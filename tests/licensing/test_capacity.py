"""How the sold capacity compares with what the machine can sign, and how many signing workers serve it."""

import dataclasses
import math
import os
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.units import application, config
from tsa.licensing.applications import Application
from tsa.licensing.capacity import STAMP_OVERHEAD_US, measure, most_signing_workers, worker_count
from tsa.licensing.contract import Licence

NOW = int(time.time())
P256_US, SLOW_US = 22.0, 1_500.0


def has(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    """Give the machine so many cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cores)))


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, 2)


def holder(*licences: Licence, disabled: bool = False) -> Application:
    return Application(1, "app", None, None, (), None, disabled=disabled, licences=licences)


def sold(count: int, stamps: int = 20_000) -> list[Application]:
    return [holder(Licence(count, stamps, 0, None))]


def test_workers_and_threads_are_as_set_or_shared_among_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, 8)
    assert worker_count(config()) == 8
    assert worker_count(config(server={"workers": 3})) == 3
    assert most_signing_workers(config()) == 4
    assert most_signing_workers(config(server={"workers": 3})) == 10
    assert most_signing_workers(config(server={"workers": 100})) == 1
    assert most_signing_workers(config(signing={"threads": 5})) == 5


@given(st.integers(1, 128), st.integers(0, 256))
def test_all_processes_together_have_at_most_four_signing_workers_a_core(cores: int, workers: int) -> None:
    """But each has one, however many of them there are."""
    with pytest.MonkeyPatch.context() as patch:
        has(patch, cores)
        settings = config(server={"workers": workers})
        processes = worker_count(settings)
        assert most_signing_workers(settings) >= 1
        assert most_signing_workers(settings) * processes <= max(4 * cores, processes)
        for licences in (0, 1, processes, 10_000):
            staffed = measure(settings, sold(licences), P256_US).signing_workers
            assert processes <= staffed <= max(4 * cores, processes)
            assert staffed == max(processes, min(licences, most_signing_workers(settings) * processes))


@pytest.mark.parametrize(
    ("licences", "signing", "workers", "staffed"),
    [
        (0, {}, 1, 1),  # never fewer than one a process
        (0, {}, 2, 2),
        (1, {}, 1, 1),
        (5, {}, 1, 5),
        (8, {}, 1, 8),
        (9, {}, 1, 8),  # two cores, four on each
        (5, {"workers_per_licence": 0.5}, 1, 3),
        (3, {"workers_per_licence": 2.0}, 1, 6),
        (9, {"threads": 3}, 1, 3),
        (9, {"threads": 3}, 2, 6),
        (9, {}, 4, 8),
    ],
)
def test_a_signing_worker_for_each_licence(
    licences: int, signing: dict[str, float], workers: int, staffed: int
) -> None:
    settings = config(signing=signing, server={"workers": workers})
    assert measure(settings, sold(licences), P256_US).signing_workers == staffed


@pytest.mark.parametrize(
    ("applications", "licences", "stamps"),
    [
        ([], 0, 0),
        ([holder()], 0, 0),
        ([holder(Licence(2, 20_000, 0, None), Licence(3, 10_000, 0, None))], 5, 70_000),
        ([holder(Licence(2, 20_000, 0, None)), holder(Licence(1, 5, 0, None))], 3, 40_005),
        ([holder(Licence(2, 20_000, 0, None)), holder(Licence(9, 9, 0, None), disabled=True)], 2, 40_000),
        (
            [holder(Licence(2, 20_000, 0, NOW - 60), Licence(3, 9, NOW + 3600, None), Licence(1, 7, 0, NOW + 3600))],
            1,
            7,
        ),
    ],
)
def test_what_is_sold_is_what_counts_now(applications: Sequence[Application], licences: int, stamps: int) -> None:
    found = measure(config(), applications, P256_US)
    assert (found.licences, found.stamps_per_hour) == (licences, stamps)


@pytest.mark.parametrize(("enabled", "licences"), [(True, 5), (False, 3)])
def test_licences_of_anonymous_callers_count_while_these_are_served(enabled: bool, licences: int) -> None:
    nobody = application(1, stamps=20_000, name="anonymous")
    others = [dataclasses.replace(nobody, id=2, name="app", licences=(Licence(3, 20_000, 0, None),))]
    anonymous = dataclasses.replace(nobody, licences=(Licence(2, 20_000, 0, None),))
    assert measure(config(anonymous={"enabled": enabled}), [anonymous, *others], P256_US).licences == licences


@pytest.mark.parametrize("window_s", [3600, 60, 1])
def test_a_shorter_window_makes_more_of_an_hour(window_s: int) -> None:
    found = measure(config(licence={"window_s": window_s}), sold(2, 100), P256_US)
    assert found.stamps_per_hour == 200 * 3600 // window_s


@pytest.mark.parametrize(("cores", "workers", "busy"), [(2, 0, 2), (2, 1, 1), (2, 5, 2), (8, 3, 3)])
def test_a_core_serves_one_process_at_a_time(
    monkeypatch: pytest.MonkeyPatch, cores: int, workers: int, busy: int
) -> None:
    has(monkeypatch, cores)
    found = measure(config(server={"workers": workers}), sold(2), 25.0)
    assert found.signatures_per_s == pytest.approx(busy * 40_000)
    assert found.stamps_per_s == pytest.approx(busy * 1e6 / (25 + STAMP_OVERHEAD_US))
    assert found.stamps_per_s < found.signatures_per_s


@pytest.mark.parametrize("cost_us", [P256_US, SLOW_US])
def test_headroom_is_how_many_times_over_it_fits(cost_us: float) -> None:
    one = measure(config(), sold(1), cost_us)
    most = int(one.headroom)
    assert most > 1
    assert measure(config(), sold(most), cost_us).headroom >= 1
    assert measure(config(), sold(most + 1), cost_us).headroom < 1
    assert measure(config(), sold(2), cost_us).headroom == pytest.approx(one.headroom / 2)


def test_nothing_sold_always_fits() -> None:
    assert measure(config(), [], SLOW_US).headroom == math.inf


def test_the_line_has_every_figure() -> None:
    """Issue 3: licences, stamps/h, workers, signatures/s available, headroom."""
    overhead = STAMP_OVERHEAD_US
    line = str(measure(config(server={"workers": 1}), sold(50), 500.0))
    rate = 1e6 / (500 + overhead)
    assert line == (
        "50 licences, 1,000,000 stamps/h; 8 signing workers, 2,000 signatures/s,"
        f" {rate:,.0f} stamps/s; headroom {rate * 3600 / 1_000_000:,.1f}"
    )
    assert "\n" not in str(measure(config(), [], P256_US))
