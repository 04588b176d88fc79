"""The links of a record, which are hashes alone: no signature and no time is checked here (RFC 4998 5.3)."""

from __future__ import annotations

import hashlib

from tsa.verify.datum import Datum
from tsa.verify.evidence.record import ArchiveTimeStamp, BrokenEvidence, Chain, EvidenceRecord, encode_chains
from tsa.verify.evidence.tree import root_of


def renewed_digest(datum: Datum, chains: tuple[Chain, ...], algorithm: str) -> bytes:
    """The digest that the first archive time-stamp of a chain covers.

    It is the datum's hash h(i); after earlier chains, H(h(i) || ha(i)), where ha(i) is the hash of these chains.
    RFC 4998 5.2 step 4 concatenates in this order; figure 4 sorts, which is a slip that nobody follows.
    """
    digest = datum.digest(algorithm)
    if not chains:
        return digest
    return hashlib.new(algorithm, digest + hashlib.new(algorithm, encode_chains(chains)).digest()).digest()


def token_digest(archive_time_stamp: ArchiveTimeStamp) -> bytes:
    """The digest that a time-stamp renewal covers: of the whole timeStamp element, by the chain's algorithm (5.2)."""
    return hashlib.new(archive_time_stamp.algorithm, archive_time_stamp.time_stamp).digest()


def place_of(chain: int, number: int) -> str:
    """The name of an archive time-stamp for people; both numbers count from 1."""
    return f"archive time-stamp {number} of chain {chain}"


def check_links(record: EvidenceRecord, datum: Datum | None) -> None:
    """Check every hash: from the datum to the first token, and from every token to the next.

    Without a datum, the first archive time-stamp of a chain may cover any digest; the rest is checked. Raises
    BrokenEvidence; NotJudged where the datum cannot be read.
    """
    for at, chain in enumerate(record.chains, 1):
        algorithm = _algorithm(chain, at)
        digest = None if datum is None else renewed_digest(datum, record.chains[: at - 1], algorithm)
        for number, archive_time_stamp in enumerate(chain, 1):
            _check_covers(archive_time_stamp, digest, at, number)
            digest = token_digest(archive_time_stamp)


def _algorithm(chain: Chain, at: int) -> str:
    """The one hash algorithm of a chain, that of its trees and that of its tokens (RFC 4998 4.3, 5.3)."""
    found = {name for member in chain for name in (member.algorithm, member.imprint.hash_algorithm)}
    if len(found) > 1:
        raise BrokenEvidence(
            f"Chain {at} has hashes by {' and by '.join(sorted(found))}, and a chain has one algorithm", "RFC 4998 5.3"
        )
    return found.pop()


def _check_covers(archive_time_stamp: ArchiveTimeStamp, digest: bytes | None, chain: int, number: int) -> None:
    """RFC 4998 4.3: the hash value is in the first list, and the lists lead to the token's messageImprint."""
    imprint = archive_time_stamp.imprint
    hashtree = archive_time_stamp.reduced_hashtree or ((imprint.digest,),)
    if digest is not None and digest not in hashtree[0]:
        raise BrokenEvidence(_missing(chain, number), "RFC 4998 5.3")
    if root_of(hashtree, imprint.hash_algorithm) != imprint.digest:
        raise BrokenEvidence(
            f"The hash tree of {place_of(chain, number)} does not lead to the hash in its token: "
            "a hash of the tree was removed or changed",
            "RFC 4998 4.3",
        )


def _missing(chain: int, number: int) -> str:
    place = place_of(chain, number).capitalize()
    if number > 1:
        return f"{place} does not cover the token before it: one was removed, exchanged, or put in another place"
    if chain > 1:
        return (
            f"{place} does not cover the data with the chains before it: "
            "a chain was removed, exchanged, or put in another place"
        )
    return f"{place} does not cover the data: the file was changed, or the record is that of another"
