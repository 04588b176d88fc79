"""A proof says what was proved and what weakens it; paths are found once; nothing else is ever raised."""

from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import Mock

import pytest
from cryptography import x509
from hypothesis import given

from certs.path import find_path
from tests.support import der
from tests.support.query import Query, digest, imprint
from tests.support.shapes import octets as any_octets
from tests.vectors.keys import ecdsa, ed25519_key, pkcs1, rsa_key
from tests.vectors.parties import (
    CA_EXTENSIONS,
    ISSUING,
    KEY_CERT_SIGN,
    ROOT,
    TIME_STAMPING,
    TSU,
    Party,
    extended_key_usage,
    extension,
    key_usage,
)
from tests.vectors.revocation_data import CRLS, Revoked, crl
from tests.vectors.tokens import DATA, Token, TstInfo, accuracy, ess_v2
from tsa.verify import verifier as rooms
from tsa.verify.datum import DigestDatum, OctetsDatum
from tsa.verify.examination import MAX_TOKEN_OCTETS
from tsa.verify.proof import NotJudged, NotProved, Step, VerifiedTimestamp
from tsa.verify.token import check_token
from tsa.verify.verifier import Verifier

DATUM = OctetsDatum(DATA)
EDWARDS = ISSUING.issue("TSU Ed25519", key=ed25519_key("TSU Ed25519"))


def certificate(party: Party) -> x509.Certificate:
    return x509.load_der_x509_certificate(party.certificate)


def verifier(*crls: bytes) -> Verifier:
    return Verifier([certificate(ROOT)], crls=crls or CRLS)


def failing(token: Token | bytes, step: Step, judge: Verifier | None = None, query: bytes | None = None) -> NotProved:
    with pytest.raises(NotProved) as fault:
        (judge or verifier()).verify(token if isinstance(token, bytes) else token.response(), DATUM, query)
    assert fault.value.step is step, fault.value
    return fault.value


def token_by(party: Party, digest: str = "sha256") -> Token:
    return Token(party=party, certificates=(party.certificate, ISSUING.certificate), digest=digest)


def test_a_proof_has_all_that_was_proved() -> None:
    info = TstInfo(gen_time="20260601120000.25Z", accuracy=accuracy(1, 500), nonce=77)
    proof = verifier().verify(Token(info=info).response(), DATUM)
    assert proof == VerifiedTimestamp(
        gen_time=datetime(2026, 6, 1, 12, microsecond=250_000, tzinfo=UTC),
        accuracy_us=1_500_000,
        serial_number=info.serial,
        policy=info.policy,
        hash_algorithm="sha256",
        imprint=digest("sha256", DATA),
        nonce=77,
        tsa_name="CN=TSU,O=Vectors,C=ZZ",
        chain=tuple(map(certificate, (TSU, ISSUING, ROOT))),
        revocation_judged=True,
        warnings=(),
    )


def test_every_step_has_a_title_and_a_failure_its_facts() -> None:
    assert len({step.title for step in Step}) == len(Step) == 13
    fault = failing(b"", Step.PARSE)
    facts = f"Expected {fault.expected}, found {fault.found} ({fault.clause})."
    assert str(fault) == f"Step 1 (parse): {fault.sentence} {facts}"


def test_a_token_has_a_limit_of_size() -> None:
    assert failing(bytes(MAX_TOKEN_OCTETS + 1), Step.PARSE).found == str(MAX_TOKEN_OCTETS + 1)


