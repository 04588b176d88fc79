"""What outlives every authority of a process, and what stamping asks of its ledger."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from tsa.clock.clock import Clock
from tsa.ledger.row import Entry
from tsa.ledger.segment import SignerRecord
from tsa.ledger.serial import SerialNumbers
from tsa.licensing.quota import Quota


class LedgerPlace(Protocol):
    """A place in the order of the ledger, held by a batch while it is signed."""

    async def commit(self, entries: Sequence[Entry], signer: SignerRecord, /) -> None:
        """Record the entries here. When this returns they are durable: a token may leave.

        The entries belong to the ledger from then on. Raises LedgerFault, which says by `lost` whether the entries
        are certainly not there, now or later; a batch that may be there stays billed.
        """


class LedgerWriter(Protocol):
    """The durable record of tokens, as a process that stamps sees it; belongs to the event loop of that process.

    Batches are recorded in the order in which they took their places, whichever is signed first, so genTime never goes
    back in the ledger. A place that is left without a commit holds nobody up.
    """

    @property
    def fault(self) -> str | None:
        """Why nothing can be recorded now; None while it can. Batches that come meanwhile get LedgerFault."""

    def place(self) -> AbstractAsyncContextManager[LedgerPlace]:
        """The next place; to be taken in the same turn of the loop as the batch's genTime. Never raises."""


@dataclass(frozen=True, slots=True)
class Books:
    """A process's clock, its serial numbers, its ledger, and the quota of its applications."""

    clock: Clock
    serials: SerialNumbers
    ledger: LedgerWriter
    quota: Quota
