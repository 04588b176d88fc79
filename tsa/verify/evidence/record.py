"""An EvidenceRecord as values: read from DER within limits, and written back to the same octets.

RFC 4998, its 1988 syntax with IMPLICIT TAGS (appendix B, which takes precedence: 2.1):

    EvidenceRecord ::= SEQUENCE {
        version                   INTEGER { v1(1) },
        digestAlgorithms          SEQUENCE OF AlgorithmIdentifier,
        cryptoInfos               [0] CryptoInfos OPTIONAL,
        encryptionInfo            [1] EncryptionInfo OPTIONAL,
        archiveTimeStampSequence  SEQUENCE OF ArchiveTimeStampChain }

    ArchiveTimeStampChain ::= SEQUENCE OF ArchiveTimeStamp

    ArchiveTimeStamp ::= SEQUENCE {
        digestAlgorithm  [0] AlgorithmIdentifier OPTIONAL,
        attributes       [1] Attributes OPTIONAL,
        reducedHashtree  [2] SEQUENCE OF PartialHashtree OPTIONAL,
        timeStamp        ContentInfo }

    PartialHashtree ::= SEQUENCE OF OCTET STRING
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

from certs.der import OCTET_STRING, SEQUENCE, Malformed, Reader
from certs.signatures import AlgorithmIdentifier
from signer.algorithms import HASHES as KNOWN_HASHES
from tsa.protocol import der
from tsa.protocol.oids import HASHES
from tsa.verify.evidence.tree import Hashtree
from tsa.verify.examination import MAX_TOKEN_OCTETS, read_content
from tsa.verify.message import MessageImprint
from tsa.verify.proof import NotProved

MAX_OCTETS = 16 << 20
# A renewal every half year for a century. A longer record is an attack: every time-stamp costs a verification.
MAX_TIMESTAMPS = 200
# With two branches a node, a tree of this height has more leaves than there will be files.
MAX_LISTS = 64

_CRYPTO_INFOS = _DIGEST_ALGORITHM = 0xA0
_ENCRYPTION_INFO = _ATTRIBUTES = 0xA1
_REDUCED_HASHTREE = 0xA2

_T = TypeVar("_T")


class BrokenEvidence(Exception):
    """The record does not prove the data: `str()` says where and why, `clause` names the standard that it breaks."""

    def __init__(self, sentence: str, clause: str) -> None:
        super().__init__(f"{sentence} ({clause}).")
        self.clause = clause


@dataclass(frozen=True, slots=True)
class ArchiveTimeStamp:
    """RFC 4998 4.1.

    `time_stamp` is the DER ContentInfo. `digest_algorithm` and `attributes` are contents octets, empty where absent, as
    is `reduced_hashtree`.
    """

    time_stamp: bytes
    reduced_hashtree: Hashtree = ()
    digest_algorithm: bytes = b""
    attributes: bytes = b""

    @classmethod
    def read(cls, reader: Reader) -> ArchiveTimeStamp:
        """The next element. Raises Malformed."""
        fields = reader.into(SEQUENCE, "an ArchiveTimeStamp")
        algorithm, attributes = _optional(fields, _DIGEST_ALGORITHM), _optional(fields, _ATTRIBUTES)
        lists = Reader(_optional(fields, _REDUCED_HASHTREE))
        time_stamp = fields.element(SEQUENCE, "timeStamp")
        fields.ends("an ArchiveTimeStamp")
        hashtree = _all(lists, lambda reader: _all(reader.into(SEQUENCE, "a PartialHashtree"), _hash_value))
        return cls(time_stamp, hashtree, algorithm, attributes)

    @property
    def encoded(self) -> bytes:
        """In DER."""
        lists = (der.sequence(*(der.tlv(OCTET_STRING, value) for value in values)) for values in self.reduced_hashtree)
        return der.sequence(
            _tagged(_DIGEST_ALGORITHM, self.digest_algorithm),
            _tagged(_ATTRIBUTES, self.attributes),
            _tagged(_REDUCED_HASHTREE, b"".join(lists)),
            self.time_stamp,
        )

    @property
    def imprint(self) -> MessageImprint:
        """The messageImprint of the token. Raises BrokenEvidence."""
        return _imprint(self.time_stamp)

    @property
    def algorithm(self) -> str:
        """The hash algorithm of the tree (hashlib's name): as named, else the token's (RFC 4998 4.1).

        Raises BrokenEvidence.
        """
        if not self.digest_algorithm:
            return self.imprint.hash_algorithm
        try:
            reader = Reader(der.sequence(self.digest_algorithm))
            return AlgorithmIdentifier.read(reader, "digestAlgorithm").hash_name("digestAlgorithm")
        except Malformed as fault:
            raise BrokenEvidence(f"A digestAlgorithm is not known here: {_phrase(fault)}", "RFC 4998 4.1") from fault


@lru_cache(maxsize=256)  # records that were made together have one token
def _imprint(time_stamp: bytes) -> MessageImprint:
    if len(time_stamp) > MAX_TOKEN_OCTETS:
        raise BrokenEvidence(
            f"A token has {len(time_stamp)} octets, and {MAX_TOKEN_OCTETS} are the most here", "RFC 4998 4.1"
        )
    try:
        _, info = read_content(time_stamp)
    except NotProved as fault:
        raise BrokenEvidence(f"A timeStamp is no TimeStampToken: {_phrase(fault)}", "RFC 4998 4.1") from fault
    if info.imprint.hash_algorithm not in KNOWN_HASHES:
        raise BrokenEvidence(f"A token's hash is not known here: {info.imprint.hash_algorithm}", "RFC 4998 4.1")
    return info.imprint


Chain = tuple[ArchiveTimeStamp, ...]


def encode_chains(chains: tuple[Chain, ...]) -> bytes:
    """An ArchiveTimeStampSequence in DER, as a hash-tree renewal hashes it (RFC 4998 5.2 step 3)."""
    return der.sequence(*(der.sequence(*(time_stamp.encoded for time_stamp in chain)) for chain in chains))


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """RFC 4998 3.1: `digest_algorithms` are DER AlgorithmIdentifiers, the other octets contents, empty where absent."""

    digest_algorithms: tuple[bytes, ...]
    chains: tuple[Chain, ...]
    crypto_infos: bytes = b""
    encryption_info: bytes = b""

    @classmethod
    def read(cls, octets: bytes) -> EvidenceRecord:
        """The record of version 1 in these octets. Raises Malformed."""
        outer = Reader(octets)
        fields = outer.into(SEQUENCE, "EvidenceRecord")
        outer.ends("EvidenceRecord")
        if (version := fields.integer("the version of EvidenceRecord")) != 1:
            raise Malformed("version 1 of EvidenceRecord", str(version))
        algorithms = _all(
            fields.into(SEQUENCE, "digestAlgorithms"), lambda reader: reader.element(SEQUENCE, "a digestAlgorithm")
        )
        crypto_infos, encryption_info = _optional(fields, _CRYPTO_INFOS), _optional(fields, _ENCRYPTION_INFO)
        sequence = fields.into(SEQUENCE, "archiveTimeStampSequence")
        fields.ends("EvidenceRecord")
        chains = _all(sequence, lambda reader: _all(reader.into(SEQUENCE, "a chain"), ArchiveTimeStamp.read))
        return cls(algorithms, chains, crypto_infos, encryption_info)

    @property
    def encoded(self) -> bytes:
        """In DER."""
        return der.sequence(
            der.integer(1),
            der.sequence(*self.digest_algorithms),
            _tagged(_CRYPTO_INFOS, self.crypto_infos),
            _tagged(_ENCRYPTION_INFO, self.encryption_info),
            encode_chains(self.chains),
        )

    @property
    def newest(self) -> ArchiveTimeStamp:
        """The archive time-stamp on which the proof rests until it is renewed."""
        return self.chains[-1][-1]

    def with_token(self, time_stamp: bytes) -> EvidenceRecord:
        """The record with other unsigned parts in the newest token, which no time-stamp covers yet."""
        *before, last = self.chains
        return replace(self, chains=(*before, (*last[:-1], replace(self.newest, time_stamp=time_stamp))))

    def with_time_stamp(self, archive_time_stamp: ArchiveTimeStamp) -> EvidenceRecord:
        """The record with one more archive time-stamp in its newest chain: time-stamp renewal (RFC 4998 5.2)."""
        *before, last = self.chains
        return replace(self, chains=(*before, (*last, archive_time_stamp)))

    def with_chain(self, archive_time_stamp: ArchiveTimeStamp, algorithm: str) -> EvidenceRecord:
        """The record with a new chain, of a hash algorithm of HASHES: hash-tree renewal (RFC 4998 5.2)."""
        identifier = der.sequence(der.oid(HASHES[algorithm].oid))
        algorithms = dict.fromkeys((*self.digest_algorithms, identifier))
        return replace(self, digest_algorithms=tuple(algorithms), chains=(*self.chains, (archive_time_stamp,)))


def new_time_stamp(token: bytes, reduced_hashtree: Hashtree, algorithm: str) -> ArchiveTimeStamp:
    """An archive time-stamp of a hash algorithm of HASHES.

    It names the algorithm, without parameters (RFC 5754 2), whatever the token has: some verifiers compare the octets
    of the names in a chain.
    """
    return ArchiveTimeStamp(token, reduced_hashtree, der.oid(HASHES[algorithm].oid))


def new_record(archive_time_stamp: ArchiveTimeStamp, algorithm: str) -> EvidenceRecord:
    """A record with one archive time-stamp, of a hash algorithm of HASHES."""
    return EvidenceRecord((), ()).with_chain(archive_time_stamp, algorithm)


def read_record(octets: bytes) -> EvidenceRecord:
    """The EvidenceRecord in any octets. Raises BrokenEvidence, and nothing else."""
    if len(octets) > MAX_OCTETS:
        raise BrokenEvidence(f"The record has {len(octets)} octets, and {MAX_OCTETS} are the most here", "RFC 4998 3.1")
    try:
        record = EvidenceRecord.read(octets)
    except Malformed as fault:
        raise BrokenEvidence(f"The file is not an EvidenceRecord: {_phrase(fault)}", "RFC 4998 3.1") from fault
    _check_limits(record)
    return record


def _all(reader: Reader, read: Callable[[Reader], _T]) -> tuple[_T, ...]:
    """All elements to the end."""
    found = []
    while reader.tag >= 0:
        found.append(read(reader))
    return tuple(found)


def _hash_value(reader: Reader) -> bytes:
    return reader.content(OCTET_STRING, "a hash value")


def _optional(fields: Reader, tag: int) -> bytes:
    """The contents of the next field where it has the tag, else none. Raises Malformed where they are empty."""
    if fields.tag != tag:
        return b""
    contents = fields.content(tag, "an optional field")
    if not contents:
        raise Malformed(f"contents of the field with tag {tag:02x}", "none")
    return contents


def _tagged(tag: int, contents: bytes) -> bytes:
    return der.tlv(tag, contents) if contents else b""


def _phrase(fault: Exception) -> str:
    return str(fault).rstrip(".")


def _check_limits(record: EvidenceRecord) -> None:
    if not record.chains or not all(record.chains):
        raise BrokenEvidence("The record has no archive time-stamp, or a chain without one", "RFC 4998 5.1")
    if (count := sum(map(len, record.chains))) > MAX_TIMESTAMPS:
        raise BrokenEvidence(
            f"The record has {count} archive time-stamps, and {MAX_TIMESTAMPS} are the most here", "RFC 4998 5.1"
        )
    for chain in record.chains:
        for archive_time_stamp in chain:
            _check_hashtree(archive_time_stamp.reduced_hashtree, archive_time_stamp.algorithm)


def _check_hashtree(hashtree: Hashtree, algorithm: str) -> None:
    if len(hashtree) > MAX_LISTS:
        raise BrokenEvidence(
            f"A hash tree has {len(hashtree)} lists, and {MAX_LISTS} are the most here", "RFC 4998 4.1"
        )
    # With values of any length, the same octets could be split into values in two ways.
    size = hashlib.new(algorithm).digest_size
    if not all(values and all(len(value) == size for value in values) for values in hashtree):
        raise BrokenEvidence(
            f"A list of a hash tree is empty, or has a value that is no {algorithm} hash", "RFC 4998 4.1"
        )
