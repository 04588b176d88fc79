"""What CRLs and OCSP responses are evidence of, and what they are not."""

from datetime import UTC, datetime

import pytest
from cryptography import x509

from certs.candidate import Candidate, candidate
from certs.revocation import RevocationData, Standing, standing
from certs.statement import Statement
from tests.support import der
from tests.vectors.parties import (
    CA_EXTENSIONS,
    DIGITAL_SIGNATURE,
    ISSUING,
    OCSP_SIGNING,
    ROOT,
    STRANGER,
    TSU,
    TSU_EXTENSIONS,
    VALID,
    Party,
    Period,
    extended_key_usage,
    extension,
    key_usage,
)
from tests.vectors.revocation_data import GOOD, UNKNOWN, Revoked, crl, ocsp, revoked_status

OLD, NEW, LATER = "20251001000000Z", "20251101000000Z", "20251201000000Z"
SINCE = "20250901000000Z"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
URL = der.tlv(0x86, b"http://crl.example/1")
OTHER_URL = der.tlv(0x86, b"http://crl.example/2")


def points(*urls: bytes) -> bytes:
    """cRLDistributionPoints: one without a name, one by a name relative to the issuer, and those given."""
    full = (der.sequence(der.tlv(0xA0, der.tlv(0xA0, url))) for url in urls)
    return extension("2.5.29.31", der.sequence(der.sequence(der.tlv(0xA2, der.tlv(0xA4, ISSUING.subject))), *full))


POINTED = ISSUING.issue("TSU", extensions=(*TSU_EXTENSIONS, points(URL)))


def scope(*fields: bytes) -> tuple[bytes, ...]:
    """A critical issuingDistributionPoint."""
    return (extension("2.5.29.28", der.sequence(*fields), critical=True),)


def flag(number: int) -> bytes:
    return der.tlv(0x80 | number, b"\xff")


def known(party: Party) -> Candidate:
    found = candidate(party.certificate)
    assert found is not None
    return found


def stands(*crls: bytes, ocsps: tuple[bytes, ...] = (), signer: Party = TSU, issuer: Party = ISSUING) -> Standing:
    """How a signer stands below its CA, which is the anchor here."""
    return standing([known(signer), known(issuer)], RevocationData.read(crls, ocsps))


def said(*crls: bytes, ocsps: tuple[bytes, ...] = (), signer: Party = TSU, issuer: Party = ISSUING) -> Statement:
    found = stands(*crls, ocsps=ocsps, signer=signer, issuer=issuer)
    assert found.notes == ()
    [(one, information)] = found.known
    assert one.name.startswith("CN=TSU")
    return information


def revoked(reason: int | None, this_update: str = NEW) -> bytes:
    return crl(ISSUING, Revoked(TSU, SINCE, reason), this_update=this_update)


def test_a_list_says_revoked_or_not() -> None:
    assert said(crl(ISSUING)).revoked is None
    information = said(revoked(4))
    assert (information.revoked, information.reason) == (datetime(2025, 9, 1, tzinfo=UTC), x509.ReasonFlags.superseded)
    assert said(revoked(None)).reason is None
    assert said(revoked(7)).reason is None, "there is no reason 7"


def test_the_newest_counts_and_what_is_final_stays() -> None:
    assert said(crl(ISSUING, this_update=LATER), revoked(6)).revoked is None, "a hold that was lifted"
    assert said(revoked(6, LATER), crl(ISSUING, this_update=OLD)).reason is x509.ReasonFlags.certificate_hold
    assert said(crl(ISSUING, this_update=LATER), revoked(1)).reason is x509.ReasonFlags.key_compromise
    assert said(revoked(4, OLD), revoked(1, LATER)).reason is x509.ReasonFlags.key_compromise