def test_paths_are_found_once_for_all_tokens_of_a_signer(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_for = Mock(wraps=find_path)
    monkeypatch.setattr(rooms, "find_path", looked_for)
    judge = verifier()
    tokens = [Token(info=TstInfo(serial=at)).response() for at in range(1, 6)]
    assert [judge.verify(token, DATUM).serial_number for token in tokens] == [1, 2, 3, 4, 5]
    looked_for.assert_called_once()


def test_a_path_is_kept_for_its_own_time_only() -> None:
    """Two certificates of one CA's key, one after the other: each token is under that of its time."""
    first, second = (
        ROOT.issue("CA", serial=at, extensions=CA_EXTENSIONS, valid=valid)
        for at, valid in ((2, ("20250101000000Z", "20260101000000Z")), (3, ("20260101000000Z", "20270101000000Z")))
    )
    signer = first.issue("TSU")
    certificates = (signer.certificate, first.certificate, second.certificate)
    judge = verifier()
    for year, above in (("2025", first), ("2026", second), ("2025", first)):
        token = Token(info=TstInfo(gen_time=f"{year}0601120000Z"), party=signer, certificates=certificates)
        assert judge.verify(token.response(), DATUM).chain[1] == certificate(above)
    late = Token(info=TstInfo(gen_time="20280601120000Z"), party=signer, certificates=certificates)
    assert "none: " in failing(late, Step.PATH, judge).found


def test_a_certificate_out_of_its_time_is_told_with_its_validity() -> None:
    early = Token(info=TstInfo(gen_time="20200601120000Z"))
    fault = failing(early, Step.PATH)
    assert fault.expected.endswith("valid at 2020-06-01T12:00:00+00:00")
    assert "it is valid from 20" in fault.found


def test_what_weakens_a_proof_is_told() -> None:
    weak = replace(
        token_by(ISSUING.issue("TSU RSA", key=rsa_key("TSU RSA", 1024)), "sha1"),
        scheme=pkcs1("sha1"),
        info=TstInfo(imprint=imprint("sha1", digest("sha1", DATA)), gen_time="20350601120000Z"),
    )
    future, imprinted, signed, short = verifier().verify(weak.response(), DATUM).warnings
    assert "future" in future
    assert "imprint is by SHA-1" in imprinted
    assert "signed with SHA-1" in signed
    assert "1024 bits" in short


def test_weak_signatures_of_certificates_are_told_but_for_the_anchors() -> None:
    root = ROOT.issue("Root", key=ROOT.key, extensions=CA_EXTENSIONS, scheme=ecdsa("sha1"))
    below = root.issue("TSU", scheme=ecdsa("sha1"))
    token = Token(party=below, certificates=(below.certificate,))
    judge = Verifier([certificate(root)], crls=[crl(root)])
    assert judge.verify(token.response(), DATUM).warnings == (
        "The certificate of CN=TSU,O=Vectors,C=ZZ is signed with SHA-1, which is broken.",
    )


def test_a_signature_algorithm_without_a_hash_or_a_name_is_not_weak() -> None:
    edwards = ed25519_key("edwards CA")
    ca = ROOT.issue("Edwards CA", key=edwards, extensions=CA_EXTENSIONS)
    assert rooms._signature_hash(certificate(ca.issue("TSU"))) == ""
    unknown = TSU.certificate.replace(der.oid("1.2.840.10045.4.3.2"), der.oid("1.2.840.10045.4.9.2"))
    assert rooms._signature_hash(x509.load_der_x509_certificate(unknown)) == ""


def test_what_is_given_must_be_readable() -> None:
    with pytest.raises(NotJudged, match="There is no anchor"):
        Verifier([])
    with pytest.raises(NotJudged, match=r"A CRL cannot be read\. Give"):
        verifier(b"no list")
    with pytest.raises(NotJudged, match=r"An OCSP response cannot be read\. Give"):
        Verifier([certificate(ROOT)], ocsps=[b"no answer"])
    body, _, signature = der.read(TSU.certificate).children()
    odd = der.sequence(body.raw, der.sequence(der.oid("1.2.840.10045.4.3.3")), signature.raw)
    with pytest.raises(NotJudged, match="A certificate that was given cannot be read"):
        Verifier([certificate(ROOT)], certificates=[x509.load_der_x509_certificate(odd)])


@pytest.mark.parametrize(
    ("extensions", "found"),
    [
        ((), "none"),
        ((extended_key_usage(TIME_STAMPING), extended_key_usage(TIME_STAMPING)), "others"),
        ((extended_key_usage(TIME_STAMPING, critical=False),), "that it is not"),
        ((extended_key_usage(TIME_STAMPING, "2.999.1"),), f"{TIME_STAMPING}, 2.999.1"),
        ((extended_key_usage(TIME_STAMPING), key_usage(KEY_CERT_SIGN)), "key_cert_sign"),
        ((extended_key_usage(TIME_STAMPING), extension("2.5.29.15", der.tlv(der.BIT_STRING, b"\x06\x00"))), "neither"),
    ],
)
def test_the_usage_of_the_signers_key(extensions: tuple[bytes, ...], found: str) -> None:
    signer = ISSUING.issue("TSU", extensions=extensions)
    assert failing(token_by(signer), Step.EKU).found == found


def test_no_key_usage_forbids_nothing() -> None:
    signer = ISSUING.issue("TSU", extensions=(extended_key_usage(TIME_STAMPING),))
    assert verifier().verify(token_by(signer).response(), DATUM).warnings == ()


def test_a_revocation_is_told_with_its_source_and_reason() -> None:
    for reason, words in ((1, "keyCompromise"), (None, "no reason that is known")):
        fault = failing(Token(), Step.REVOCATION, verifier(crl(ISSUING, Revoked(TSU, "20260901000000Z", reason))))
        assert fault.found == f"a revocation since 2026-09-01T00:00:00+00:00 in a CRL: {words}"


def test_a_query_is_answered_or_not() -> None:
    asked = Query(imprint=imprint("sha256", digest("sha256", DATA)), nonce=b"\x05")
    answer = Token(info=TstInfo(nonce=5))
    assert verifier().verify(answer.response(), DATUM, asked.encode()).nonce == 5
    fault = failing(answer, Step.QUERY, query=replace(asked, nonce=None).encode())
    assert (fault.expected, fault.found) == ("no nonce", "5")
    with pytest.raises(NotJudged, match=r"^The query is not a TimeStampReq\. .* Give the \.tsq"):
        verifier().verify(answer.response(), DATUM, b"")


def test_a_digest_of_another_length_is_another() -> None:
    with pytest.raises(NotProved, match=f"found sha256 {digest('sha256', DATA).hex()}"):
        verifier().verify(Token().response(), DigestDatum(b"short"))


def test_an_answer_is_checked_without_an_anchor_and_against_a_datum() -> None:
    asked = Query(imprint=imprint("sha256", digest("sha256", DATA)), nonce=None).encode()
    assert check_token(Token().response(), asked, datum=DATUM).certificate == certificate(TSU)
    with pytest.raises(NotProved, match=r"^Step 8"):
        check_token(Token().response(), asked, datum=OctetsDatum(b"other"))
    with pytest.raises(NotProved, match=r"^Step 2 .* found a bare token"):
        check_token(Token().encode(), asked)


@pytest.mark.parametrize(
    "octets",
    [
        der.sequence(der.tlv(der.OID, b"\x81" * 1_000_000)),
        b"-----BEGIN a" * 80_000,
        b"\x30\x80" + b"\x05\x00" * 500_000,
        Token(crls=(der.sequence(),) * 500_000).response(),
        Token(certificates=(der.sequence(),) * 500_000).response(),
        Token(identifier=ess_v2(TSU) * 20_000).response(),
    ],
    ids=["a long identifier", "much armour", "many elements", "many CRLs", "many certificates", "many ESSCertIDs"],
)
@pytest.mark.timeout(10)
def test_octets_within_the_limit_take_no_time(octets: bytes) -> None:
    """A reader without limits on what a token holds, or with a careless pattern, takes minutes over these."""
    assert len(octets) <= MAX_TOKEN_OCTETS
    with pytest.raises(NotProved):
        verifier().verify(octets, DATUM)


@given(any_octets)
def test_any_octets_are_not_proved(octets: bytes) -> None:
    with pytest.raises(NotProved):
        verifier().verify(octets, DATUM)


@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
@pytest.mark.parametrize("signer", [TSU, EDWARDS])
def test_a_changed_octet_raises_nothing_else(signer: Party) -> None:
    good, judge = token_by(signer, "sha512" if signer is EDWARDS else "sha256").response(), verifier()
    proof = judge.verify(good, DATUM)
    for at in range(len(good)):
        changed = bytearray(good)
        changed[at] ^= 1 + at % 255
        try:
            again = judge.verify(bytes(changed), DATUM)
        except NotProved:
            continue
        assert replace(again, warnings=()) == replace(proof, warnings=()), at
