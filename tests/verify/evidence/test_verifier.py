"""Records judged as the years go: what each token rests on must have lasted until the next was made (RFC 4998 5.3)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import create_autospec

import pytest

from tests.support import evidence_making as making
from tests.support.evidence_making import (
    ANCHORS,
    DATA,
    MADE,
    REBUILT,
    RENEWED,
    SHORT,
    certificate,
    create,
    rebuild,
    renew,
)
from tests.vectors.parties import ISSUING, ROOT, STRANGER, Party, self_signed
from tests.vectors.revocation_data import Revoked, crl
from tsa.verify.datum import OctetsDatum
from tsa.verify.evidence import verifier
from tsa.verify.evidence.record import ArchiveTimeStamp, BrokenEvidence, EvidenceRecord
from tsa.verify.evidence.verifier import EvidenceVerifier, VerifiedEvidence
from tsa.verify.proof import NotJudged
from tsa.verify.verifier import Verifier

# Before every certificate has ended but SHORT's.
NOW = datetime(2026, 11, 1, tzinfo=UTC)
LATE = datetime(2036, 1, 2, tzinfo=UTC)
CRLS = (crl(ROOT), crl(ISSUING))
COMPROMISED = 1


def verify(
    record: EvidenceRecord,
    data: bytes = DATA[0],
    now: datetime = NOW,
    crls: tuple[bytes, ...] = CRLS,
) -> VerifiedEvidence:
    return EvidenceVerifier(ANCHORS, crls=crls, now=now).verify(record.encoded, OctetsDatum(data))


def broken(
    record: EvidenceRecord,
    sentence: str,
    data: bytes = DATA[0],
    now: datetime = NOW,
    crls: tuple[bytes, ...] = CRLS,
) -> None:
    with pytest.raises(BrokenEvidence, match=sentence):
        verify(record, data, now, crls)


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def test_made_renewed_both_ways_and_proved() -> None:
    for record, data in zip(renew(rebuild(renew(create(party=SHORT))), "20261015120000Z"), DATA, strict=True):
        proof = verify(record, data)
        assert proof.since == moment(MADE)
        assert [each.gen_time for each in proof.timestamps] == [
            *map(moment, (MADE, RENEWED, REBUILT, "20261015120000Z"))
        ]
        assert [each.hash_algorithm for each in proof.timestamps] == ["sha256", "sha256", "sha512", "sha512"]
        assert proof.renew_before == moment("20360101000000Z")
        assert proof.warnings == ()


def test_without_the_data_the_rest_is_judged() -> None:
    [record] = renew(create(DATA[:1]))
    judge = EvidenceVerifier(ANCHORS, crls=CRLS, now=NOW)
    assert judge.verify(record.encoded, None).since == moment(MADE)


def test_a_token_that_many_records_share_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    verified = create_autospec(Verifier.verify, side_effect=Verifier.verify)
    monkeypatch.setattr(Verifier, "verify", verified)
    judge = EvidenceVerifier(ANCHORS, crls=CRLS, now=NOW)
    for record, data in zip(renew(create()), DATA, strict=True):
        judge.verify(record.encoded, OctetsDatum(data))
    assert verified.call_count == 2


def test_another_file() -> None:
    broken(create()[0], "does not cover the data", data=DATA[1] + b"!")


def test_what_is_no_record() -> None:
    with pytest.raises(BrokenEvidence, match="not an EvidenceRecord: "):
        EvidenceVerifier(ANCHORS).verify(b"\x30\x00", OctetsDatum(b""))


def test_nothing_to_trust() -> None:
    with pytest.raises(NotJudged):
        EvidenceVerifier([])


def test_another_root_to_trust() -> None:
    record = create()[0]
    judge = EvidenceVerifier([certificate(STRANGER)], now=NOW)
    with pytest.raises(BrokenEvidence, match=r"token of archive time-stamp 1 of chain 1 is not proved: Step 11 .*path"):
        judge.verify(record.encoded, OctetsDatum(DATA[0]))


def test_a_missing_renewal_of_the_newest() -> None:
    record = create(party=SHORT)[0]
    assert verify(record, now=moment("20251231000000Z")).renew_before == moment("20260101000000Z")
    broken(
        record,
        r"A renewal is missing: a certificate under archive time-stamp 1 of chain 1 ended on 2026-01-01 00:00:00 UTC, "
        r"and nothing renewed it \(RFC 4998 5\.3\)\.",
    )


@pytest.mark.parametrize("renewal", [renew, rebuild])
def test_a_renewal_that_came_too_late(renewal: Callable[[list[EvidenceRecord], str], list[EvidenceRecord]]) -> None:
    """Whatever is given now, nobody knows who made the old token: its certificate had ended."""
    record = renewal(create(party=SHORT), REBUILT)[0]
    broken(record, "ended on 2026-01-01 00:00:00 UTC, and it was renewed on 2026-05-01 12:00:00 UTC only")


def test_a_renewal_that_a_root_did_not_live_to_see() -> None:
    second = self_signed("Root 2", valid=("20250101000000Z", "20460101000000Z"))
    unit = second.issue("TSU 2", serial=0x2036, valid=("20250101000000Z", "20450101000000Z"))
    judge = EvidenceVerifier([*ANCHORS, certificate(second)], now=LATE)
    [late] = renew(create(DATA[:1]), "20360101120000Z", party=unit)
    with pytest.raises(BrokenEvidence, match="certificate under archive time-stamp 1 of chain 1 ended on 2036-01-01"):
        judge.verify(late.encoded, OctetsDatum(DATA[0]))
    [early] = renew(create(DATA[:1]), "20351231120000Z", party=unit)
    assert judge.verify(early.encoded, OctetsDatum(DATA[0])).renew_before == moment("20450101000000Z")


def test_time_stamps_out_of_order() -> None:
    record = renew(create(when=RENEWED), MADE)[0]
    broken(record, "1 of chain 1 is of 2025-11-01 12:00:00 UTC and the next is of 2025-06-01 12:00:00 UTC")


def test_a_clock_that_is_behind_does_not_spoil_a_new_record() -> None:
    assert verify(create(when=REBUILT)[0], now=moment(RENEWED)).since == moment(REBUILT)


def test_a_hash_that_grew_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "SECURE_UNTIL", {"sha256": moment("20260101000000Z")})
    record = create()[0]
    assert verify(record, now=moment("20251231000000Z"))
    broken(record, "A hash-tree renewal is missing: the hash algorithm of .*, sha256, was secure until 2026-01-01")
    broken(renew([record])[0], "2 of chain 1, sha256, was secure until 2026-01-01 00:00:00 UTC, and nothing renewed it")
    broken(rebuild(create())[0], "sha256, .* it was renewed on 2026-05-01 12:00:00 UTC only")
    assert verify(rebuild(create(), RENEWED)[0]).since == moment(MADE)


def test_sha1_had_its_day() -> None:
    """Made with SHA-1 when nobody should have: no later renewal mends it."""
    digest = OctetsDatum(DATA[0]).digest("sha1")
    made = making.token(digest, "sha1", MADE)
    record = replace(create(DATA[:1])[0], chains=((ArchiveTimeStamp(made),),))
    broken(rebuild([record], data=DATA[:1])[0], "sha1, was secure until 2017-02-23")


def revoked(since: str, reason: int | None = COMPROMISED, party: Party = SHORT) -> tuple[bytes, ...]:
    return (crl(ROOT), crl(ISSUING, Revoked(party, since, reason), this_update="20261015000000Z"))


def test_a_key_compromised_after_the_renewal_harms_nothing() -> None:
    record = renew(create(party=SHORT))[0]
    assert verify(record, crls=revoked("20251115000000Z")).since == moment(MADE)


@pytest.mark.parametrize("since", ["20250501000000Z", "20251015000000Z"])
def test_a_key_compromised_before_the_renewal(since: str) -> None:
    record = renew(create(party=SHORT))[0]
    broken(record, r"token of archive time-stamp 1 of chain 1 is not proved: Step 12", crls=revoked(since))


def test_a_key_compromised_and_nothing_renewed() -> None:
    record = create(party=SHORT)[0]
    broken(record, "Step 12", crls=revoked("20251115000000Z"), now=moment("20251201000000Z"))


def test_a_key_superseded_between_stamp_and_renewal_harms_nothing() -> None:
    """RFC 3161 4: what was stamped before a revocation for such a reason stays valid."""
    record = renew(create(party=SHORT))[0]
    assert verify(record, crls=revoked("20251015000000Z", reason=4)).since == moment(MADE)


@pytest.mark.parametrize(
    ("invalid", "proved"), [("20251015000000Z", False), ("20251110000000Z", True), ("no time", False)]
)
def test_a_compromise_found_late_counts_from_when_it_was(invalid: str, proved: bool) -> None:
    record = renew(create(party=SHORT))[0]
    entry = Revoked(SHORT, "20251115000000Z", COMPROMISED, invalid)
    crls = (crl(ROOT), crl(ISSUING, entry, this_update="20261015000000Z"))
    if proved:
        assert verify(record, crls=crls)
    else:
        broken(record, "Step 12", crls=crls)


def test_a_compromise_that_began_after_the_revocation_counts_from_the_revocation() -> None:
    entry = Revoked(SHORT, "20251015000000Z", COMPROMISED, invalid="20251201000000Z")
    broken(renew(create(party=SHORT))[0], "Step 12", crls=(crl(ROOT), crl(ISSUING, entry)))


def test_a_crl_put_in_before_the_renewal_counts_for_ever() -> None:
    """The CRL in the token tells of a revocation before the renewal: later ones given beside it do not unsay it."""
    early = crl(ISSUING, Revoked(SHORT, "20251015000000Z", COMPROMISED), this_update="20251020000000Z")
    record = renew(create(party=SHORT), crls=[early])[0]
    broken(record, "Step 12", crls=())


def test_a_crl_put_in_serves_when_none_is_given() -> None:
    record = renew(create(party=SHORT), crls=[crl(ROOT), crl(ISSUING, this_update="20251020000000Z")])[0]
    assert verify(record, crls=(crl(ROOT),)).since == moment(MADE)


def test_warnings_of_all_tokens_are_told_once() -> None:
    record = renew(create())[0]
    warnings = verify(record, crls=()).warnings
    assert len(warnings) == len(set(warnings))


def test_a_changed_octet_never_makes_another_proof() -> None:
    """Every third position: what is still proved has changed in what nobody signed or hashed, and says the same."""
    octets = rebuild(renew(create(DATA[:2])), data=DATA[:2])[0].encoded
    judge = EvidenceVerifier(ANCHORS, crls=CRLS, now=NOW)
    right = judge.verify(octets, OctetsDatum(DATA[0]))
    proved = 0
    for place in range(0, len(octets), 3):
        changed = bytearray(octets)
        changed[place] ^= 1
        try:
            proof = judge.verify(bytes(changed), OctetsDatum(DATA[0]))
        except BrokenEvidence:
            continue
        assert proof.since == right.since
        assert [each.imprint for each in proof.timestamps] == [each.imprint for each in right.timestamps]
        proved += 1
    assert proved < 30  # digestAlgorithms of the record, and unsigned parts of the newest token
