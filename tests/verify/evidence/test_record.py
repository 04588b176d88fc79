"""EvidenceRecords in DER: what is read is written the same, and what is none, or too much, is refused in a sentence."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import der
from tests.support.counts import times
from tests.support.evidence_making import DATA, MADE, create, rebuild, renew, token, with_stamp
from tsa.verify.evidence import record as records
from tsa.verify.evidence.record import ArchiveTimeStamp, BrokenEvidence, EvidenceRecord, read_record

RECORD = rebuild(renew(create()))[0]
SHA256 = der.oid("2.16.840.1.101.3.4.2.1")


def refused(octets: bytes, sentence: str) -> None:
    with pytest.raises(BrokenEvidence, match=sentence):
        read_record(octets)


def test_what_is_written_is_read() -> None:
    assert read_record(RECORD.encoded) == RECORD
    assert [len(chain) for chain in RECORD.chains] == [2, 1]
    assert [each.algorithm for chain in RECORD.chains for each in chain] == ["sha256", "sha256", "sha512"]


def test_the_shape_is_the_standards() -> None:
    """RFC 4998 appendix B, walked by hand."""
    version, algorithms, sequence = der.read(RECORD.encoded).of(der.SEQUENCE)
    assert version.integer() == 1
    assert [each.of(der.SEQUENCE)[0].raw for each in algorithms.of(der.SEQUENCE)] == [
        SHA256,
        der.oid("2.16.840.1.101.3.4.2.3"),
    ]
    first, second = sequence.of(der.SEQUENCE)
    algorithm, tree, time_stamp = first.of(der.SEQUENCE)[0].of(der.SEQUENCE)
    assert algorithm.expect(0xA0).contents == SHA256
    lists = tree.of(0xA2)
    assert [len(each.of(der.SEQUENCE)) for each in lists] == [2, 1, 1]
    assert time_stamp.of(der.SEQUENCE)[0].raw == der.oid("1.2.840.113549.1.7.2")
    [renewed] = second.of(der.SEQUENCE)
    assert {len(each.of(der.SEQUENCE)) for each in renewed.of(der.SEQUENCE)[1].of(0xA2)} == {1}


def test_fields_that_are_not_ours_are_kept() -> None:
    attribute = der.sequence(der.oid("2.999.1"), der.tlv(der.SET, der.integer(7)))
    encryption = der.oid("2.999.2") + der.integer(1)
    identifier = SHA256 + der.tlv(der.NULL)
    full = replace(
        with_stamp(RECORD, 0, 0, attributes=attribute, digest_algorithm=identifier),
        crypto_infos=attribute,
        encryption_info=encryption,
    )
    assert read_record(full.encoded) == full
    assert full.chains[0][0].algorithm == "sha256"


@pytest.mark.parametrize(
    "octets",
    [b"", b"\0", b"\x30\x00", b"not a record", DATA[0] * 100, RECORD.encoded[:-1], RECORD.encoded + b"\0"],
)
def test_what_is_none(octets: bytes) -> None:
    refused(octets, r"not an EvidenceRecord: Expected .*, found .* \(RFC 4998 3\.1\)\.")


@pytest.mark.parametrize("nest", [b"\x30\x80", b"\xa2\x80", b"\x30\x84\x00\x10\x00\x00"])
def test_nesting_without_end(nest: bytes) -> None:
    refused(nest * 200_000, "not an EvidenceRecord")


def test_what_is_not_der() -> None:
    long = RECORD.encoded[:1] + b"\x83\0" + RECORD.encoded[2:]
    refused(long, "in the fewest octets")


@pytest.mark.parametrize("tag", [0xA0, 0xA1])
def test_an_optional_field_without_contents(tag: int) -> None:
    version, algorithms, sequence = (each.raw for each in der.read(RECORD.encoded).children())
    octets = der.sequence(version, algorithms, der.tlv(tag), sequence)
    refused(octets, f"Expected contents of the field with tag {tag:02x}, found none")


def test_another_version() -> None:
    first = der.read(RECORD.encoded).children()
    refused(
        der.sequence(der.integer(2), *(each.raw for each in first[1:])), "Expected version 1 of EvidenceRecord, found 2"
    )


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_OCTETS", len(RECORD.encoded) - 1)
    refused(RECORD.encoded, "octets, and .* are the most")


@pytest.mark.parametrize("chains", [(), ((),), (RECORD.chains[0], ())])
def test_no_archive_time_stamp(chains: tuple[tuple[ArchiveTimeStamp, ...], ...]) -> None:
    refused(replace(RECORD, chains=chains).encoded, "no archive time-stamp")


def test_too_many_archive_time_stamps() -> None:
    chain = (ArchiveTimeStamp(RECORD.newest.time_stamp),) * (records.MAX_TIMESTAMPS + 1)
    refused(replace(RECORD, chains=(chain,)).encoded, "201 archive time-stamps")


def test_too_high_a_tree() -> None:
    tree = ((bytes(32),),) * (records.MAX_LISTS + 1)
    refused(with_stamp(RECORD, 0, 0, reduced_hashtree=tree).encoded, "65 lists")


@pytest.mark.parametrize("tree", [((bytes(32),), ()), ((bytes(31),),), ((bytes(32), b""),), ((bytes(64),),)])
def test_lists_that_are_empty_or_hold_what_is_no_hash(tree: tuple[tuple[bytes, ...], ...]) -> None:
    refused(with_stamp(RECORD, 0, 0, reduced_hashtree=tree).encoded, "no sha256 hash")


@pytest.mark.parametrize("identifier", [der.oid("2.999.4"), b"\x06\x80", b"\x02\x01\x01"])
def test_an_algorithm_that_is_not_known(identifier: bytes) -> None:
    refused(
        with_stamp(RECORD, 0, 0, digest_algorithm=identifier).encoded, "digestAlgorithm is not known here: Expected"
    )


@pytest.mark.parametrize("time_stamp", [der.sequence(), der.sequence(der.oid("2.999.4"))])
def test_a_time_stamp_that_is_no_token(time_stamp: bytes) -> None:
    record = read_record(with_stamp(RECORD, 1, 0, time_stamp=time_stamp).encoded)
    with pytest.raises(BrokenEvidence, match="no TimeStampToken: Step 1 "):
        _ = record.newest.imprint
    refused(with_stamp(record, 1, 0, digest_algorithm=b"").encoded, "no TimeStampToken: Step 1 ")


def test_a_time_stamp_too_large_for_a_token() -> None:
    large = with_stamp(RECORD, 0, 0, time_stamp=der.sequence(bytes(1 << 20)), digest_algorithm=b"")
    refused(large.encoded, "A token has 1048581 octets")


def test_a_token_by_a_hash_that_is_not_known() -> None:
    made = token(bytes(16), "md5", MADE)
    refused(with_stamp(RECORD, 1, 0, time_stamp=made, digest_algorithm=b"").encoded, "token's hash is not known here")


@pytest.mark.long
@settings(max_examples=times(300), deadline=None)
@given(st.integers(0, len(RECORD.encoded) - 1), st.integers(1, 255))
def test_a_changed_octet_is_read_or_refused(place: int, change: int) -> None:
    octets = bytearray(RECORD.encoded)
    octets[place] ^= change
    try:
        read: EvidenceRecord | None = read_record(bytes(octets))
    except BrokenEvidence:
        read = None
    assert read is None or read.encoded == octets
