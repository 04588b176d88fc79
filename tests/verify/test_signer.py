"""The signer's certificate is the one that every sign of it points at; odd certificates are passed over."""

from dataclasses import replace

import pytest

from certs.candidate import MAX_OCTETS, Candidate, candidate
from certs.der import Malformed
from tests.support import der
from tests.vectors.parties import ISSUING, ROOT, STRANGER, TSU, Party, name
from tests.vectors.tokens import (
    Token,
    TstInfo,
    attribute,
    ess_v1,
    ess_v2,
    issuer_serial,
    response,
    signing_certificate,
    signing_certificate_v2,
    status_string,
    subject_key,
)
from tsa.verify.examination import examine
from tsa.verify.proof import NotProved, Step
from tsa.verify.signer import allowed_above, ess_cert_ids, read_attributes, sole_value


def known(party: Party) -> Candidate:
    found = candidate(party.certificate)
    assert found is not None
    return found


def test_what_is_kept_is_not_too_large() -> None:
    with pytest.raises(Malformed, match=f"attribute of at most {MAX_OCTETS} octets"):
        ess_cert_ids(read_attributes(signing_certificate_v2(ess_v2(TSU, hashed=bytes(MAX_OCTETS)))))


def test_attributes_are_in_der() -> None:
    one, two = (
        attribute("2.999.1", der.integer(1), der.integer(2)),
        attribute("2.999.2", der.integer(3), der.integer(4)),
    )
    read = {"2.999.1": [der.integer(1), der.integer(2)], "2.999.2": [der.integer(3), der.integer(4)]}
    assert read_attributes(one + two) == read
    assert read_attributes(b"") == {}
    unsorted = der.sequence(der.oid("2.999.1"), der.tlv(der.SET, der.integer(2), der.integer(1)))
    for wrong, sentence in (
        (two + one, "in the order of a DER SET OF"),
        (one + one, "2.999.1 twice"),
        (unsorted, "values of an attribute in the order"),
        (der.sequence(der.oid("2.999.1"), der.tlv(der.SET), b"\x05\x00"), "the end of the attribute 2.999.1"),
    ):
        with pytest.raises(Malformed, match=sentence):
            read_attributes(wrong)
    with pytest.raises(Malformed, match="one it attribute with one value, found 2"):
        sole_value(read_attributes(one), "2.999.1", "it")


def test_an_ess_cert_id_names_by_hash_and_issuer_serial() -> None:
    names = der.sequence(der.tlv(0x82, b"other"), der.tlv(0xA4, TSU.issuer))
    several = der.sequence(names, der.integer(TSU.serial))
    for more in (b"", issuer_serial(TSU), several):
        [[one]] = ess_cert_ids(read_attributes(signing_certificate_v2(ess_v2(TSU, "sha512", more=more))))
        assert one.is_of(known(TSU))
        assert not one.is_of(known(ISSUING))
    for more in (issuer_serial(TSU, serial=7), issuer_serial(TSU, issuer=ROOT.subject)):
        [[one]] = ess_cert_ids(read_attributes(signing_certificate_v2(ess_v2(TSU, more=more))))
        assert not one.is_of(known(TSU))
        assert str(one).endswith(" and its issuerSerial")
    [[old]] = ess_cert_ids(read_attributes(signing_certificate(ess_v1(TSU))))
    assert old.is_of(known(TSU))
    with pytest.raises(Malformed, match="with an ESSCertID, found none"):
        ess_cert_ids(read_attributes(signing_certificate_v2()))


def test_further_ess_cert_ids_limit_the_certificates_above() -> None:
    attribute_certificate = der.sequence(der.integer(1), name("attributes"))
    named = Party(b"", TSU.key, 0, b"", attribute_certificate)
    above = [known(each) for each in (ISSUING, ROOT, STRANGER)]

    def allowed(*parties: Party) -> list[Candidate]:
        attributes = read_attributes(signing_certificate_v2(*map(ess_v2, parties)))
        return allowed_above(above, ess_cert_ids(attributes), [attribute_certificate])

    assert allowed(TSU) == above
    assert allowed(TSU, named) == above, "an attribute certificate limits something else"
    assert allowed(TSU, ISSUING, named) == [known(ISSUING)]


def step_5(token: Token) -> NotProved:
    with pytest.raises(NotProved) as fault:
        examine(token.response())
    assert fault.value.step is Step.CERTIFICATE
    return fault.value


def test_what_somebody_else_chose_to_write_is_cut_short() -> None:
    names = der.sequence(*[der.tlv(der.SET, der.sequence(der.oid("2.5.4.3"), der.tlv(der.UTF8_STRING, b"x")))] * 9999)
    fault = step_5(Token(info=TstInfo(tsa=der.tlv(0xA4, names))))
    assert fault.found.startswith("a483")
    assert len(str(fault)) < 1000
    with pytest.raises(NotProved, match="rejection: xxx") as refused:
        examine(response(b"", 2, status_string("x" * 99999)))
    assert len(str(refused.value)) < 1000


def test_by_key_identifier() -> None:
    assert examine(Token(sid=subject_key(TSU)).response()).certificate is known(TSU)
    fault = step_5(Token(sid=subject_key(STRANGER)))
    assert fault.found == "2 certificates, and none is it"


def test_both_kinds_of_attribute_must_name_the_signer() -> None:
    both = Token()
    attributes = both.standard()
    assert examine(replace(both, attributes=(*attributes, signing_certificate(ess_v1(TSU)))).response())
    fault = step_5(replace(both, attributes=(*attributes, signing_certificate(ess_v1(ISSUING)))))
    assert fault.expected.startswith("sha1 ")


def test_an_unreadable_certificate_in_the_token_is_passed_over() -> None:
    token = Token(certificates=(der.sequence(der.integer(1)), TSU.certificate, ISSUING.certificate))
    assert examine(token.response()).certificate is known(TSU)
    assert [one.name for one in examine(token.response()).above] == [known(ISSUING).name]
