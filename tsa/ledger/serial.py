"""serialNumber: unique across processes, restarts and machines with nobody to ask (RFC 3161 2.4.2, decision 6).

20 octets, the first bit 0, so a positive INTEGER of at most 159 bits in minimal DER:

    7  µs since the epoch, the stamp's own genTime        (the first octet is below 80 until the year 3111)
    4  node, drawn once a machine
    2  worker, the process's place among its siblings
    3  count, within the process
    4  drawn when the process starts

Two stamps of a process differ in the count, or 16 million stamps lie between them and so the time differs. Two
processes differ in node or worker. A process that follows another in its place, or runs on a copied node, differs in
the octets that it has drawn.
"""

from __future__ import annotations

import secrets

PLACES = 256
"""Worker processes there may be, and so places in an epoch."""
LAST_EPOCH = 254
"""Two octets hold a place; the places of the epoch after this are for processes that are no workers."""

_TAG_AND_LENGTH = b"\x02\x14"
SERIAL_OCTETS = 20
"""Content octets of a serialNumber."""
_COUNTS = 1 << 24


def place_of(worker: int, epoch: int) -> int:
    """The place of a worker process, in serial numbers and in the ledger, after so many `tsa clock accept`.

    Each epoch has places, and so ledger files, of its own: in a file, rows are in the order of time.
    """
    return epoch * PLACES + worker


class SerialNumbers:
    """The serial numbers of one process; `node` is four octets, `worker` the process's place, 0 to 65535."""

    def __init__(self, node: bytes, worker: int) -> None:
        self._node = node
        self.move(worker)
        self._drawn = secrets.token_bytes(4)
        self._count = 0

    def move(self, worker: int) -> None:
        """Go on at another place."""
        self._place = self._node + worker.to_bytes(2, "big")

    def take(self, count: int, microseconds: int) -> list[bytes]:
        """`count` fresh serial numbers, DER INTEGERs, for stamps of genTime `microseconds` since the epoch."""
        start, self._count = self._count, (self._count + count) % _COUNTS
        before = _TAG_AND_LENGTH + microseconds.to_bytes(7, "big") + self._place
        drawn = self._drawn
        return [before + (number % _COUNTS).to_bytes(3, "big") + drawn for number in range(start, start + count)]
