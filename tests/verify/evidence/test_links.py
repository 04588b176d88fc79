"""What hangs together by hashes alone, and each way in which it may not (RFC 4998 5.3)."""

from dataclasses import replace

import pytest

from tests.support import der
from tests.support.evidence_making import DATA, MADE, RENEWED, create, rebuild, renew, stamped, token, with_stamp
from tsa.verify.datum import OctetsDatum
from tsa.verify.evidence.links import check_links, token_digest
from tsa.verify.evidence.record import ArchiveTimeStamp, BrokenEvidence, EvidenceRecord
from tsa.verify.evidence.tree import Hashtree

CREATED = create()
RENEWED_ONCE = renew(CREATED)
LONG = renew(rebuild(RENEWED_ONCE))
RECORD = LONG[0]
LEAF = OctetsDatum(DATA[0]).digest("sha256")


def broken(record: EvidenceRecord, sentence: str, clause: str, data: bytes = DATA[0]) -> None:
    with pytest.raises(BrokenEvidence, match=sentence) as fault:
        check_links(record, OctetsDatum(data))
    assert fault.value.clause == clause
    assert str(fault.value).endswith(f"({clause}).")


def tree_of(record: EvidenceRecord, chain: int = 0, number: int = 0) -> Hashtree:
    return record.chains[chain][number].reduced_hashtree


@pytest.mark.parametrize("records", [CREATED, RENEWED_ONCE, rebuild(CREATED), LONG, renew(LONG), rebuild(LONG)])
def test_every_record_hangs_together(records: list[EvidenceRecord]) -> None:
    for record, data in zip(records, DATA, strict=True):
        check_links(record, OctetsDatum(data))
        check_links(record, None)


def test_records_made_together_have_one_token() -> None:
    for records in (CREATED, RENEWED_ONCE, LONG):
        assert len({each.newest.time_stamp for each in records}) == 1
    assert {tree_of(each, 0, 1) for each in RENEWED_ONCE} == {()}  # all have the same token to renew
    assert len({tree_of(each, 1, 0) for each in LONG}) == len(LONG)


def test_records_of_several_tokens_are_renewed_with_one() -> None:
    records = renew([*create(DATA[:2]), *create(DATA[2:])])
    assert len({each.chains[0][0].time_stamp for each in records}) == 2
    assert len({each.newest.time_stamp for each in records}) == 1
    for record, data in zip(records, DATA, strict=True):
        check_links(record, OctetsDatum(data))


def test_a_file_alone_needs_no_tree() -> None:
    [record] = rebuild(renew(create(DATA[:1])), data=DATA[:1])
    assert [each.reduced_hashtree for chain in record.chains for each in chain] == [(), (), ()]
    check_links(record, OctetsDatum(DATA[0]))
    broken(record, "chain 1 does not cover the data", "RFC 4998 5.3", data=b"other")


def test_another_file() -> None:
    broken(RECORD, "Archive time-stamp 1 of chain 1 does not cover the data: the file was changed", "RFC 4998 5.3", b"")


def test_a_removed_leaf() -> None:
    first, *others = tree_of(RECORD)
    without = tuple(each for each in first if each != LEAF)
    assert len(without) == 1
    broken(
        with_stamp(RECORD, 0, 0, reduced_hashtree=(without, *others)), "chain 1 does not cover the data", "RFC 4998 5.3"
    )


@pytest.mark.parametrize("values", [(), (bytes(32),)])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_removed_or_changed_hash_of_the_tree(level: int, values: tuple[bytes, ...]) -> None:
    tree = list(tree_of(RECORD))
    tree[level] = ((LEAF,) if level == 0 else ()) + values
    changed = with_stamp(RECORD, 0, 0, reduced_hashtree=tuple(each for each in tree if each))
    broken(changed, "tree of archive time-stamp 1 of chain 1 does not lead to the hash in its token", "RFC 4998 4.3")


def test_swapped_chains() -> None:
    broken(replace(RECORD, chains=RECORD.chains[::-1]), "chain 1 does not cover the data", "RFC 4998 5.3")


def test_a_chain_of_another_record() -> None:
    swapped = replace(RECORD, chains=(RECORD.chains[0], LONG[1].chains[1]))
    broken(swapped, "chain 2 does not cover the data with the chains before it", "RFC 4998 5.3")


def test_a_removed_chain() -> None:
    thrice = rebuild(LONG, algorithm="sha3-256")[0]
    broken(replace(thrice, chains=thrice.chains[::2]), "chain 2 does not cover the data with", "RFC 4998 5.3")
    broken(replace(thrice, chains=thrice.chains[1:]), "chain 1 does not cover the data", "RFC 4998 5.3")


def test_a_removed_time_stamp() -> None:
    thrice = renew(RENEWED_ONCE)[0]
    [chain] = thrice.chains
    broken(
        replace(thrice, chains=((chain[0], chain[2]),)),
        "Archive time-stamp 2 of chain 1 does not cover the token before it",
        "RFC 4998 5.3",
    )


def test_swapped_time_stamps_are_seen_without_the_file() -> None:
    [chain] = RENEWED_ONCE[0].chains
    with pytest.raises(BrokenEvidence, match="2 of chain 1 does not cover the token before it"):
        check_links(replace(RENEWED_ONCE[0], chains=(chain[::-1],)), None)


def test_a_time_stamp_removed_from_an_older_chain() -> None:
    """The chain is whole still, but no longer the one that the next covers."""
    broken(replace(RECORD, chains=(RECORD.chains[0][:1], RECORD.chains[1])), "the chains before it", "RFC 4998 5.3")


def test_two_algorithms_in_a_chain() -> None:
    [record] = create(DATA[:1])
    other = stamped([OctetsDatum(record.newest.time_stamp).digest("sha384")], RENEWED, "sha384")[0]
    broken(record.with_time_stamp(other), "by sha256 and by sha384, and a chain has one", "RFC 4998 5.3")


def test_a_tree_of_another_algorithm_than_its_token() -> None:
    sha512 = der.oid("2.16.840.1.101.3.4.2.3")
    broken(with_stamp(RECORD, 0, 0, digest_algorithm=sha512), "by sha256 and by sha512", "RFC 4998 5.3")


def test_lists_as_others_write_them() -> None:
    """Three values under a node, and the renewed token beside others in the first list: both as RFC 4998 4.2 allows."""
    leaves = [OctetsDatum(each).digest("sha256") for each in DATA[:3]]
    [record] = create(DATA[:1])
    root = OctetsDatum(b"".join(sorted(leaves))).digest("sha256")
    time_stamp = ArchiveTimeStamp(token(root, "sha256", MADE), (tuple(leaves),))
    own = replace(record, chains=((time_stamp,),))
    group = (token_digest(time_stamp), bytes(32))
    again = token(OctetsDatum(b"".join(sorted(group))).digest("sha256"), "sha256", RENEWED)
    renewed = own.with_time_stamp(ArchiveTimeStamp(again, (group,)))
    for data in DATA[:3]:
        check_links(renewed, OctetsDatum(data))
