"""A file is written whole or not at all, with the permissions that were asked for, and made durable."""

import os
import stat
from pathlib import Path

import pytest

from signer.files import replace_file, sync_folder


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files and folders that were made durable, in that order."""
    done: list[Path] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        done.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", note)
    return done


@pytest.mark.parametrize("umask", [0o000, 0o027, 0o077])
@pytest.mark.parametrize("mode", [None, 0o600, 0o644])
def test_a_file_has_its_mode_whatever_the_umask(tmp_path: Path, umask: int, mode: int | None) -> None:
    path = tmp_path / "file"
    before = os.umask(umask)
    try:
        replace_file(path, b"first", mode)
        replace_file(path, b"second", mode)
    finally:
        os.umask(before)
    assert path.read_bytes() == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == (0o666 & ~umask if mode is None else mode)
    assert list(tmp_path.iterdir()) == [path]


def test_the_octets_are_durable_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, synced: list[Path]
) -> None:
    path = tmp_path / "file"
    replace_file(path, b"octets")
    [draft, folder] = synced
    assert (draft.parent, folder) == (tmp_path, tmp_path)
    assert draft.name.startswith(".file.")
    assert draft.suffix == ".part"


def test_the_file_is_the_old_one_until_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    replace_file(path, b"old")
    seen = []
    monkeypatch.setattr("os.fsync", lambda _: seen.append(path.read_bytes()))
    replace_file(path, b"new")
    assert seen == [b"old", b"new"]


@pytest.mark.parametrize("octets", [None, b"old"])
def test_a_file_that_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, octets: bytes | None
) -> None:
    path = tmp_path / "file"
    if octets is not None:
        path.write_bytes(octets)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        replace_file(path, b"new")
    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == ({} if octets is None else {path: octets})


def test_a_folder_that_is_none_is_not_synced(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, kind in ((tmp_path / "none", FileNotFoundError), (tmp_path / "file", NotADirectoryError)):
        with pytest.raises(kind):
            sync_folder(path)


def test_a_folder_is_synced(tmp_path: Path, synced: list[Path]) -> None:
    sync_folder(tmp_path)
    assert synced == [tmp_path]
