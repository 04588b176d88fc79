"""From admitted requests to tokens: the whole way of a batch (docs/architecture.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import structlog

from signer.pool import SigningPool
from tsa.ledger.row import Entry
from tsa.ledger.segment import LedgerFault, record_signer
from tsa.ledger.serial import SERIAL_OCTETS
from tsa.licensing.applications import Application
from tsa.licensing.quota import Exhaustion
from tsa.protocol import cms, der, tsp
from tsa.protocol.errors import LicenceExhausted, Refusal, SystemFailure
from tsa.protocol.tsp import TimeStampReq
from tsa.stamping.books import Books
from tsa.stamping.policy import StampingPolicy
from tsa.stamping.tsu import TimeStampingUnit
from tsa.state.config import Config

FAULT = "The request could not be stamped for a fault on our side: try again."

log = structlog.get_logger()


class Admitted(Protocol):
    """A request that may be stamped, for whom, and the policy (DER OBJECT IDENTIFIER) to stamp it under."""

    application: Application
    request: TimeStampReq
    policy: bytes


# Only policies that are offered come here, so there are few.
_policy_content = lru_cache(maxsize=256)(der.content)


class Authority:
    """One time-stamping unit with its policy and signing pool, as one reading of tsa.toml has them."""

    def __init__(self, config: Config, tsu: TimeStampingUnit, pool: SigningPool, books: Books) -> None:
        self.config = config
        self.tsu = tsu
        self.pool = pool
        self.books = books
        self._policy = StampingPolicy(config.policy.default, config.policy.accepted, config.policy.hashes)
        self._template = cms.TokenTemplate(tsu.signer, signing_time=config.token.signing_time)
        self._record = record_signer(tsu.signer, signing_time=config.token.signing_time)
        self._tsa_name = cms.tsa_name(tsu.subject) if config.token.include_tsa_name else b""

    def admit(self, octets: bytes, application: Application) -> tuple[TimeStampReq, bytes]:
        """The request in `octets` and the policy to stamp it under.

        Raises Refusal.
        """
        request = tsp.decode_request(octets)
        return request, self._policy.policy_for(request, application.policy)

    def moment(self) -> tuple[int, int]:
        """genTime of a batch taken now, µs since the epoch, and its accuracy, µs.

        Raises TimeNotAvailable, or SystemFailure outside the time in which the key may sign.
        """
        gen_time, accuracy = self.books.clock.gen_time()
        self._check_usable(gen_time)
        return gen_time, accuracy

    def untrusted_moment(self) -> tuple[int, int]:
        """As moment(), also while the clock is not trusted: for a token that nobody gets. Raises SystemFailure."""
        gen_time = self.books.clock.wall_us()
        self._check_usable(gen_time)
        return gen_time, self.config.clock.max_accuracy_ms * 1_000

    def _check_usable(self, gen_time: int) -> None:
        if not self.tsu.usable_from_us <= gen_time < self.tsu.usable_until_us:
            raise SystemFailure("The certificate of this authority is not valid now: tell its operator.")

    async def issue(self, batch: Sequence[Admitted]) -> Sequence[bytes | Refusal]:
        """The answer to each request of a batch, in order: a TimeStampResp that grants, or why there is none.

        Raises nothing: whatever broke, the callers get an answer and the signing worker goes on.
        """
        answers: list[bytes | Refusal] = [SystemFailure(FAULT)] * len(batch)
        try:
            await self._issue(batch, answers)
        except Refusal as refusal:
            return [refusal] * len(batch)
        except LedgerFault:  # the ledger has logged it
            pass
        except Exception:
            log.exception("batch failed", size=len(batch))
        return answers

    async def _issue(self, batch: Sequence[Admitted], answers: list[bytes | Refusal]) -> None:
        """Put an answer in the place of each request that gets one. Raises Refusal, of the whole batch, or a fault."""
        gen_time, accuracy = self.moment()
        wanted = Counter(job.application for job in batch)
        paid = self.books.quota.debit(wanted, gen_time)
        if paid == wanted:
            answers[:] = await self._issue_paid(batch, paid, gen_time, accuracy)
            return
        places, length = _affordable(batch, paid), self.books.quota.window_s
        exhausted = {each: _refusal(Exhaustion.of(each, gen_time, length)) for each in wanted}
        for at in set(range(len(batch))).difference(places):
            answers[at] = exhausted[batch[at].application]
        if places:
            tokens = await self._issue_paid([batch[at] for at in places], paid, gen_time, accuracy)
            for at, token in zip(places, tokens, strict=True):
                answers[at] = token

    async def _issue_paid(
        self, batch: Sequence[Admitted], paid: Mapping[Application, int], gen_time: int, accuracy: int
    ) -> Sequence[bytes]:
        """Stamp, record, and only then answer; what is certain not to be recorded is not billed (decisions 2 and 5)."""
        try:
            async with self.books.ledger.place() as place:
                entries, tokens = await self.stamp(batch, gen_time, accuracy)
                await place.commit(entries, self._record)
        except Exception as fault:
            if not isinstance(fault, LedgerFault) or fault.lost:
                self.books.quota.give_back(paid, gen_time)
            raise
        return tokens

    async def stamp(self, batch: Sequence[Admitted], gen_time: int, accuracy: int) -> tuple[list[Entry], list[bytes]]:
        """The ledger entries and the granting TimeStampResps of a batch; nothing is billed or recorded here.

        Raises SigningFault.
        """
        template, name, tsu = self._template, self._tsa_name, self._record.number
        moment = tsp.generalized_time(gen_time, self.config.token.fraction_digits) + tsp.accuracy(accuracy)
        serials = self.books.serials.take(len(batch), gen_time)
        infos = [
            tsp.tst_info(job.policy, job.request.message_imprint, serial, moment, job.request.nonce, name)
            for job, serial in zip(batch, serials, strict=True)
        ]
        before_digest = template.before_digest(gen_time)
        attributes = [template.signed_attributes(before_digest, info) for info in infos]
        signatures = await self.pool.sign(attributes)
        entries, tokens = [], []
        for job, serial, info, signed, signature in zip(batch, serials, infos, attributes, signatures, strict=True):
            request = job.request
            entries.append(
                Entry(
                    gen_time,
                    serial[-SERIAL_OCTETS:],
                    job.application.id,
                    _policy_content(job.policy),
                    request.message_imprint[-request.hash_algorithm.digest_size :],
                    request.cert_req,
                    tsu,
                    info,
                    signature,
                )
            )
            tokens.append(template.response(info, signed, signature, request.cert_req))
        return entries, tokens


def _affordable(batch: Sequence[Admitted], paid: Mapping[Application, int]) -> list[int]:
    """The places in a batch of the requests that capacity was left for: first come, first served."""
    left, places = dict(paid), list[int]()
    for at, job in enumerate(batch):
        if left[job.application]:
            left[job.application] -= 1
            places.append(at)
    return places


def _refusal(exhausted: Exhaustion) -> LicenceExhausted:
    return LicenceExhausted(
        f"{exhausted.application} has used all {exhausted.capacity} stamps of its {exhausted.licences} licences"
        f" in this window of {exhausted.window_s} s: it gets as many in the next.",
        retry_after_s=exhausted.retry_after_s,
    )
