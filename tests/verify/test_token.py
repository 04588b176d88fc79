"""A bad token fails at the step that it breaks, and the error says why; any octets at all are proved or not."""

import pytest
from asn1crypto import cms
from asn1crypto.x509 import Name
from hypothesis import given

from signer.software import SoftwareKey, generate
from tests.support import der
from tests.support.editing import (
    CERTIFICATE,
    QUERY,
    REQUEST,
    RESPONSE,
    STRANGER,
    UNKNOWN_KEY,
    Edit,
    attribute,
    certificates,
    drop,
    edited,
    hash_of,
    name_signer,
    no_certificates,
    of_signer,
    other_tst_info,
    put,
    sign,
    signature_algorithm,
    signer_info,
    twisted,
    two_signers,
)
from tests.support.query import Query
from tests.support.shapes import octets as any_octets
from tests.support.units import authority, grant
from tsa.protocol.errors import PKIFailureInfo, Refusal
from tsa.protocol.tsp import encode_refusal
from tsa.verify.proof import NotJudged, NotProved
from tsa.verify.token import check_token

UNCERTIFIED = Query(cert_req=None)

# What is done to the good response, the step that must fail, and words of its reason.
BROKEN: dict[str, tuple[bytes | tuple[Edit, ...], int, str]] = {
    "nothing": (b"", 1, "neither a TimeStampResp nor"),
    "garbage": (b"\x30\x03\x02\x01\x00", 1, "neither a TimeStampResp nor"),
    "truncated": (RESPONSE[:-1], 1, "neither a TimeStampResp nor"),
    "followed by more": (RESPONSE + b"\1", 1, "neither a TimeStampResp nor"),
    "a bare token": (der.read(RESPONSE).children()[1].raw, 2, "answered by a TimeStampResp"),
    "a request": (REQUEST, 1, "neither a TimeStampResp nor"),
    "waiting": (
        (lambda response: response["status"].__setitem__("status", "waiting"),),
        2,
        "answered waiting: no reason given",
    ),
    "rejection with a token": (
        (
            lambda response: response["status"].__setitem__("status", "rejection"),
            lambda response: response["status"].__setitem__("status_string", ["Not", "today."]),
        ),
        2,
        "answered rejection: Not today.",
    ),
    "no token": (
        der.sequence(der.sequence(der.integer(0))),
        3,
        "Expected a timeStampToken, as the status is granted, found none",
    ),
    "data instead of SignedData": (
        (
            lambda response: response.__setitem__(
                "time_stamp_token", cms.ContentInfo({"content_type": "data", "content": b"x"})
            ),
        ),
        3,
        r"Expected SignedData .* found 1\.2\.840\.113549\.1\.7\.1 ",
    ),
    "data instead of TSTInfo": (
        (put("encap_content_info", value=cms.EncapsulatedContentInfo({"content_type": "data", "content": b"x"})),),
        3,
        r"Expected the eContentType id-ct-TSTInfo .* found 1\.2\.840\.113549\.1\.7\.1 ",
    ),
    "no content": (
        (put("encap_content_info", value=cms.EncapsulatedContentInfo({"content_type": "tst_info"})),),
        3,
        "Expected a TSTInfo, found no eContent",
    ),
    "two SignerInfos": ((two_signers,), 4, "Expected 1 SignerInfo, found 2"),
    "no SignerInfo": ((put("signer_infos", value=cms.SignerInfos([])),), 4, "Expected 1 SignerInfo, found 0"),
    "a subjectKeyIdentifier": (
        (of_signer("sid", cms.SignerIdentifier("subject_key_identifier", b"id")),),
        5,
        "found 1 certificates, and none is it",
    ),
    "no signingCertificateV2": (
        (
            drop("signing_certificate_v2"),
            sign,
        ),
        5,
        "signingCertificateV2 with an ESSCertID, found none",
    ),
    "another certificate": ((certificates(STRANGER),), 5, "neither in the token nor among those given"),
    "no certificate": ((no_certificates,), 5, "neither in the token nor among those given"),
    "another ESSCertIDv2": (
        (
            name_signer(STRANGER),
            sign,
        ),
        5,
        "neither in the token nor among those given",
    ),
    "another serialNumber in sid": (
        (lambda response: signer_info(response)["sid"].chosen.__setitem__("serial_number", 7),),
        5,
        "neither in the token nor among those given",
    ),
    "another issuer in sid": (
        (
            lambda response: signer_info(response)["sid"].chosen.__setitem__(
                "issuer", Name.load(STRANGER.issuer.public_bytes())
            ),
        ),
        5,
        "neither in the token nor among those given",
    ),
    "no contentType": (
        (
            drop("content_type"),
            sign,
        ),
        6,
        "Expected one contentType attribute",
    ),
    "no messageDigest": (
        (
            drop("message_digest"),
            sign,
        ),
        6,
        "Expected one messageDigest attribute",
    ),
    "another contentType": (
        (
            lambda response: attribute(response, "content_type").__setitem__(0, "data"),
            sign,
        ),
        6,
        r"Expected the contentType 1\.2\.840\.113549\.1\.9\.16\.1\.4, found 1\.2\.840\.113549\.1\.7\.1",
    ),
    "another messageDigest": (
        (
            lambda response: attribute(response, "message_digest").__setitem__(0, bytes(32)),
            sign,
        ),
        6,
        "Expected the messageDigest",
    ),
    "another TSTInfo": ((other_tst_info,), 6, "Expected the messageDigest"),
    "another digestAlgorithm": ((of_signer("digest_algorithm", hash_of("sha384")),), 6, "Expected the messageDigest"),
    "SHA-1 as digestAlgorithm": ((of_signer("digest_algorithm", hash_of("sha1")),), 6, "Expected the messageDigest"),
    "another signature": ((twisted,), 7, "Expected the signature of CN="),
    "another key's signature": (
        (lambda response: sign(response, SoftwareKey(generate("p256"))),),
        7,
        "Expected the signature of CN=",
    ),
    "attributes that were not signed": (
        (lambda response: attribute(response, "signing_certificate_v2")[0].__setitem__("policies", []),),
        7,
        "Expected the signature of CN=",
    ),
    "another signatureAlgorithm": (
        (signature_algorithm("sha512_ecdsa"),),
        7,
        "signatureAlgorithm for the digestAlgorithm sha256",
    ),
    "an unknown kind of key": (
        (
            certificates(UNKNOWN_KEY),
            name_signer(UNKNOWN_KEY),
            sign,
        ),
        7,
        "of the kind Ed448PublicKey",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_step_fails_for_its_own_reason(name: str) -> None:
    done, step, reason = BROKEN[name]
    response = done if isinstance(done, bytes) else edited(*done)
    with pytest.raises(NotProved, match=rf"^Step {step} \(.*{reason}") as fault:
        check_token(response, REQUEST)
    assert fault.value.step == step


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (Query(nonce=QUERY.nonce), "messageImprint"),
        (Query(imprint=QUERY.imprint, nonce=b"\1"), "nonce"),
        (Query(imprint=QUERY.imprint, nonce=None), "nonce"),
        (
            Query(imprint=QUERY.imprint, nonce=QUERY.nonce, policy="2.999.7"),
            r"policy differs\. Expected 2\.999\.7, found 2\.999\.3161\.1",
        ),
        (
            Query(imprint=QUERY.imprint, nonce=QUERY.nonce, cert_req=None),
            "what certReq asks differs. Expected no certificates in the token",
        ),
    ],
)
def test_a_token_for_another_request_is_not_proved(asked: Query, reason: str) -> None:
    with pytest.raises(NotProved, match=rf"^Step 9 \(query\): .*{reason}"):
        check_token(RESPONSE, asked.encode())


