"""The datum of a verification: a file, octets, or a digest that was made elsewhere."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

from tsa.verify.proof import NotJudged


class Datum(Protocol):
    """Something that has a digest."""

    def digest(self, algorithm: str) -> bytes:
        """The digest by an algorithm of hashlib's name, such as "sha256" or "sha3-256"."""


class OctetsDatum:
    """Octets at hand."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def digest(self, algorithm: str) -> bytes:
        """See Datum."""
        return hashlib.new(algorithm, self._octets).digest()


class FileDatum:
    """A file, read once for a hash algorithm, when its digest is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digests: dict[str, bytes] = {}

    def digest(self, algorithm: str) -> bytes:
        """See Datum. Raises NotJudged where the file cannot be read."""
        if algorithm not in self._digests:
            try:
                with self._path.open("rb") as content:
                    self._digests[algorithm] = hashlib.file_digest(content, algorithm).digest()
            except OSError as fault:
                raise NotJudged(
                    f"{self._path} cannot be read ({fault.strerror}): correct the path or its permissions."
                ) from fault
        return self._digests[algorithm]


class DigestDatum:
    """A digest that was made elsewhere, and is returned for any algorithm."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def digest(self, algorithm: str) -> bytes:
        """See Datum."""
        return self._octets
