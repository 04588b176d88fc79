"""The hourly stamp on the ledger's heads: by the witness that [ledger] names, else by ourselves, which proves nothing
against whoever holds our key (decision 7)."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import closing

import aiohttp
import structlog

from tsa.client import TIMEOUT_S, StampFault, encoded_request, post
from tsa.clock.gate import SharedGate
from tsa.ledger.heads import heads_text, keep_stamp, stamp_due
from tsa.protocol.oids import HASHES
from tsa.stamping.books import Books
from tsa.stamping.opening import open_authority, stamp_unbilled, trial_books
from tsa.state.config import Config
from tsa.state.control import Control
from tsa.verify.proof import NotProved
from tsa.verify.token import check_token

# Of serial numbers: no worker process has this place.
WITNESS_PLACE = 65_535

log = structlog.get_logger()


def stamp_heads(config: Config, gate: SharedGate) -> None:
    """Have the heads stamped, if that is due. Raises ControlFault, UnusableTsu or StampFault."""
    with closing(Control(config.dir)) as control:
        if not stamp_due(control):
            return
        books = trial_books(config, WITNESS_PLACE, gate)
        if config.ledger.witness is None and (why := books.clock.why_closed()):
            log.warning("ledger heads not stamped yet", reason=why)
            return
        heads, url = heads_text(control), config.ledger.witness
        algorithm = HASHES["sha256" if url else config.policy.hashes[0]]
        request = encoded_request(algorithm, hashlib.new(algorithm.name, heads.encode()).digest())
        response = asyncio.run(_ask(url, request) if url else _stamp(config, request, books))
        keep_stamp(control, url or "self", heads, request, response)
    log.info("ledger heads stamped", by=url or "self")


async def _ask(url: str, request: bytes) -> bytes:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        response = await post(session, url, request)
    try:
        check_token(response, request)
    except NotProved as fault:
        raise StampFault(f"The witness {url} gave no good token. {fault}") from fault
    return response


async def _stamp(config: Config, request: bytes, books: Books) -> bytes:
    authority = await open_authority(config, books)
    try:
        return await stamp_unbilled(authority, request)
    finally:
        authority.pool.close()
