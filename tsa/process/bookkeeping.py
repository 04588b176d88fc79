"""The books, written down each minute: the heads of the ledger, and what applications have used."""

from __future__ import annotations

from contextlib import closing

from tsa.ledger.heads import keep_heads
from tsa.licensing.quota import Quota
from tsa.licensing.usage import keep_usage
from tsa.state import layout
from tsa.state.config import Config
from tsa.state.control import Control


def keep(config: Config, quota: Quota, microseconds: int, *, at_start: bool = False) -> None:
    """Write down heads and usage as of a genTime; `at_start` also what a server that was killed had no time to.

    Raises ControlFault or LedgerFault.
    """
    with closing(Control(config.dir)) as control:
        keep_heads(control, layout.ledger(config.dir))
        keep_usage(control, config, quota, microseconds, at_start=at_start)
