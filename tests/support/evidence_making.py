"""Evidence records over a life of years: made, renewed both ways, by authorities whose certificates end."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from cryptography import x509

from tests.support.query import imprint
from tests.vectors.parties import ISSUING, ROOT, TSU, Party
from tests.vectors.tokens import Token, TstInfo
from tsa.verify.datum import OctetsDatum
from tsa.verify.evidence.record import ArchiveTimeStamp, EvidenceRecord, new_record, new_time_stamp
from tsa.verify.evidence.renewal import prepare
from tsa.verify.evidence.tree import HashTree

DATA = tuple(f"file {number}".encode() for number in range(5))
MADE, RENEWED, REBUILT = "20250601120000Z", "20251101120000Z", "20260501120000Z"
# An authority whose certificate ends before REBUILT.
SHORT = ISSUING.issue("TSU 2025", serial=0x2025, valid=("20250101000000Z", "20260101000000Z"))


def token(
    root: bytes, algorithm: str, when: str, party: Party = TSU, certificates: Sequence[bytes] | None = None
) -> bytes:
    """The TimeStampToken that *party* gives for a digest, with its certificate and the CA's unless others are given."""
    info = TstInfo(imprint=imprint(algorithm, root), gen_time=when)
    usual = sorted((party.certificate, ISSUING.certificate))
    return Token(info, party=party, certificates=tuple(usual if certificates is None else certificates)).encode()


def stamped(
    digests: Sequence[bytes], when: str, algorithm: str = "sha256", party: Party = TSU, *, alone: bool = False
) -> list[ArchiveTimeStamp]:
    """An archive time-stamp for each digest, of one token for all."""
    tree = HashTree(digests, algorithm)
    made = token(tree.root, algorithm, when, party)
    return [new_time_stamp(made, tree.reduced(digest, alone=alone), algorithm) for digest in digests]


def create(
    data: Iterable[bytes] = DATA, when: str = MADE, algorithm: str = "sha256", party: Party = TSU
) -> list[EvidenceRecord]:
    """A record for each datum."""
    digests = [hashlib.new(algorithm, each).digest() for each in data]
    return [new_record(each, algorithm) for each in stamped(digests, when, algorithm, party)]


def renew(
    records: Sequence[EvidenceRecord], when: str = RENEWED, party: Party = TSU, crls: Sequence[bytes] = ()
) -> list[EvidenceRecord]:
    """Time-stamp renewal of all with one token."""
    due = [prepare(each.encoded, None, None, (), crls) for each in records]
    [algorithm] = {each.algorithm for each in due}
    stamps = stamped([each.digest for each in due], when, algorithm, party)
    return [each.renewed(stamp) for each, stamp in zip(due, stamps, strict=True)]


def rebuild(
    records: Sequence[EvidenceRecord],
    when: str = REBUILT,
    algorithm: str = "sha512",
    data: Sequence[bytes] = DATA,
    party: Party = TSU,
) -> list[EvidenceRecord]:
    """Hash-tree renewal of all with one token."""
    due = [prepare(each.encoded, algorithm, OctetsDatum(of)) for each, of in zip(records, data, strict=True)]
    stamps = stamped([each.digest for each in due], when, algorithm, party, alone=True)
    return [each.renewed(stamp) for each, stamp in zip(due, stamps, strict=True)]


def with_stamp(record: EvidenceRecord, chain: int, number: int, **fields: object) -> EvidenceRecord:
    """The record with one of its archive time-stamps changed; both count from 0."""
    chains = [list(each) for each in record.chains]
    chains[chain][number] = replace(chains[chain][number], **fields)  # type: ignore[arg-type]
    return replace(record, chains=tuple(map(tuple, chains)))


def certificate(party: Party) -> x509.Certificate:
    """As the library has it."""
    return x509.load_der_x509_certificate(party.certificate)


ANCHORS = [certificate(ROOT)]
