"""From admitted requests to tokens: the whole way of a batch (DESIGN 4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from signer.pool import SigningPool
from tsa.clock.clock import Clock
from tsa.ledger.row import Entry
from tsa.ledger.segment import LedgerFault, record_signer
from tsa.ledger.serial import SerialNumbers
from tsa.ledger.writer import Ledger
from tsa.licensing.applications import Application
from tsa.licensing.counters import Counters
from tsa.protocol import cms, tsp
from tsa.protocol.errors import Refusal, SystemFailure
from tsa.protocol.tsp import TimeStampReq
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


_J = TypeVar("_J", bound=Admitted)


@dataclass(frozen=True, slots=True)
class Books:
    """What outlives every authority of a process: its clock, its serial numbers, its ledger, the licence counters."""

    clock: Clock
    serials: SerialNumbers
    ledger: Ledger
    counters: Counters


class Authority:
    """One time-stamping unit with its policy and signing pool, as one reading of tsa.toml has them."""

    def __init__(self, config: Config, tsu: TimeStampingUnit, pool: SigningPool, books: Books) -> None:
        self.config = config
        self.tsu = tsu
        self.pool = pool
        self._books = books
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
        gen_time, accuracy = self._books.clock.gen_time()
        self._check_usable(gen_time)
        return gen_time, accuracy

    def untrusted_moment(self) -> tuple[int, int]:
        """As moment(), also while the clock is not trusted: for a token that nobody gets. Raises SystemFailure."""
        gen_time = self._books.clock.wall_us()
        self._check_usable(gen_time)
        return gen_time, self.config.clock.max_accuracy_ms * 1_000

    def _check_usable(self, gen_time: int) -> None:
        if not self.tsu.usable_from_us <= gen_time < self.tsu.usable_until_us:
            raise SystemFailure("The certificate of this authority is not valid now: tell its operator.")

    async def issue(self, batch: Sequence[Admitted]) -> Sequence[bytes | Refusal]:
        """The answer to each request of a batch, in order: a TimeStampResp that grants, or why there is none."""
        try:
            gen_time, accuracy = self.moment()
        except Refusal as refusal:
            return [refusal] * len(batch)
        wanted = Counter(job.application for job in batch)
        paid = self._books.counters.debit(wanted, gen_time)
        if paid == wanted:
            return await self._issue_paid(batch, paid, gen_time, accuracy)
        chosen, refused = self._choose(batch, paid)
        answers = await self._issue_paid(chosen, paid, gen_time, accuracy) if chosen else []
        tokens = iter(answers)
        exhausted = {each: self._books.counters.exhausted(each, gen_time) for each in wanted}
        return [exhausted[job.application] if at in refused else next(tokens) for at, job in enumerate(batch)]

    def _choose(self, batch: Sequence[_J], paid: Mapping[Application, int]) -> tuple[list[_J], set[int]]:
        """The requests that capacity was left for, first come first served, and the places of the others."""
        left, chosen, refused = dict(paid), list[_J](), set[int]()
        for at, job in enumerate(batch):
            if left[job.application]:
                left[job.application] -= 1
                chosen.append(job)
            else:
                refused.add(at)
        return chosen, refused

    async def _issue_paid(
        self, batch: Sequence[Admitted], paid: Mapping[Application, int], gen_time: int, accuracy: int
    ) -> Sequence[bytes | Refusal]:
        """Stamp, record, and only then answer; what is certain not to be recorded is not billed (DESIGN 5.2, 5.5)."""
        lost, ledger = True, self._books.ledger
        place = ledger.place()
        try:
            entries, tokens = await self.stamp(batch, gen_time, accuracy)
            await ledger.commit(place, entries, self._record)
        except LedgerFault as fault:
            lost = fault.lost
        except Exception:  # whatever broke, the callers get an answer and the process stays up
            log.exception("batch failed", size=len(batch))
        else:
            return tokens
        finally:
            ledger.leave(place)
        if lost:
            self._books.counters.give_back(paid, gen_time)
        return [SystemFailure(FAULT)] * len(batch)

    async def stamp(self, batch: Sequence[Admitted], gen_time: int, accuracy: int) -> tuple[list[Entry], list[bytes]]:
        """The ledger entries and the granting TimeStampResps of a batch; nothing is billed or recorded here.

        Raises SigningFault.
        """
        template, name, tsu = self._template, self._tsa_name, self._record.number
        moment = tsp.generalized_time(gen_time, self.config.token.fraction_digits) + tsp.accuracy(accuracy)
        serials = self._books.serials.take(len(batch), gen_time)
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
                    serial[2:],
                    job.application.id,
                    job.policy[2:],
                    request.message_imprint[-request.hash_algorithm.digest_size :],
                    request.cert_req,
                    tsu,
                    info,
                    signature,
                )
            )
            tokens.append(template.response(info, signed, signature, request.cert_req))
        return entries, tokens
