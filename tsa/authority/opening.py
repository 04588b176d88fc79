"""From tsa.toml to an authority that has proved it can stamp; nothing else may answer requests (DESIGN 5.11)."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass

from signer.key import SigningFault
from signer.pool import SigningPool
from tsa.authority.clock import SystemClock
from tsa.authority.issue import Authority
from tsa.authority.serial import SerialNumbers
from tsa.authority.tsu import UnusableTsu, load_tsu
from tsa.config import Config
from tsa.protocol import tsp
from tsa.protocol.errors import Refusal
from tsa.protocol.oids import HASHES
from tsa.verify.token import NotProved, check_token


@dataclass(slots=True)
class _Trial:
    request: tsp.TimeStampReq
    policy: bytes


async def open_authority(config: Config, clock: SystemClock, serials: SerialNumbers) -> Authority:
    """The authority that `config` describes, after one token of its own was signed and verified.

    `clock` and `serials` are the process's own and outlive every authority, so that neither ever goes back.
    Raises UnusableTsu.
    """
    tsu = await asyncio.to_thread(load_tsu, config)  # checking an RSA key takes a while, and at a reload others wait
    try:
        pool = SigningPool(tsu.key, signing_threads(config))
    except SigningFault as fault:
        raise UnusableTsu(f"The key in {config.path(config.tsu.key)} cannot sign: {fault}") from fault
    authority = Authority(config, tsu, pool, clock, serials)
    try:
        await prove(authority)
    except UnusableTsu:
        pool.close()
        raise
    return authority


async def prove(authority: Authority) -> None:
    """Stamp a digest of our own and check the token with the verifier.

    Raises UnusableTsu.
    """
    algorithm = HASHES[authority.config.policy.hashes[0]]
    digest = hashlib.new(algorithm.name, b"one token before the port opens").digest()
    octets = tsp.encode_request(tsp.TimeStampReq(tsp.message_imprint(algorithm, digest), algorithm, cert_req=True))
    [answer] = await authority.issue([_Trial(*authority.admit(octets))])
    if isinstance(answer, Refusal):
        raise UnusableTsu(f"The first token was refused: {answer}")
    try:
        checked = check_token(answer, octets)
    except NotProved as fault:
        raise UnusableTsu(f"The first token does not verify. {fault}") from fault
    if checked.certificate != authority.tsu.chain.certificate:
        raise UnusableTsu("The first token names another certificate than the one it was signed for.")


def worker_count(config: Config) -> int:
    """How many worker processes serve: as set, or one a core."""
    return config.server.workers or len(os.sched_getaffinity(0))


def signing_threads(config: Config) -> int:
    """How many signing threads a worker process has for a slow key: as set, or its share of the cores."""
    return config.signing.threads or max(1, len(os.sched_getaffinity(0)) // worker_count(config))
