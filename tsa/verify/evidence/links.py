"""How the parts of a record hang together by hashes alone: no signature is looked at, and no time (RFC 4998 5.3)."""

from __future__ import annotations

import hashlib

from tsa.verify.datum import Datum
from tsa.verify.evidence.record import ArchiveTimeStamp, BrokenEvidence, Chain, EvidenceRecord, encode_chains
from tsa.verify.evidence.tree import root_of


def renewed_digest(datum: Datum, chains: tuple[Chain, ...], algorithm: str) -> bytes:
    """What the first archive time-stamp of a chain covers: the datum's hash h(i), after earlier chains
    H(h(i) || ha(i)), where ha(i) is the hash of these chains.

    RFC 4998 5.2 step 4 concatenates in this order; that figure 4 sorts is a slip, which nobody follows.
    """
    digest = datum.digest(algorithm)
    if not chains:
        return digest
    return hashlib.new(algorithm, digest + hashlib.new(algorithm, encode_chains(chains)).digest()).digest()


def token_digest(archive_time_stamp: ArchiveTimeStamp) -> bytes:
    """What a time-stamp renewal covers: the whole timeStamp element, hashed with the chain's algorithm (5.2)."""
    return hashlib.new(archive_time_stamp.algorithm, archive_time_stamp.time_stamp).digest()


def place_of(chain: int, number: int) -> str:
    """How an archive time-stamp is named to people; both count from 1."""
    return f"archive time-stamp {number} of chain {chain}"


def check_links(record: EvidenceRecord, datum: Datum | None) -> None:
    """Check every hash: from the datum to the first token, and from each token to the next.

    Without a datum, what the first archive time-stamp of each chain covers stays unknown, the rest is checked. Raises
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
    found = {name for each in chain for name in (each.algorithm, each.imprint.hash_algorithm)}
    if len(found) > 1:
        raise BrokenEvidence(
            f"Chain {at} has hashes by {' and by '.join(sorted(found))}, and a chain has one algorithm", "RFC 4998 5.3"
        )
    return found.pop()


def _check_covers(archive_time_stamp: ArchiveTimeStamp, digest: bytes | None, chain: int, number: int) -> None:
    """RFC 4998 4.3: the hash value is in the first list, and the lists lead to what the token is on."""
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