def test_a_nonce_that_was_dropped_is_missed() -> None:
    asked = Query(nonce=None)
    response = grant(authority(), asked.encode())
    with pytest.raises(NotProved, match="nonce differs"):
        check_token(response, Query(imprint=asked.imprint).encode())


def test_certificates_that_were_asked_for_are_missed() -> None:
    response = grant(authority(), UNCERTIFIED.encode())
    with pytest.raises(NotProved, match="Expected certificates in the token, found no certificates in the token"):
        check_token(response, Query(imprint=UNCERTIFIED.imprint, nonce=UNCERTIFIED.nonce).encode(), (CERTIFICATE,))


def test_a_refusal_is_told_with_its_words() -> None:
    class Refused(Refusal):
        fail_info = PKIFailureInfo.badAlg

    with pytest.raises(NotProved, match=r"^Step 2 \(status\): The authority answered rejection: Use SHA-256\."):
        check_token(encode_refusal(Refused("Use SHA-256.")), REQUEST)


@given(any_octets)
def test_any_octets_are_proved_or_not(response: bytes) -> None:
    with pytest.raises(NotProved):
        check_token(response, REQUEST)


@given(any_octets)
def test_any_request_is_answered_or_not(request_: bytes) -> None:
    with pytest.raises((NotProved, NotJudged)):
        check_token(RESPONSE, request_)
