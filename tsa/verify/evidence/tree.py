"""The Merkle tree of RFC 4998 4.2: many hash values under one root, and the hashes from a value to the root."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

# Lists of hash values from the leaves up (reducedHashtree), without the root; empty where the leaf is the root.
Hashtree = tuple[tuple[bytes, ...], ...]


def combine(hashes: Iterable[bytes], algorithm: str) -> bytes:
    """The node above some hash values: the hash of all of them in binary ascending order (RFC 4998 4.2).

    A single value is carried up unchanged: 4.2 hashes groups "of more than one", and RFC 6283 3.1.1 says so.
    """
    first, *rest = sorted(hashes)
    return hashlib.new(algorithm, b"".join((first, *rest))).digest() if rest else first


def root_of(hashtree: Hashtree, algorithm: str) -> bytes:
    """The root that a reduced hash tree of at least one list leads to (RFC 4998 4.3 step 3); no list is empty."""
    node = combine(hashtree[0], algorithm)
    for siblings in hashtree[1:]:
        node = combine((node, *siblings), algorithm)
    return node


class HashTree:
    """A binary tree over hash values of one algorithm, a hashlib name; its `root` is time-stamped."""

    def __init__(self, leaves: Iterable[bytes], algorithm: str) -> None:
        level = sorted(set(leaves))
        self._places = {leaf: place for place, leaf in enumerate(level)}
        self._levels = [level]
        while len(level) > 1:
            level = [combine(level[at : at + 2], algorithm) for at in range(0, len(level), 2)]
            self._levels.append(level)
        [self.root] = level

    def reduced(self, leaf: bytes, *, alone: bool = False) -> Hashtree:
        """The reducedHashtree of a leaf, empty where the leaf is the root.

        The leaf shares the first list with the value under the same node (RFC 4998 4.2), or is `alone` there, as
        a hash-tree renewal should have it (5.2 step 5).
        """
        siblings = tuple((sibling,) for sibling in self._siblings(self._places[leaf]))
        if not siblings:
            return ()
        if alone:
            return ((leaf,), *siblings)
        return (tuple(sorted((leaf, *siblings[0]))), *siblings[1:])

    def _siblings(self, place: int) -> Iterator[bytes]:
        """The values beside the nodes from a leaf up; the last node of an odd number has none, and is carried up."""
        for level in self._levels:
            if place ^ 1 < len(level):
                yield level[place ^ 1]
            place //= 2
