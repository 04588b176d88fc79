"""Evidence records made and renewed: a hash tree over many files costs one stamp (RFC 4998)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import aiohttp

from signer.files import replace_file
from tsa.client import TIMEOUT_S, StampFault, ask, encoded_request
from tsa.protocol.oids import HASHES
from tsa.verify.evidence.record import MAX_OCTETS, ArchiveTimeStamp, new_record, new_time_stamp
from tsa.verify.evidence.renewal import Due
from tsa.verify.evidence.tree import HashTree
from tsa.verify.message import Response

SUFFIX = ".er"


class Pair(NamedTuple):
    """A file, and its record."""

    data: Path
    record: Path


class Endpoint(NamedTuple):
    """Where stamps are asked for, and the headers that carry the APP_KEY."""

    url: str
    headers: dict[str, str]


def pair_with_record(file: Path, folder: Path | None = None) -> Pair:
    """A file and FILE.er, beside it or in `folder`."""
    return Pair(file, (folder or file.parent) / f"{file.name}{SUFFIX}")


def pair_up(files: Sequence[Path]) -> list[Pair]:
    """Each FILE with its record: the one that follows, by its name, or else FILE.er; each record alone with FILE."""
    found: list[Pair] = []
    waiting: list[Path] = []
    for file in files:
        if file.suffix != SUFFIX:
            found += map(pair_with_record, waiting)
            waiting = [file]
        else:
            found.append(Pair(waiting.pop() if waiting else file.with_suffix(""), file))
    return [*found, *map(pair_with_record, waiting)]


def refuse_overwriting(pairs: Sequence[Pair]) -> None:
    """Raise StampFault where a record is there already, or two files would have the same."""
    targets: set[Path] = set()
    for pair in pairs:
        if pair.record in targets:
            raise StampFault(f"Two of the files would have the record {pair.record}: give them in two goes.")
        if pair.record.exists():
            raise StampFault(f"{pair.record} is there already: renew it (tsa evidence renew), or move it away.")
        targets.add(pair.record)


def read_octets(record: Path) -> bytes:
    """The octets of a record; of a longer file enough to tell that it is none. Raises OSError."""
    with record.open("rb") as content:
        return content.read(MAX_OCTETS + 1)


def create(pairs: Sequence[Pair], digests: Sequence[bytes], algorithm: str, authority: Endpoint) -> None:
    """Write a record for every file, whose digest is at the same place. Raises StampFault or OSError."""
    tree = _StampedTree(digests, algorithm, authority)
    for pair, digest in zip(pairs, digests, strict=True):
        replace_file(pair.record, new_record(tree.time_stamp(digest), algorithm).encoded)


def renew(due: Sequence[tuple[Pair, Due]], algorithm: str, authority: Endpoint) -> None:
    """Renew records that are due by the same hash algorithm. Raises StampFault or OSError."""
    tree = _StampedTree([each.digest for _, each in due], algorithm, authority)
    for pair, each in due:
        renewed = each.renewed(tree.time_stamp(each.digest, alone=each.hash_tree))
        replace_file(pair.record, renewed.encoded)


class _StampedTree:
    """A hash tree over digests whose root an authority has stamped."""

    def __init__(self, digests: Sequence[bytes], algorithm: str, authority: Endpoint) -> None:
        """Raises StampFault."""
        self._tree, self._algorithm = HashTree(digests, algorithm), algorithm
        request = encoded_request(HASHES[algorithm], self._tree.root)
        self._token = Response.read(asyncio.run(_ask(request, authority, f"{len(digests):,} records"))).token

    def time_stamp(self, digest: bytes, *, alone: bool = False) -> ArchiveTimeStamp:
        """The archive time-stamp of one of the digests; `alone` as in HashTree.reduced()."""
        return new_time_stamp(self._token, self._tree.reduced(digest, alone=alone), self._algorithm)


async def _ask(request: bytes, authority: Endpoint, what: str) -> bytes:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(headers=authority.headers, timeout=timeout) as session:
        response, _ = await ask(session, authority.url, request, what)
        return response
