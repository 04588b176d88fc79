"""Does an EvidenceRecord prove a datum, from the time of its first token to now?

The steps (RFC 4998 5.3); the code has the same numbers:

1. The record is read, within limits, from DER.
2. The hashes lead from the datum to the first token, from every token to the next, and over every new chain.
3. Every token is verified as any other (tsa/verify/verifier.py), which gives its genTime.
4. The tokens are in the order of their genTimes.
5. The hash algorithm of a token was still secure when the next token was made; that of the newest is secure now.
6. The certificates under a token were still valid when the next token was made; those of the newest are valid now.
   Revocation is judged for that time, too: harm to a key after the renewal of its tokens does not end them.
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

# The end of trust in a hash algorithm: SHA-1 ended with its first published collision.
SECURE_UNTIL = {"sha1": datetime(2017, 2, 23, tzinfo=UTC)}


@dataclass(frozen=True, slots=True)
class VerifiedEvidence:
    """The proof that the datum existed at `since` (UTC), the genTime of the first of its `timestamps`.

    It lasts until `renew_before` (UTC), the earliest end of a certificate under the newest token. `warnings` are the
    sentences of all tokens.
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

    One verifier serves many records: a token that they share is verified once. Raises NotJudged without anchors. `now`
    is timezone-aware; the default is the time when the verifier is made.
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
        """Verify the record in the octets; without a datum, all of it but the hash of the datum.

        Raises BrokenEvidence; NotJudged where the datum cannot be read.
        """
        # 1
        record = read_record(octets)
        # 2
        check_links(record, datum)
        # 3, from the newest, because a token is judged at the time of the next
        proofs: list[VerifiedTimestamp] = []
        for place, archive_time_stamp in _newest_first(record):
            renewed = proofs[-1].gen_time if proofs else None
            proof = self._prove(archive_time_stamp, renewed, place)
            # 4; the newest is not compared with the clock of this machine
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
        root = DigestDatum(archive_time_stamp.imprint.digest)  # step 2 has checked that it is the root of the tree
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
        """Verify a token; revocations after its renewal do not count."""
        try:
            return self._verifier(self._crls).verify(token, datum)
        except NotProved as fault:
            if renewed is None or fault.step is not Step.REVOCATION:
                raise
        chain = self._verifier(()).verify(token, datum).chain
        earlier = tuple(crl for crl in self._crls if not _is_later(crl, chain, renewed))
        return self._verifier(earlier).verify(token, datum)

    def _verifier(self, crls: tuple[bytes, ...]) -> Verifier:
        if crls not in self._verifiers:
            self._verifiers[crls] = Verifier(self._anchors, certificates=self._certificates, crls=crls)
        return self._verifiers[crls]


def _newest_first(record: EvidenceRecord) -> Iterator[tuple[str, ArchiveTimeStamp]]:
    """The archive time-stamps with their names for people."""
    for at, chain in reversed([*enumerate(record.chains, 1)]):
        for number, archive_time_stamp in reversed([*enumerate(chain, 1)]):
            yield place_of(at, number), archive_time_stamp


def _is_later(crl: bytes, chain: Sequence[x509.Certificate], moment: datetime) -> bool:
    """Whether the CRL lists certificates of a chain, but none as harmed by that moment."""
    try:
        times = [*_harmed(x509.load_der_x509_crl(crl), chain)]
    except Exception:  # its contents are read only now, and cryptography raises all kinds of exceptions
        return False
    return bool(times) and min(times) > moment


def _harmed(crl: x509.CertificateRevocationList, chain: Sequence[x509.Certificate]) -> Iterator[datetime]:
    """The times since when certificates of the chain are not to be trusted, of those that the CRL lists."""
    for certificate in chain:
        if certificate.issuer != crl.issuer:
            continue
        entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry is not None:
            yield harmed_since(entry)


def _check_renewal(proof: VerifiedTimestamp, moment: datetime, place: str, how: str) -> None:
    """Steps 5 and 6: the hash and the certificates under the token had not ended at its renewal, or by now."""
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
    """The earliest end of a certificate under a token; an anchor's end counts, as it does in a path at genTime."""
    return min(certificate.not_valid_after_utc for certificate in proof.chain)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
