"""The archives of the vectors: a ZIP file for each room of makers, whose members are named VECTOR/FILE.

Members are stored, not compressed: the octets of an archive then depend on no version of zlib, and git compresses them
better than ZIP would.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent
DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that ZIP has


def path_of(room: str) -> Path:
    """The archive of a room of makers: that of `tests.vectors.anchors` is anchors.zip."""
    return FOLDER / f"{room.rpartition('.')[2]}.zip"


def read(path: Path) -> dict[str, bytes]:
    """The members of an archive by name; raises BadZipFile where it is damaged or has two members of one name."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if twice := {name for name in names if names.count(name) > 1}:
            raise zipfile.BadZipFile(f"{path.name} has two members named {', '.join(sorted(twice))}")
        return {name: archive.read(name) for name in names}


def keep(path: Path, members: Mapping[str, bytes]) -> None:
    """Write an archive unless there is one of equal members; equal members give equal octets."""
    if _has(path, members):
        return
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system = 3  # Unix, also where it is made on another system
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, members[name])


def _has(path: Path, members: Mapping[str, bytes]) -> bool:
    try:
        return read(path) == members
    except (FileNotFoundError, zipfile.BadZipFile):
        return False


def differences(stored: Mapping[str, bytes], made: Mapping[str, bytes]) -> list[str]:
    """The members that are stored otherwise than made, a sentence for a name."""
    found = [f"{name} is missing." for name in made.keys() - stored.keys()]
    found += [f"{name} is stored, but not made." for name in stored.keys() - made.keys()]
    found += [f"{name} has other octets." for name in made.keys() & stored.keys() if made[name] != stored[name]]
    return sorted(found)