def test_nothing_known_is_told_for_all_at_once() -> None:
    path = [known(each) for each in (TSU, ISSUING, ROOT)]
    found = standing(path, RevocationData())
    [note] = found.notes
    assert note.startswith("Revocation could not be judged: ")
    assert "CN=TSU" in note
    assert " nor on CN=Issuing CA" in note
    [note] = standing(path[-1:], RevocationData()).notes
    assert note.startswith("Revocation could not be judged: CN=Root")


@pytest.mark.parametrize(
    ("signer", "fields"),
    [
        (TSU, (flag(5),)),
        (TSU, (flag(2),)),
        (TSU, (der.tlv(0x83, b"\x06\x40"),)),
        (POINTED, (der.tlv(0xA0, der.tlv(0xA0, OTHER_URL)),)),
        (TSU, (der.tlv(0xA0, der.tlv(0xA0, URL)),)),
        (TSU, (der.tlv(0xA0, der.tlv(0xA1, der.read(der.read(TSU.subject).children()[2].raw).contents)),)),
    ],
    ids=["attribute certificates", "CAs", "some reasons", "another place", "a place", "a relative name"],
)
def test_a_list_that_need_not_have_it_is_evidence_only_where_it_does(signer: Party, fields: tuple[bytes, ...]) -> None:
    silent = crl(ISSUING, extensions=scope(*fields))
    assert "could not be judged" in "".join(stands(silent, signer=signer).notes)
    telling = crl(ISSUING, Revoked(signer, SINCE, 1), extensions=scope(*fields))
    assert said(telling, signer=signer).reason is x509.ReasonFlags.key_compromise


def test_a_list_whose_scope_has_it_is_evidence() -> None:
    place = der.tlv(0xA0, der.tlv(0xA0, OTHER_URL, URL))
    assert said(crl(ISSUING, extensions=scope(place)), signer=POINTED).revoked is None
    assert said(crl(ISSUING, extensions=scope(flag(1)))).revoked is None
    path = [known(ISSUING), known(ROOT)]
    for_cas, for_users = (crl(ROOT, extensions=scope(flag(number))) for number in (2, 1))
    assert len(standing(path, RevocationData.read([for_cas], [])).known) == 1
    assert len(standing(path, RevocationData.read([for_users], [])).known) == 0


def test_a_delta_list_is_evidence_only_where_it_has_it() -> None:
    delta = (extension("2.5.29.27", der.integer(6), critical=True),)
    assert stands(crl(ISSUING, extensions=delta)).known == ()
    assert said(crl(ISSUING, Revoked(TSU, SINCE, 1), extensions=delta)).revoked is not None


NOT_SIGNING_CRLS = ROOT.issue("Issuing CA", extensions=(*CA_EXTENSIONS[:1], key_usage(DIGITAL_SIGNATURE)))
ANY_USAGE = ROOT.issue("Issuing CA", extensions=CA_EXTENSIONS[:1])


@pytest.mark.parametrize(
    ("octets", "issuer", "sentence"),
    [
        (crl(ISSUING, signing_key=STRANGER.key), ISSUING, "its signature is not that of CN=Issuing CA"),
        (crl(ISSUING), NOT_SIGNING_CRLS, "may not sign CRLs"),
        (crl(ISSUING, extensions=scope(flag(4))), ISSUING, "indirect CRL"),
        (
            crl(ISSUING, extensions=(extension("2.999.1", der.integer(1), critical=True),)),
            ISSUING,
            "critical extension 2.999.1 is not known",
        ),
        (crl(ISSUING, extensions=scope() + scope()), ISSUING, "A CRL cannot be read."),
    ],
)
def test_a_list_that_is_no_evidence_is_told(octets: bytes, issuer: Party, sentence: str) -> None:
    found = stands(octets, issuer=issuer)
    assert found.known == ()
    assert sentence in found.notes[0]


def test_an_issuer_without_key_usage_may_sign_lists() -> None:
    assert said(crl(ISSUING), issuer=ANY_USAGE).revoked is None


