"""From admitted requests to tokens: the whole way of a batch (DESIGN 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog

from signer.pool import SigningPool
from tsa.authority.clock import SystemClock
from tsa.authority.policy import StampingPolicy
from tsa.authority.serial import SerialNumbers
from tsa.authority.tsu import TimeStampingUnit
from tsa.config import Config
from tsa.protocol import cms, tsp
from tsa.protocol.errors import Refusal, SystemFailure
from tsa.protocol.tsp import TimeStampReq

log = structlog.get_logger()


class Admitted(Protocol):
    """A request that may be stamped, and the policy (DER OBJECT IDENTIFIER) to stamp it under."""

    request: TimeStampReq
    policy: bytes


class Authority:
    """One time-stamping unit with its policy, clock and signing pool, as one reading of tsa.toml has them."""

    def __init__(
        self, config: Config, tsu: TimeStampingUnit, pool: SigningPool, clock: SystemClock, serials: SerialNumbers
    ) -> None:
        self.config = config
        self.tsu = tsu
        self.pool = pool
        self._clock = clock
        self._serials = serials
        self._policy = StampingPolicy(config.policy.default, config.policy.accepted, config.policy.hashes)
        self._template = cms.TokenTemplate(tsu.signer, signing_time=config.token.signing_time)
        self._tsa_name = cms.tsa_name(tsu.subject) if config.token.include_tsa_name else b""

    def admit(self, octets: bytes) -> tuple[TimeStampReq, bytes]:
        """The request in `octets` and the policy to stamp it under.

        Raises Refusal.
        """
        request = tsp.decode_request(octets)
        return request, self._policy.policy_for(request)

    def moment(self) -> tuple[int, int]:
        """genTime of a batch taken now, µs since the epoch, and its accuracy, µs.

        Raises TimeNotAvailable, or SystemFailure outside the time in which the key may sign.
        """
        gen_time, accuracy = self._clock.gen_time()
        if not self.tsu.usable_from_us <= gen_time < self.tsu.usable_until_us:
            raise SystemFailure("The certificate of this authority is not valid now: tell its operator.")
        return gen_time, max(accuracy, self.config.clock.accuracy_floor_ms * 1_000)

    async def issue(self, batch: Sequence[Admitted]) -> Sequence[bytes | Refusal]:
        """The answer to each request of a batch, in order: a TimeStampResp that grants, or why there is none."""
        template, name = self._template, self._tsa_name
        try:
            gen_time, accuracy = self.moment()
            moment = tsp.generalized_time(gen_time, self.config.token.fraction_digits) + tsp.accuracy(accuracy)
            serials = self._serials.take(len(batch), gen_time)
            infos = [
                tsp.tst_info(job.policy, job.request.message_imprint, serial, moment, job.request.nonce, name)
                for job, serial in zip(batch, serials, strict=True)
            ]
            before_digest = template.before_digest(gen_time)
            attributes = [template.signed_attributes(before_digest, info) for info in infos]
            signatures = await self.pool.sign(attributes)
            return [
                template.response(info, signed, signature, job.request.cert_req)
                for job, info, signed, signature in zip(batch, infos, attributes, signatures, strict=True)
            ]
        except Refusal as refusal:
            return [refusal] * len(batch)
        except Exception:  # whatever broke, the callers get an answer and the process stays up (DESIGN 5.2)
            log.exception("batch failed", size=len(batch))
            return [SystemFailure("The request could not be stamped for a fault on our side: try again.")] * len(batch)
