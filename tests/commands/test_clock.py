"""`tsa clock` where no server runs: it measures by itself; its history, and what there is to accept."""

import fcntl
import json
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.server import set_option
from tsa.clock.clock import UNWATCHED, ClockFault, ClockPair
from tsa.clock.gate import NOBODY_MEASURES_US
from tsa.clock.heartbeat import Heartbeat
from tsa.clock.journal import Journal, JournalEntry, JournalFault
from tsa.operate import clock, initialise

NOW = 1_795_000_000_000_000


@pytest.fixture
def state(tmp_path: Path) -> Path:
    initialise.development(tmp_path, "p256", 2)
    return tmp_path


def test_a_clock_taken_at_its_word(state: Path) -> None:
    shown = run("clock", "--dir", state)
    assert shown.exit_code == 0
    assert "taken at its word" in shown.output
    assert "No server runs; measured now, the gate would be open." in shown.output


def test_sources_that_do_not_answer(state: Path) -> None:
    set_option(state, "clock", "sources", ["chrony", "ntp"])
    set_option(state, "clock", "chrony", str(state / "no.sock"))
    set_option(state, "clock", "ntp_servers", ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"])
    shown = run("clock", "--dir", state, "--json")
    assert shown.exit_code == 1
    said = json.loads(shown.stdout)
    assert (said["served"], said["open"]) == (False, False)
    assert [(row["source"], row["verdict"]) for row in said["sources"]] == [
        ("chrony", "no answer"),
        ("ntp", "no answer"),
    ]
    assert "127.0.0.1:2" in said["why"]


def test_a_gate_that_the_ledger_would_keep_closed(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate is the server's own, so nothing that would close it there is left out here."""
    monkeypatch.setattr(clock, "newest_gen_time", lambda *_: time.time_ns() // 1_000 + 3_600_000_000)
    shown = run("clock", "--dir", state, "--json")
    assert shown.exit_code == 1
    assert "in the future by this clock" in json.loads(shown.stdout)["why"]
    assert not (state / "clock.db").exists(), "a question begins no journal"


def test_a_ledger_that_cannot_be_read_hides_nothing_of_the_clock(state: Path) -> None:
    file = state / "ledger/2026-11/0.db"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no database, but some octets" * 40)
    shown = run("clock", "--dir", state)
    assert shown.exit_code == 0
    assert "No server runs; measured now, the gate would be open." in shown.output


def test_a_clock_that_nobody_watches_any_more(state: Path) -> None:
    """By the heartbeat of the measurer, where a server holds the folder."""
    with closing(Journal(state)) as journal:
        journal.write(JournalEntry(NOW, "opened", None, None, 1_000, None, "well"))
    boot_us = ClockPair().read()[1]
    with (state / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for age_us, said in ((0, "well"), (NOBODY_MEASURES_US + 1, UNWATCHED)):
            Heartbeat(state).beat(boot_us - age_us)
            shown = run("clock", "--dir", state, "--json")
            assert (json.loads(shown.stdout)["why"], shown.exit_code) == (said, int(said == UNWATCHED))


def test_the_error_bound_is_shown_as_it_has_grown() -> None:
    measured = JournalEntry(time.time_ns() // 1_000 - 100_000_000, "measured", "ntp", -3_000, 5_000, "trusted", "well")
    shown = clock.source_status(measured, 50)
    assert shown.offset_ms == -3.0
    assert shown.error_bound_ms is not None
    assert 10.0 <= shown.error_bound_ms < 11.0, "5 ms and 100 s of 50 ppm"
    assert 100 <= shown.age_s < 110


def test_the_state_folder_must_be_said() -> None:
    shown = run("clock")
    assert shown.exit_code == 2
    assert "--dir DIR" in shown.output


def test_history(state: Path) -> None:
    with closing(Journal(state)) as journal:
        journal.write(
            JournalEntry(NOW, "measured", "ntp", -1_500, 2_500, "trusted", "3 of 3 agree"),
            JournalEntry(NOW + 5_000_000, "closed", None, None, None, None, "they disagree"),
        )
        journal.accept(NOW + 9_000_000, NOW + 99_000_000, "Accepted.")
    shown = run("clock", "history", "--dir", state)
    for word in ("2026-11-18T", "-1.500", "2.500", "3 of 3 agree", "closed", "accepted", "Accepted. By "):
        assert word in shown.output
    lines = run("clock", "history", "--dir", state, "--json", "--since", "2026-11-18T11:06:42").stdout.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["closed", "accepted"]


def test_there_is_nothing_to_accept_while_the_ledger_is_not_ahead(state: Path) -> None:
    with pytest.raises(
        ClockFault, match=r"nothing to accept: the ledger's newest stamp or file, of never, is not in the future"
    ):
        run("clock", "accept", "--dir", state)


def test_what_a_server_stamps_at_this_moment_is_not_ahead(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "newest_gen_time", lambda *_: time.time_ns() // 1_000)
    with pytest.raises(ClockFault, match="nothing to accept"):
        run("clock", "accept", "--dir", state)


def test_a_journal_that_is_none_is_told(state: Path) -> None:
    (state / "clock.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(JournalFault, match=r"clock\.db cannot be used"):
        run("clock", "history", "--dir", state)
