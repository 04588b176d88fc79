"""Keeps a worker's ledger open: waits for the clock, tries again after a fault, follows `tsa clock accept`."""

from __future__ import annotations

import time

import structlog

from tsa.ledger.segment import LedgerFault
from tsa.ledger.serial import place_of
from tsa.ledger.writer import SegmentWriter
from tsa.stamping.books import Books

log = structlog.get_logger()


class LedgerWatch:
    """The watch over `ledger`, which is that of `books`, for the worker process of this number."""

    def __init__(self, ledger: SegmentWriter, books: Books, worker: int) -> None:
        self._ledger = ledger
        self._books = books
        self._worker = worker

    def begin(self) -> None:
        """Open the ledger. Where that cannot be done now, each tick tries again; until then requests are refused.

        While the clock is not trusted, the ledger would begin a file in whatever month the clock shows.
        """
        self._follow_epoch()
        if self._books.clock.why_closed():
            self._ledger.suspend("The ledger is opened when the clock is trusted.")
            return
        try:
            self._ledger.open(time.time_ns() // 1_000)
        except LedgerFault as fault:
            log.error("ledger not opened", worker=self._worker, reason=str(fault))
            self._ledger.suspend(str(fault))

    def tick(self) -> None:
        """To be called four times a second, in the event loop."""
        self._follow_epoch()
        if self._ledger.fault is not None and not self._books.clock.why_closed():
            self._ledger.retry(time.time_ns() // 1_000)

    def _follow_epoch(self) -> None:
        """After `tsa clock accept`, go on with serial numbers and ledger files that know no wrong time."""
        books, epoch = self._books, self._books.clock.gate.read().epoch
        if epoch == books.clock.epoch or not self._ledger.idle:
            return
        place = place_of(self._worker, epoch)
        books.serials.move(place)
        self._ledger.move(place)
        books.quota.forget_after(books.clock.wall_us())
        books.clock.begin_epoch(epoch)
        log.info("newest genTime accepted as wrong", worker=self._worker, ledger=place)
