"""The sources of [clock] by their names."""

from __future__ import annotations

import time

from tsa.clock.clock import ClockFault
from tsa.clock.sources.chrony import read_chrony
from tsa.clock.sources.kernel import read_kernel
from tsa.clock.sources.ntp import read_ntp
from tsa.clock.sources.reading import Distrusted, NoAnswer, Reading
from tsa.state.config import ClockTable


def read_source(source: str, settings: ClockTable, now_us: int) -> Reading:
    """The reading of a source while the wall clock shows `now_us`. Raises NoAnswer or Distrusted."""
    match source:
        case "kernel":
            return read_kernel(now_us)
        case "chrony":
            return read_chrony(settings.chrony, now_us)
        case "ntp":
            return read_ntp(settings.ntp_servers, settings.quorum, now_us)
        case _:
            return Reading("system", 0, 0, None, "the machine's own clock, taken at its word")


def refuse_unsynchronised(settings: ClockTable) -> None:
    """Raise ClockFault where "kernel" is a source and nothing on this machine disciplines the kernel's clock.

    Servers may be reached later, and the gate opens then; a machine without a time daemon was set up wrongly.
    """
    if "kernel" in settings.sources:
        try:
            read_kernel(time.time_ns() // 1_000)
        except (Distrusted, NoAnswer) as fault:
            raise ClockFault(str(fault)) from fault
