"""Where keys are kept: every key that is loaded, made or copied goes through here."""

import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

from signer.key import KeyFault, SigningKey
from signer.software import SoftwareKey, generate, load

# RFC 3986 3.1. A path whose first part has a colon is written with ./ before it (RFC 3986 4.2).
_SCHEME = re.compile("([A-Za-z][A-Za-z0-9+.-]*):")
# RFC 8089 2, of this machine: the path begins with one slash.
_FILE = re.compile("file:(?://(?:localhost)?)?(/(?!/)[^?#]*)", re.IGNORECASE)


def open_key(uri: str | Path, passphrase: bytes | None = None, *, folder: Path = Path()) -> SigningKey:
    """The key that a URI or a Path names, ready to sign.

    uri: the path of a PKCS#8 PEM file, relative to folder, or the same file as a file: URI (RFC 8089). A Path is never
    a URI, whatever its name. passphrase: of the file, None where it is not encrypted.
    Raises KeyFault: there is no such kind of URI, or the key cannot be used.
    """
    if isinstance(uri, Path) or (scheme := _SCHEME.match(uri)) is None:
        return load(folder / uri, passphrase)
    if scheme[1].lower() == "file":
        return load(_file(uri), passphrase)
    # The rest of the URI may hold a PIN (RFC 7512 2.4), so it is not quoted.
    raise KeyFault(
        f"There is no kind of key {scheme[0]} here: give a file: URI, or the path of a file, with ./ before a name "
        f"that begins with {scheme[0]}."
    )


def new_key(key_type: str) -> SigningKey:
    """A new key, in memory only until keep_key() writes it. Raises KeyFault for an unknown type."""
    return SoftwareKey(generate(key_type))


def keep_key(key: SigningKey, path: Path, passphrase: bytes | None = None) -> None:
    """Write a key to a PKCS#8 PEM file of mode 0600, encrypted when a passphrase is given; durable when this returns.

    Raises KeyFault: the file exists already or cannot be written, or the key cannot leave the place where it is kept.
    """
    if not isinstance(key, SoftwareKey):
        raise KeyFault(f"A key of the kind {type(key).__name__} cannot be copied to a file: use it where it is.")
    key.store(path, passphrase)


def _file(uri: str) -> Path:
    named = _FILE.fullmatch(uri)
    path = unquote_to_bytes(named[1]) if named else b""
    if not path or b"\0" in path:
        raise KeyFault(f"{uri} names no file of this machine: write it like file:///etc/tsa/tsa.key.")
    return Path(os.fsdecode(path))
