"""A record made ready for its renewal, and the digest that must be time-stamped for it (RFC 4998 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from tsa.protocol.oids import HASHES
from tsa.verify.datum import Datum
from tsa.verify.evidence.embedding import with_validation_data
from tsa.verify.evidence.links import check_links, renewed_digest, token_digest
from tsa.verify.evidence.record import ArchiveTimeStamp, EvidenceRecord, read_record
from tsa.verify.proof import NotJudged


@dataclass(frozen=True, slots=True)
class Due:
    """A record whose renewal is an archive time-stamp that covers `digest`, a hash by `algorithm` (hashlib's name)."""

    record: EvidenceRecord
    digest: bytes
    algorithm: str
    hash_tree: bool

    def renewed(self, archive_time_stamp: ArchiveTimeStamp) -> EvidenceRecord:
        """The record with the archive time-stamp: in a new chain for a hash-tree renewal, else in the newest chain."""
        if self.hash_tree:
            return self.record.with_chain(archive_time_stamp, self.algorithm)
        return self.record.with_time_stamp(archive_time_stamp)


def prepare(
    octets: bytes,
    algorithm: str | None,
    datum: Datum | None,
    certificates: Sequence[x509.Certificate] = (),
    crls: Sequence[bytes] = (),
) -> Due:
    """Check a record's hashes and put certificates and CRLs into its newest token.

    A hash algorithm (hashlib's name) and the datum make it a hash-tree renewal; without both it is a time-stamp
    renewal. `crls` are in DER. Raises BrokenEvidence; NotJudged where the datum cannot be read, or where the hash of
    the chain is not stamped any more.
    """
    record = read_record(octets)
    check_links(record, datum)
    record = record.with_token(with_validation_data(record.newest.time_stamp, certificates, crls))
    if algorithm is not None and datum is not None:
        return Due(record, renewed_digest(datum, record.chains, algorithm), algorithm, hash_tree=True)
    if record.newest.algorithm not in HASHES:
        raise NotJudged(
            f"Its newest chain hashes by {record.newest.algorithm}, which is stamped no more: renew it with --hash, "
            "and keep its file at hand."
        )
    return Due(record, token_digest(record.newest), record.newest.algorithm, hash_tree=False)
