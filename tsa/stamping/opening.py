"""From tsa.toml to an authority that has proved it can stamp; nothing else may answer requests (decision 11)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from signer.key import SigningFault
from signer.pool import SigningPool
from tsa.clock.clock import Clock
from tsa.clock.gate import SharedGate
from tsa.ledger.serial import SerialNumbers
from tsa.ledger.writer import SegmentWriter
from tsa.licensing.applications import ANONYMOUS, Application
from tsa.licensing.capacity import most_signing_workers
from tsa.licensing.counters import Counters
from tsa.protocol import tsp
from tsa.protocol.errors import Refusal
from tsa.protocol.oids import HASHES
from tsa.stamping.books import Books
from tsa.stamping.issue import Authority
from tsa.stamping.tsu import TimeStampingUnit, UnusableTsu, load_tsu
from tsa.state import layout
from tsa.state.config import Config
from tsa.state.meter import shared_meters
from tsa.verify.proof import NotProved
from tsa.verify.token import check_token


@dataclass(slots=True)
class _Trial:
    application: Application
    request: tsp.TimeStampReq
    policy: bytes


async def open_authority(config: Config, books: Books) -> Authority:
    """The authority that `config` describes, after one token of its own was signed and verified.

    Raises UnusableTsu.
    """
    tsu = await asyncio.to_thread(load_tsu, config)  # checking an RSA key takes a while, and at a reload others wait
    pool = open_pool(config, tsu)
    authority = Authority(config, tsu, pool, books)
    try:
        await prove(authority)
    except UnusableTsu:
        pool.close()
        raise
    return authority


def open_pool(config: Config, tsu: TimeStampingUnit) -> SigningPool:
    """The signing pool of a unit, whose key is measured. Raises UnusableTsu when the key cannot sign."""
    try:
        return SigningPool(tsu.key, most_signing_workers(config))
    except SigningFault as fault:
        raise UnusableTsu(f"The key {config.tsu.key} of [tsu] cannot sign: {fault}") from fault


async def prove(authority: Authority) -> None:
    """Stamp a digest of our own and check the token with the verifier.

    Raises UnusableTsu.
    """
    algorithm = HASHES[authority.config.policy.hashes[0]]
    digest = hashlib.new(algorithm.name, b"one token before the port opens").digest()
    octets = tsp.encode_request(tsp.request_for(algorithm, digest, cert_req=True))
    answer = await _stamp(authority, octets, authority.untrusted_moment)
    try:
        checked = check_token(answer, octets)
    except NotProved as fault:
        raise UnusableTsu(f"The first token does not verify. {fault}") from fault
    if checked.certificate != authority.tsu.chain.certificate:
        raise UnusableTsu("The first token names another certificate than the one it was signed for.")


async def stamp_unbilled(authority: Authority, octets: bytes) -> bytes:
    """A TimeStampResp for the TimeStampReq in `octets`, for our own use: neither debited nor in the ledger.

    Raises UnusableTsu, also while the clock is not trusted.
    """
    return await _stamp(authority, octets, authority.moment)


async def _stamp(authority: Authority, octets: bytes, moment: Callable[[], tuple[int, int]]) -> bytes:
    nobody = Application(0, ANONYMOUS, None, None, (), None, disabled=False, licences=())
    try:
        gen_time, accuracy = moment()
        trial = _Trial(nobody, *authority.admit(octets, nobody))
        _, [answer] = await authority.stamp([trial], gen_time, accuracy)
    except (Refusal, SigningFault) as fault:
        raise UnusableTsu(f"The first token was refused: {fault}") from fault
    return answer


def trial_books(config: Config, place: int, gate: SharedGate) -> Books:
    """Books of a process that bills and records nothing; `place` goes into its serial numbers."""
    clock = Clock(gate)
    clock.begin_epoch(gate.read().epoch)  # it has no ledger that would have to move
    return Books(
        clock,
        SerialNumbers(bytes.fromhex(config.tsu.node), place),
        SegmentWriter(layout.ledger(config.dir), place, config.ledger.roll_mib << 20, shared_meters(1)[0]),
        Counters(config.licence.window_s),
    )
