"""The gate opens and closes as the sources, steps of the clock and the ledger have it; all of it is journalled."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from tests.clock.test_clock import SECOND_US, START_US, Wall
from tsa.clock.clock import Clock, ClockPair
from tsa.clock.gate import SharedGate
from tsa.clock.journal import Journal, JournalEntry
from tsa.clock.measurer import CLOSED_POLL_S, SETTLING, Measurer
from tsa.clock.sources.reading import Distrusted, NoAnswer, Reading
from tsa.protocol.errors import TimeNotAvailable
from tsa.state.config import ClockTable, Config, TokenTable

Answer = Reading | Exception


class Bench:
    """A measurer with sources and a clock that the test sets, and the clock of a process that stamps."""

    def __init__(self, state: Path, *sources: str, **settings: object) -> None:
        self.wall = Wall()
        self.answers: dict[str, Answer | Callable[[], Reading]] = {}
        self.asked: list[str] = []
        self.state = state
        self.shared = SharedGate()
        self.settings = ClockTable.model_validate({"sources": sources, "ntp_servers": ("a", "b", "c"), **settings})
        self.token = TokenTable(fraction_digits=6)
        self.clocks = ClockPair(self.wall.wall_ns, self.wall.boot_ns)
        self.clock = Clock(self.shared, self.clocks)
        self.measurer = self.another()

    def another(self) -> Measurer:
        """A measurer that takes the gate over."""
        config = Config(dir=self.state, clock=self.settings, token=self.token)
        return Measurer(config, self.shared, self.read_source, self.clocks)

    def read_source(self, source: str, settings: ClockTable, now_us: int) -> Reading:
        assert (settings, now_us) == (self.settings, self.wall.us)
        self.asked.append(source)
        answer = self.answers.get(source, reading(source))
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reading) else answer()

    def go_on(self, seconds: float) -> None:
        """Let time go by, as the measurer has it: with four looks a second."""
        for _ in range(round(4 * seconds)):
            self.wall.pass_(SECOND_US // 4)
            self.measurer.tick()

    def is_open(self) -> bool:
        """Whether stamps are given, as a process that stamps has it."""
        try:
            self.clock.gen_time()
        except TimeNotAvailable:
            return False
        return True

    def journal(self, *kinds: str) -> list[JournalEntry]:
        with closing(Journal(self.state)) as journal:
            return [entry for entry in journal.history() if not kinds or entry.kind in kinds]


def reading(
    source: str,
    offset_us: int = 0,
    error_us: int = 1_000,
    leap_us: int | None = None,
    reference_us: int | None = None,
) -> Reading:
    return Reading(source, offset_us, error_us, leap_us, f"{source} is well", reference_us)


def begun(state: Path, *sources: str, **settings: object) -> Bench:
    bench = Bench(state, *(sources or ("ntp",)), **settings)
    bench.measurer.begin()
    return bench


def test_the_first_measurement_opens_the_gate(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "ntp", accuracy_floor_ms=1)
    assert not bench.is_open()
    bench.answers["ntp"] = reading("ntp", offset_us=-2_000, error_us=3_000)
    bench.measurer.begin()
    assert bench.clock.gen_time() == (START_US, 3_000)
    assert [(entry.kind, entry.source, entry.offset, entry.error, entry.verdict) for entry in bench.journal()] == [
        ("measured", "ntp", -2_000, 3_000, "trusted"),
        ("opened", None, None, 3_000, None),
    ]


def test_sources_are_asked_once_a_poll(tmp_path: Path) -> None:
    bench = begun(tmp_path, poll_s=20.0)
    bench.go_on(19.75)
    assert bench.asked == ["ntp"]
    bench.go_on(0.25)
    assert bench.asked == ["ntp", "ntp"]


def test_a_source_that_says_no_closes_the_gate_and_is_asked_more_often(tmp_path: Path) -> None:
    bench = begun(tmp_path, "kernel", "ntp")
    bench.answers["kernel"] = Distrusted("not synchronised: start chronyd")
    bench.go_on(64)
    assert not bench.is_open()
    assert bench.clock.why_closed() == "not synchronised: start chronyd"
    del bench.answers["kernel"]
    bench.go_on(CLOSED_POLL_S)
    assert bench.is_open()
    assert [entry.kind for entry in bench.journal("opened", "closed")] == ["opened", "closed", "opened"]


def test_the_worst_bound_of_several_sources_counts(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "kernel", "chrony", "ntp", accuracy_floor_ms=1)
    bench.answers = {"chrony": reading("chrony", error_us=7_000), "ntp": reading("ntp", error_us=5_000)}
    bench.measurer.begin()
    assert bench.clock.gen_time()[1] == 7_000


def test_sources_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "chrony", "ntp")
    bench.answers = {"chrony": reading("chrony"), "ntp": reading("ntp", offset_us=90_000, error_us=91_000)}
    bench.measurer.begin()
    assert bench.clock.why_closed() == "The sources chrony and ntp disagree by 0.088 s more than they allow for."


def test_a_source_that_falls_silent_is_believed_until_its_bound_outgrows_what_is_allowed(tmp_path: Path) -> None:
    bench = begun(tmp_path, accuracy_floor_ms=1, max_accuracy_ms=10, drift_ppm=100, poll_s=16.0)
    bench.answers["ntp"] = NoAnswer("nobody answers")
    bench.go_on(90)
    assert bench.clock.gen_time()[1] == 1_000 + 90 * 100, "measured once, and 90 s old"
    assert "nobody answers" in bench.shared.read().text
    bench.go_on(0.25)
    assert "may be off by 10.0 ms" in bench.clock.why_closed()
    assert bench.journal("closed")
    bench.answers["ntp"] = reading("ntp")
    bench.go_on(16)
    assert bench.is_open()


def test_a_source_that_never_answered_keeps_the_gate_closed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "ntp")
    bench.answers["ntp"] = NoAnswer("nobody answers")
    bench.measurer.begin()
    assert bench.clock.why_closed() == "nobody answers"


@pytest.mark.parametrize("by_s", [10, -10])
def test_after_a_step_the_clock_is_measured_at_once(tmp_path: Path, by_s: int) -> None:
    bench = begun(tmp_path)
    bench.answers["ntp"] = reading("ntp", offset_us=-by_s * SECOND_US, error_us=10_001_000)
    bench.wall.step(by_s * SECOND_US)
    assert not bench.is_open(), "before the measurer has seen it"
    bench.go_on(0.25)
    assert "may be off by 10001.0 ms" in bench.clock.why_closed()
    bench.answers["ntp"] = reading("ntp")
    bench.wall.step(-by_s * SECOND_US)
    bench.go_on(0.25)
    assert bench.is_open()
    assert [entry.offset for entry in bench.journal("stepped")] == [by_s * SECOND_US, -by_s * SECOND_US]


def test_a_step_that_only_a_worker_saw_is_measured_too(tmp_path: Path) -> None:
    bench = begun(tmp_path)
    bench.wall.step(10 * SECOND_US)
    assert not bench.is_open()
    bench.wall.step(-10 * SECOND_US)
    assert not bench.is_open()
    bench.go_on(0.25)
    assert bench.is_open()
    assert bench.asked == ["ntp", "ntp"]


def test_jitter_is_no_step(tmp_path: Path) -> None:
    bench = begun(tmp_path)
    for by_us in (1_000, -2_000, 1_000):
        bench.wall.step(by_us)
        assert bench.is_open()
        bench.go_on(0.25)
    assert bench.asked == ["ntp"]


@pytest.mark.parametrize("by_s", [10, -10])
def test_a_clock_taken_at_its_word_must_settle_after_a_step(tmp_path: Path, by_s: int) -> None:
    bench = begun(tmp_path, "system", settle_s=30.0)
    assert bench.is_open()
    bench.wall.step(by_s * SECOND_US)
    bench.go_on(20)
    assert bench.clock.why_closed() == SETTLING
    bench.wall.step(SECOND_US)
    bench.go_on(29.75)
    assert not bench.is_open(), "it was stepped again"
    bench.go_on(0.75)
    assert bench.is_open()


def test_a_measurer_that_follows_another_knows_of_a_step_between_them(tmp_path: Path) -> None:
    bench = begun(tmp_path, "system")
    bench.wall.step(10 * SECOND_US)
    bench.measurer = bench.another()
    bench.measurer.begin()
    assert bench.clock.why_closed() == SETTLING
    bench.measurer = bench.another()
    bench.measurer.begin()
    assert bench.clock.why_closed() == SETTLING, "and so does the one after it"
    bench.go_on(60.5)
    assert bench.is_open()


def test_chronyd_is_believed_after_a_step_when_it_has_heard_from_its_servers(tmp_path: Path) -> None:
    bench = begun(tmp_path, "chrony")
    bench.answers["chrony"] = reading("chrony", reference_us=START_US)
    bench.go_on(64)
    assert bench.is_open(), "without a step it does not matter when that was"
    bench.wall.step(5 * SECOND_US)
    bench.go_on(40)
    assert "has not heard from its own servers since" in bench.clock.why_closed()
    bench.answers["chrony"] = reading("chrony", reference_us=START_US + 70 * SECOND_US)
    bench.go_on(CLOSED_POLL_S)
    assert bench.is_open()


def test_a_measurer_that_follows_another_knows_that_chronyd_has_not_heard_since_a_step(tmp_path: Path) -> None:
    """A reload, or a restart of the server, makes nothing true that chronyd says of the clock before the step."""
    bench = begun(tmp_path, "chrony")
    bench.answers["chrony"] = reading("chrony", reference_us=START_US)
    bench.go_on(64)
    bench.wall.step(5 * SECOND_US)
    bench.go_on(0.25)
    for shared in (bench.shared, SharedGate()):
        bench.shared, bench.clock = shared, Clock(shared, bench.clocks)
        bench.measurer = bench.another()
        bench.measurer.begin()
        assert "has not heard from its own servers since" in bench.clock.why_closed()
    bench.answers["chrony"] = reading("chrony", reference_us=START_US + 70 * SECOND_US)
    bench.go_on(CLOSED_POLL_S)
    assert bench.is_open()


def test_a_small_step_that_the_bound_has_no_room_for_is_measured_too(tmp_path: Path) -> None:
    bench = begun(tmp_path, accuracy_floor_ms=1, max_accuracy_ms=50, max_step_ms=100)
    bench.wall.step(60_000)
    bench.go_on(0.25)
    assert "may be off by 61.0 ms" in bench.clock.why_closed()
    bench.go_on(bench.settings.poll_s + 0.5)
    assert bench.is_open()
    assert [entry.offset for entry in bench.journal("stepped")] == [60_000]


def test_nothing_is_given_around_a_leap_second(tmp_path: Path) -> None:
    leap = START_US + 100 * SECOND_US
    bench = begun(tmp_path, leap_window_s=3, poll_s=1.0)
    bench.answers["ntp"] = reading("ntp", leap_us=leap)
    bench.go_on(96.75)
    assert bench.is_open()
    bench.go_on(0.5)
    assert "leap second" in bench.clock.why_closed()
    del bench.answers["ntp"]  # who announces it may have forgotten it while it lasts
    bench.go_on(2.75)
    bench.wall.step(-SECOND_US)  # what Linux does with an inserted one
    bench.go_on(3.75)
    assert not bench.is_open()
    bench.go_on(0.5)
    assert bench.is_open()


def test_a_deleted_leap_second_is_a_step_forward_in_the_window(tmp_path: Path) -> None:
    bench = begun(tmp_path, leap_window_s=3, poll_s=1.0)
    bench.answers["ntp"] = reading("ntp", leap_us=START_US + 100 * SECOND_US)
    bench.go_on(99)
    assert not bench.is_open()
    bench.wall.step(SECOND_US)
    del bench.answers["ntp"]
    bench.go_on(2.75)
    assert not bench.is_open()
    bench.go_on(0.5)
    assert bench.is_open()


def test_a_leap_second_that_is_taken_back_closes_nothing(tmp_path: Path) -> None:
    bench = begun(tmp_path, poll_s=1.0)
    bench.answers["ntp"] = reading("ntp", leap_us=START_US + 100 * SECOND_US)
    bench.go_on(50)
    del bench.answers["ntp"]
    bench.go_on(50)
    assert bench.is_open()


def test_a_journal_that_cannot_be_read_keeps_the_gate_closed_at_start_and_not_later(tmp_path: Path) -> None:
    """It alone knows which genTimes of the ledger a person has accepted as wrong."""
    (tmp_path / "clock.db").mkdir()
    with structlog.testing.capture_logs() as logged:
        bench = begun(tmp_path)
        assert "clock.db cannot be used" in bench.clock.why_closed()
        (tmp_path / "clock.db").rmdir()
        bench.go_on(0.25)
        assert bench.is_open()
        (tmp_path / "clock.db").rename(tmp_path / "elsewhere")
        (tmp_path / "clock.db").mkdir()
        bench.measurer = bench.another()
        bench.measurer.begin()
        assert bench.is_open()
    assert "clock not journalled" in {event["event"] for event in logged}


def test_a_measurer_that_dies_in_a_leap_window_leaves_it_to_the_next(tmp_path: Path) -> None:
    bench = begun(tmp_path, poll_s=1.0)
    bench.answers["ntp"] = reading("ntp", leap_us=START_US + 10 * SECOND_US)
    bench.go_on(9)
    del bench.answers["ntp"]
    bench.measurer = bench.another()
    bench.measurer.begin()
    assert "leap second" in bench.clock.why_closed()


def test_what_gen_time_loses_to_its_digits_is_part_of_the_accuracy(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "ntp", accuracy_floor_ms=1)
    bench.token = TokenTable(fraction_digits=1)
    bench.measurer = bench.another()
    bench.measurer.begin()
    assert bench.clock.gen_time()[1] == 1_000 + 100_000


def test_each_opening_and_closing_is_logged_once(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logged:
        bench = begun(tmp_path)
        bench.answers["ntp"] = Distrusted("they disagree")
        bench.go_on(200)
        del bench.answers["ntp"]
        bench.go_on(200)
    assert [event["event"] for event in logged] == ["clock trusted", "clock not trusted", "clock trusted"]
    assert logged[1]["reason"] == "they disagree"
