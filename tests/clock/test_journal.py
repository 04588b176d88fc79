"""clock.db: what the journal says of the gate, and a file that it leaves alone."""

from contextlib import closing
from pathlib import Path

import pytest

from tsa.clock.journal import Journal, JournalEntry, JournalFault

NOW = 1_795_000_000_000_000


def test_a_gate_is_closed_since_it_was_though_the_reason_has_changed(tmp_path: Path) -> None:
    told = [("closed", 1, "long ago"), ("opened", 2, "well"), ("closed", 3, "they disagree"), ("closed", 4, "by more")]
    with closing(Journal(tmp_path)) as journal:
        assert journal.gate() is None
        journal.write(*(JournalEntry(NOW + at, kind, None, None, None, None, why) for kind, at, why in told))
        gate = journal.gate()
    assert gate is not None
    assert (gate.at, gate.why) == (NOW + 3, "by more")


def test_a_journal_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal._connection.execute("PRAGMA user_version = 2")
    with pytest.raises(JournalFault, match="use the newer program"):
        Journal(tmp_path)
