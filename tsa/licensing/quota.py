"""What stamping asks of whoever counts the stamps of an hour, and what is said when none is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tsa.licensing.applications import Application


class Quota(Protocol):
    """How many stamps every application has had in a window, and what its licences leave of it.

    Windows are `window_s` seconds of UTC, numbered from the epoch. The stamps that were debited in a window and not
    given back are never more than the application's capacity, however many processes debit it at a time. Only a process
    that is killed between debit and answer loses stamps: to the buyer's loss, never to the seller's.

    What a method returns or counts is so for every process when it returns. It belongs to the event loop, or the one
    thread, of its process, which waits for no more than the few µs that another process is inside. It raises nothing
    for want of capacity: who gets less than it wanted is answered with an Exhaustion.
    """

    @property
    def window_s(self) -> int:
        """The length of a window, seconds; it never changes while processes serve."""

    def window(self, microseconds: int) -> int:
        """The number of the window in which a genTime, µs since the epoch, lies."""

    def debit(self, wanted: Mapping[Application, int], microseconds: int) -> dict[Application, int]:
        """Take up to as many stamps as every application wants, in the window of a genTime; how many each of them got.

        What one did not get is counted as refused.
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
