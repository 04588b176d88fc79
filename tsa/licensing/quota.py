"""Quota: the contract with the counters of an hour's stamps, and the figures when no stamp is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tsa.licensing.applications import Application


class Quota(Protocol):
    """The stamps that applications have used in a window, and may still use by their licences.

    Windows are `window_s` seconds of UTC, numbered from the epoch. No debit brings the stamps of a window, those given
    back not counted, above the application's capacity at its genTime, however many processes debit at a time. Only a
    process that is killed between debit and answer loses stamps: to the buyer's loss, never to the seller's.

    When a method returns, its effect holds for every process. A quota belongs to the event loop of its process, or to
    its only thread; a call waits at most the few µs for which another process holds the lock, which the quota owns. No
    method raises for want of capacity: an application that got less than it wanted is refused with an Exhaustion.
    """

    @property
    def window_s(self) -> int:
        """The length of a window, seconds; it never changes while processes serve."""

    def window(self, microseconds: int) -> int:
        """The number of the window in which a genTime, µs since the epoch, lies."""

    def debit(self, wanted: Mapping[Application, int], microseconds: int) -> dict[Application, int]:
        """Take the stamps that applications want, as far as they are left in the window of a genTime; return the taken.

        The stamps that an application wanted and did not get are counted as refused.
        """

    def give_back(self, counts: Mapping[Application, int], microseconds: int) -> None:
        """Return stamps that were debited for this genTime and certainly not issued; others may have them again."""

    def refused(self, number: int, microseconds: int) -> None:
        """Count a refusal to application `number` that is not for want of capacity; it costs no stamp."""

    def used(self, number: int, window: int) -> tuple[int, int]:
        """(stamps, refusals) of application `number`, for the present window and the one before; else 0."""

    def forget_after(self, microseconds: int) -> None:
        """Forget the windows after that of a genTime: the clock was ahead, and they are yet to come."""


@dataclass(frozen=True, slots=True)
class Exhaustion:
    """An application has used the capacity of its licences in a window, of which `retry_after_s` seconds are left."""

    application: str
    capacity: int
    licences: int
    window_s: int
    retry_after_s: int

    @classmethod
    def of(cls, application: Application, microseconds: int, window_s: int) -> Exhaustion:
        """That of an application which gets no stamp at a genTime, µs since the epoch."""
        second = microseconds // 1_000_000
        return cls(
            application.name,
            application.capacity(second),
            application.licence_count(second),
            window_s,
            window_s - second % window_s,
        )
