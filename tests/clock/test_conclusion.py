"""From the answers of the sources to a conclusion: what counts, what closes, and what is said of it."""

from tsa.clock.conclusion import Measured, SourceState, announced_leap, conclude
from tsa.clock.journal import NO_ANSWER, NOT_TRUSTED, TRUSTED, JournalEntry
from tsa.clock.sources.reading import Reading

BOOT_US = 5_000_000_000


def trusted(source: str, error_us: int = 1_000, offset_us: int = 0, leap_us: int | None = None) -> SourceState:
    reading = Reading(source, offset_us, error_us, leap_us, f"{source} is well")
    return SourceState(JournalEntry(0, "measured", source, verdict=TRUSTED), Measured(reading, BOOT_US))


def silent(before: SourceState) -> SourceState:
    """The state of a source that answered before, and then does not."""
    return SourceState(before.answer._replace(verdict=NO_ANSWER, why="nobody answers"), before.measured)


def at_fault(source: str, verdict: str = NOT_TRUSTED) -> SourceState:
    return SourceState(JournalEntry(0, "measured", source, verdict=verdict, why=f"{source} is ill"), None)


def test_the_worst_bound_counts_at_the_moment_of_the_oldest_reading() -> None:
    found = conclude([trusted("kernel", 4_000), trusted("ntp", 2_000)], "", BOOT_US + 1_000_000, 100)
    assert found == (True, BOOT_US, 4_000, "kernel: kernel is well; ntp: ntp is well")


def test_one_source_at_fault_is_enough_to_distrust_the_clock() -> None:
    for fault in (at_fault("ntp"), at_fault("ntp", NO_ANSWER)):
        assert not fault.is_silent, "there is nothing to go by"
        found = conclude([trusted("kernel"), fault], "", BOOT_US, 100)
        assert (found.trusted, found.text) == (False, "ntp is ill")


def test_a_silent_source_goes_on_counting_and_says_so() -> None:
    state = silent(trusted("ntp"))
    assert state.is_silent
    assert conclude([state], "", BOOT_US, 100) == (True, BOOT_US, 1_000, "ntp: ntp is well nobody answers")


def test_an_objection_comes_first() -> None:
    found = conclude([trusted("kernel"), at_fault("ntp"), silent(trusted("chrony"))], "No.", BOOT_US, 100)
    assert (found.trusted, found.text) == (False, "No. ntp is ill nobody answers")
    assert not conclude([trusted("kernel")], "No.", BOOT_US, 100).trusted


def test_the_leap_second_that_comes_first_is_the_one_announced() -> None:
    sources = [trusted("kernel"), trusted("ntp", leap_us=9), trusted("chrony", leap_us=7), at_fault("none")]
    assert announced_leap(sources) == 7
    assert announced_leap(sources[:1]) is None
