"""What is put into a token before it is renewed, and what is renewed at all (RFC 4998 4.2, 5.2)."""

from dataclasses import replace

import pytest
from asn1crypto import cms

from certs.der import Malformed
from tests.support import der
from tests.support.evidence_making import DATA, MADE, certificate, create, renew, token, with_stamp
from tests.vectors.parties import CA_EXTENSIONS, ISSUING, ROOT, STRANGER, TSU
from tests.vectors.revocation_data import crl
from tsa.verify.datum import OctetsDatum
from tsa.verify.evidence.embedding import with_validation_data
from tsa.verify.evidence.links import check_links
from tsa.verify.evidence.record import ArchiveTimeStamp, BrokenEvidence
from tsa.verify.evidence.renewal import prepare
from tsa.verify.proof import NotJudged

BARE = token(bytes(32), "sha256", MADE, certificates=(TSU.certificate,))
ISSUING_CRL, ROOT_CRL, STRANGER_CRL = crl(ISSUING), crl(ROOT), crl(STRANGER)
GIVEN = [certificate(each) for each in (STRANGER, ROOT, ISSUING)]


def held(octets: bytes) -> tuple[list[bytes], list[bytes]]:
    """The certificates and CRLs in a token, as they stand."""
    fields = der.read(octets).children()[1].children()[0].children()
    found = {each.tag: [child.raw for child in each.children()] for each in fields if each.tag in (0xA0, 0xA1)}
    return found.get(0xA0, []), found.get(0xA1, [])


def test_the_path_and_its_crls_are_put_in_and_strangers_are_not() -> None:
    full = with_validation_data(BARE, GIVEN, [STRANGER_CRL, ISSUING_CRL, ROOT_CRL])
    certificates, crls = held(full)
    assert certificates == sorted([TSU.certificate, ISSUING.certificate])
    assert crls == sorted([ISSUING_CRL, ROOT_CRL])


def test_nothing_but_these_two_fields_changes() -> None:
    full = with_validation_data(BARE, GIVEN, [ISSUING_CRL])
    before, after = (der.read(each).children()[1].children()[0].children() for each in (BARE, full))
    kept = [each.raw for each in after if each.tag not in (0xA0, 0xA1)]
    assert kept == [each.raw for each in before if each.tag != 0xA0]
    assert [each.tag for each in after] == [der.INTEGER, der.SET, der.SEQUENCE, 0xA0, 0xA1, der.SET]
    assert cms.ContentInfo.load(full, strict=True)["content"]["signer_infos"].native


def test_a_certificate_whose_issuer_cannot_be_read_is_passed_over() -> None:
    odd = TSU.certificate.replace(der.oid("2.5.4.6"), der.tlv(der.INTEGER, b"\2\5\4"), 1)
    made = token(bytes(32), "sha256", MADE, certificates=(odd, TSU.certificate))
    certificates, crls = held(with_validation_data(made, GIVEN, [ISSUING_CRL]))
    assert certificates == sorted([odd, TSU.certificate, ISSUING.certificate])
    assert crls == [ISSUING_CRL]


def test_what_is_there_already_leaves_the_token_as_it_is() -> None:
    full = with_validation_data(BARE, GIVEN, [ISSUING_CRL])
    assert with_validation_data(full, GIVEN, [ISSUING_CRL]) == full
    assert with_validation_data(BARE, [], []) == BARE
    assert held(with_validation_data(full, [], [ROOT_CRL]))[1] == sorted([ISSUING_CRL, ROOT_CRL])


def test_a_path_of_several_cas_is_followed_to_its_end() -> None:
    middle = ISSUING.issue("Middle CA", serial=0x300, extensions=CA_EXTENSIONS)
    unit = middle.issue("TSU below")
    made = token(bytes(32), "sha256", MADE, unit, certificates=(unit.certificate,))
    certificates, _ = held(with_validation_data(made, [certificate(each) for each in (ROOT, ISSUING, middle)], []))
    assert certificates == sorted(each.certificate for each in (unit, middle, ISSUING))


def test_a_token_without_certificates_gets_none() -> None:
    """Without the signer's certificate nothing says which path is its."""
    made = token(bytes(32), "sha256", MADE, certificates=())
    assert with_validation_data(made, GIVEN, [ISSUING_CRL]) == made


@pytest.mark.parametrize("octets", [b"", b"\x30\x00", der.sequence(der.integer(1), der.integer(2)), BARE[:-1]])
def test_what_is_no_token(octets: bytes) -> None:
    with pytest.raises(Malformed):
        with_validation_data(octets, GIVEN, [])


def test_the_renewal_covers_what_was_put_in() -> None:
    [record] = renew(create(DATA[:1]), crls=[ISSUING_CRL])
    assert held(record.chains[0][0].time_stamp)[1] == [ISSUING_CRL]
    assert held(record.newest.time_stamp)[1] == []
    check_links(record, OctetsDatum(DATA[0]))


def test_only_the_newest_token_is_touched() -> None:
    [once] = renew(create(DATA[:1]))
    [twice] = renew([once], crls=[ISSUING_CRL])
    assert twice.chains[0][0] == once.chains[0][0]
    assert held(twice.chains[0][1].time_stamp)[1] == [ISSUING_CRL]


def test_a_broken_record_is_not_renewed() -> None:
    record = create()[0]
    with pytest.raises(BrokenEvidence, match="does not lead to"):
        prepare(with_stamp(record, 0, 0, reduced_hashtree=((bytes(32),),)).encoded, None, None)
    with pytest.raises(BrokenEvidence, match="does not cover the data"):
        prepare(record.encoded, "sha512", OctetsDatum(b"other"))


def test_a_certificate_in_the_token_that_cannot_be_read_is_left_there() -> None:
    odd = der.sequence()
    made = token(bytes(32), "sha256", MADE, certificates=(odd, TSU.certificate))
    assert held(with_validation_data(made, GIVEN, []))[0] == sorted([odd, TSU.certificate, ISSUING.certificate])


def test_a_hash_that_nobody_stamps_any_more() -> None:
    made = token(OctetsDatum(DATA[0]).digest("sha1"), "sha1", MADE)
    old = replace(create(DATA[:1])[0], chains=((ArchiveTimeStamp(made),),))
    with pytest.raises(NotJudged, match=r"hashes by sha1, .* renew it with --hash"):
        prepare(old.encoded, None, None)
    assert prepare(old.encoded, "sha256", OctetsDatum(DATA[0])).hash_tree
