"""Files that are there whole or not at all, and that a power cut does not take away again."""

import os
from pathlib import Path
from secrets import token_hex


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: after this, a file that was created or renamed there stays.

    Raises OSError.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, octets: bytes, mode: int | None = None) -> None:
    """Write a file whole, or leave the one that was there; durable when this returns.

    mode: the permissions, whatever the umask; None leaves them to the umask. The draft is in the same folder, under a
    hidden name that ends in .part. Raises OSError: the file is then the old one or the new one, and no draft is left.
    """
    draft = path.with_name(f".{path.name}.{token_hex(4)}.part")
    # The draft is never more open than the file will be: others could read on in what they have opened.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None:
                os.fchmod(descriptor, mode)
            file.write(octets)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)
