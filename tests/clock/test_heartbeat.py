"""The measurer's heartbeat: what a process outside the server takes for a clock that is watched."""

from pathlib import Path

import pytest

from tsa.clock.gate import NOBODY_MEASURES_US
from tsa.clock.heartbeat import EVERY_US, Heartbeat, is_watched

NOW = 5_000_000_000


def test_a_clock_is_watched_until_the_measurer_is_silent_for_too_long(tmp_path: Path) -> None:
    assert not is_watched(tmp_path, NOW), "nobody has ever looked"
    Heartbeat(tmp_path).beat(NOW)
    assert is_watched(tmp_path, NOW + NOBODY_MEASURES_US)
    assert not is_watched(tmp_path, NOW + NOBODY_MEASURES_US + 1)
    assert (tmp_path / "clock.alive").stat().st_mode & 0o777 == 0o600


def test_it_is_written_once_a_second_at_most(tmp_path: Path) -> None:
    heartbeat, file = Heartbeat(tmp_path), tmp_path / "clock.alive"
    heartbeat.beat(NOW)
    written = file.read_bytes()
    heartbeat.beat(NOW + EVERY_US - 1)
    assert file.read_bytes() == written
    heartbeat.beat(NOW + EVERY_US)
    assert file.read_bytes() != written
    assert len(file.read_bytes()) == len(written)


def test_a_heartbeat_of_another_boot_is_none(tmp_path: Path) -> None:
    """CLOCK_BOOTTIME begins again at 0, so that a number of an earlier boot may look like one of now."""
    Heartbeat(tmp_path).beat(NOW)
    file = tmp_path / "clock.alive"
    boot, _, at = file.read_text().partition(" ")
    file.write_text(f"{'0' * len(boot)} {at}")
    assert not is_watched(tmp_path, NOW)


@pytest.mark.parametrize("text", ["", "no heartbeat", " "])
def test_a_file_that_is_no_heartbeat_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "clock.alive").write_text(text)
    assert not is_watched(tmp_path, NOW)


def test_a_machine_that_does_not_say_which_boot_this_is_has_no_heartbeat_but_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under systemd's ProcSubset=pid, where /proc/sys is not there: the measurer lets a beat fail with OSError."""
    monkeypatch.setattr("tsa.clock.heartbeat._BOOT_ID", tmp_path / "boot_id")
    beating = Heartbeat(tmp_path)
    with pytest.raises(FileNotFoundError):
        beating.beat(NOW)
    assert not is_watched(tmp_path, NOW)
    (tmp_path / "boot_id").write_text("boot-of-now\n")
    beating.beat(NOW)
    assert is_watched(tmp_path, NOW)