def test_a_strangers_list_is_about_something_else() -> None:
    assert len(stands(crl(STRANGER, Revoked(TSU, SINCE))).notes) == 1


def test_an_answer_says_good_or_revoked() -> None:
    assert said(ocsps=(ocsp(TSU, ISSUING, GOOD),)).revoked is None
    information = said(ocsps=(ocsp(TSU, ISSUING, revoked_status(SINCE, 5), name="sha256"),))
    assert information.reason is x509.ReasonFlags.cessation_of_operation
    assert said(ocsps=(ocsp(TSU, ISSUING, revoked_status(SINCE)),)).reason is None
    for other in (ocsp(TSU, ISSUING, UNKNOWN), ocsp(ISSUING, ROOT), ocsp(TSU, ROOT)):
        assert len(stands(ocsps=(other,)).notes) == 1, "it is about something else, or knows nothing"


def test_one_of_several_answers_is_not_known_to_keep_what_ended() -> None:
    ended = ISSUING.issue("TSU", valid=("20200101000000Z", "20220101000000Z"))
    cutoff = (extension("1.3.6.1.5.5.7.48.1.6", der.tlv(der.GENERALIZED_TIME, b"20200101000000Z")),)
    assert not said(ocsps=(ocsp(ended, ISSUING, extensions=cutoff),), signer=ended).late
    assert said(ocsps=(ocsp(ended, ISSUING, extensions=cutoff, times=2),), signer=ended).late


def responder(
    issuer: Party = ISSUING,
    extensions: tuple[bytes, ...] = (extended_key_usage(OCSP_SIGNING),),
    valid: Period = VALID,
) -> Party:
    return issuer.issue("Responder", extensions=extensions, valid=valid)


def test_an_appointed_responder_may_answer() -> None:
    assert said(ocsps=(ocsp(TSU, ISSUING, responder=responder()),)).revoked is None


@pytest.mark.parametrize(
    "by",
    [
        STRANGER,
        responder(STRANGER),
        responder(extensions=TSU_EXTENSIONS),
        responder(extensions=()),
        responder(valid=("20200101000000Z", "20250101000000Z")),
    ],
)
def test_another_responder_is_no_evidence(by: Party) -> None:
    found = stands(ocsps=(ocsp(TSU, ISSUING, revoked_status(SINCE), responder=by),))
    assert found.known == ()
    assert found.notes[0].startswith("An OCSP response on CN=TSU,O=Vectors,C=ZZ is no evidence: its signature is")


def test_a_responder_that_gives_no_answer_is_told() -> None:
    assert "the responder answered TRY_LATER" in stands(ocsps=(der.sequence(der.tlv(0x0A, b"\3")),)).notes[0]


def test_what_cannot_be_read_is_told() -> None:
    evidence = RevocationData.read([b"", crl(ROOT)], [b"x"]) + RevocationData.read([], [b"y"])
    assert (len(evidence.crls), len(evidence.ocsps)) == (1, 0)
    assert evidence.unreadable == ("A CRL cannot be read.", *["An OCSP response cannot be read."] * 2)
    assert standing([known(TSU)], evidence).notes[:3] == evidence.unreadable


def test_old_information_is_told() -> None:
    current = said(crl(ISSUING))
    ended = said(crl(ISSUING, this_update="20251001000000Z", next_update="20251008000000Z"))
    endless = Statement("OCSP response", datetime(2026, 1, 1, tzinfo=UTC), None)
    one = known(TSU)

    def warned(information: Statement, gen_time: datetime) -> bool:
        return bool(list(Standing(((one, information),), ()).warnings(gen_time, NOW)))

    assert not warned(current, NOW)
    assert warned(ended, datetime(2025, 1, 1, tzinfo=UTC))
    assert not warned(endless, datetime(2025, 12, 31, tzinfo=UTC))
    assert warned(endless, datetime(2026, 1, 2, tzinfo=UTC))
