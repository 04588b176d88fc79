"""Does this EvidenceRecord prove that datum, from the time of its first token to now?

The steps (RFC 4998 5.3), the same numbers at the code:

1. The record is read, within limits, from DER.
2. The hashes lead from the datum to the first token, from each token to the next, and over each new chain.
3. Every token is verified as any other (tsa/verify/verifier.py), which says when it was made.
4. The tokens are in the order of their genTimes.
5. The hash algorithm of each was secure still when the next was made, that of the newest is now.
6. The certificates under each were valid still when the next was made, those of the newest are now.
   Whether they were revoked is judged for that time, too: a key that came to harm after its tokens had been renewed
   harms them no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from certs.statement import harmed_since
from tsa.verify.datum import Datum, DigestDatum
from tsa.verify.evidence.links import check_links, place_of
from tsa.verify.evidence.record import ArchiveTimeStamp, BrokenEvidence, EvidenceRecord, read_record
from tsa.verify.proof import NotProved, Step, VerifiedTimestamp
from tsa.verify.verifier import Verifier

# When a hash algorithm stopped being one to rely on: SHA-1 with its first published collision.
SECURE_UNTIL = {"sha1": datetime(2017, 2, 23, tzinfo=UTC)}


@dataclass(frozen=True, slots=True)
class VerifiedEvidence:
    """What a record proves: that the datum existed at `since` (UTC), the genTime of the first of its `timestamps`.

    The proof lasts to `renew_before` (UTC), when the first certificate under the newest token ends. `warnings` are
    sentences, those of the tokens.
    """

    timestamps: tuple[VerifiedTimestamp, ...]
    renew_before: datetime
    warnings: tuple[str, ...]

    @property
    def since(self) -> datetime:
        """The genTime of the first token."""
        return self.timestamps[0].gen_time


class EvidenceVerifier:
    """Verifies records against anchors, with certificates and CRLs (DER) beside those in the tokens.

    Keep one for many records: a token that they share is verified once. Raises NotJudged without anchors. `now` is
    timezone-aware; without it, it is the time at which the verifier was made.
    """

    def __init__(
        self,
        anchors: Sequence[x509.Certificate],
        *,
        certificates: Sequence[x509.Certificate] = (),
        crls: Sequence[bytes] = (),
        now: datetime | None = None,
    ) -> None:
        self._anchors, self._certificates, self._crls = anchors, certificates, tuple(crls)
        self._now = now or datetime.now(UTC)
        self._verifiers: dict[tuple[bytes, ...], Verifier] = {}
        self._proofs: dict[tuple[bytes, datetime | None], VerifiedTimestamp] = {}
        self._verifier(self._crls)

    def verify(self, octets: bytes, datum: Datum | None) -> VerifiedEvidence:
        """Verify the record in the octets; without a datum, all but what it was made for.

        Raises BrokenEvidence; NotJudged where what is given allows no verdict.
        """
        # 1
        record = read_record(octets)
        # 2
        check_links(record, datum)
        # 3, from the newest, because each is judged at the time of the next
        proofs: list[VerifiedTimestamp] = []
        for place, each in _newest_first(record):
            renewed = proofs[-1].gen_time if proofs else None
            proof = self._prove(each, renewed, place)
            # 4; the clock here is no judge of the newest
            if renewed is not None and proof.gen_time > renewed:
                raise BrokenEvidence(
                    f"{place.capitalize()} is of {_time(proof.gen_time)} and the next is of {_time(renewed)}: "
                    "they are not in the order in which they were made",
                    "RFC 4998 5.1",
                )
            # 5, 6
            _check_renewal(proof, renewed or self._now, place, "nothing renewed it" if renewed is None else "")
            proofs.append(proof)
        warnings = dict.fromkeys(warning for proof in reversed(proofs) for warning in proof.warnings)
        return VerifiedEvidence(tuple(reversed(proofs)), _end(proofs[0]), tuple(warnings))

    def _prove(self, archive_time_stamp: ArchiveTimeStamp, renewed: datetime | None, place: str) -> VerifiedTimestamp:
        token = archive_time_stamp.time_stamp
        root = DigestDatum(archive_time_stamp.imprint.digest)  # that it is the root of the tree, step 2 has seen
        key = (token, renewed)
        if key not in self._proofs:
            try:
                self._proofs[key] = self._verify_token(token, root, renewed)
            except NotProved as fault:
                raise BrokenEvidence(
                    f"The token of {place} is not proved: {str(fault).rstrip('.')}", "RFC 4998 5.3"
                ) from fault
        return self._proofs[key]

    def _verify_token(self, token: bytes, datum: Datum, renewed: datetime | None) -> VerifiedTimestamp:
        """Verify a token without knowing of revocations after its renewal."""
        try:
            return self._verifier(self._crls).verify(token, datum)
        except NotProved as fault:
            if renewed is None or fault.step is not Step.REVOCATION:
                raise
        chain = self._verifier(()).verify(token, datum).chain
        return self._verifier(tuple(each for each in self._crls if not _is_later(each, chain, renewed))).verify(
            token, datum
        )

    def _verifier(self, crls: tuple[bytes, ...]) -> Verifier:
        if crls not in self._verifiers:
            self._verifiers[crls] = Verifier(self._anchors, certificates=self._certificates, crls=crls)
        return self._verifiers[crls]


def _newest_first(record: EvidenceRecord) -> Iterator[tuple[str, ArchiveTimeStamp]]:
    """Every archive time-stamp, with its name."""
    for at, chain in reversed([*enumerate(record.chains, 1)]):
        for number, each in reversed([*enumerate(chain, 1)]):
            yield place_of(at, number), each


def _is_later(crl: bytes, chain: Sequence[x509.Certificate], moment: datetime) -> bool:
    """Whether the CRL lists certificates of a chain, but none as harmed by that moment."""
    try:
        times = [*_harmed(x509.load_der_x509_crl(crl), chain)]
    except Exception:  # what it holds is read only now, and cryptography raises all kinds of things
        return False
    return bool(times) and min(times) > moment


def _harmed(crl: x509.CertificateRevocationList, chain: Sequence[x509.Certificate]) -> Iterator[datetime]:
    """Since when each that is listed is not to be trusted."""
    for each in chain:
        entry = crl.get_revoked_certificate_by_serial_number(each.serial_number) if each.issuer == crl.issuer else None
        if entry is not None:
            yield harmed_since(entry)


def _check_renewal(proof: VerifiedTimestamp, moment: datetime, place: str, how: str) -> None:
    """Steps 5 and 6: nothing that the token rests on had come to its end by the moment of its renewal, or by now."""
    how = how or f"it was renewed on {_time(moment)} only"
    secure_until = SECURE_UNTIL.get(proof.hash_algorithm)
    if secure_until is not None and moment > secure_until:
        raise BrokenEvidence(
            f"A hash-tree renewal is missing: the hash algorithm of {place}, {proof.hash_algorithm}, was secure until "
            f"{_time(secure_until)}, and {how}",
            "RFC 4998 5.3",
        )
    if moment > _end(proof):
        raise BrokenEvidence(
            f"A renewal is missing: a certificate under {place} ended on {_time(_end(proof))}, and {how}",
            "RFC 4998 5.3",
        )


def _end(proof: VerifiedTimestamp) -> datetime:
    """When the first certificate under a token ends; an anchor's end counts, as it does in a path at genTime."""
    return min(each.not_valid_after_utc for each in proof.chain)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
