"""A good token of every key type passes; a bad one fails at the step that it breaks, with a reason, and never otherwise."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asn1crypto import algos, cms, core, tsp
from asn1crypto.x509 import Certificate, Name
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed448
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given

from signer.key import PrivateKey
from signer.software import KEY_TYPES, SoftwareKey, generate
from tests.authority.units import authority, grant, unit
from tests.protocol.shapes import octets as any_octets
from tests.support import der
from tests.support.query import Query, imprint
from tsa.protocol.errors import PKIFailureInfo, Refusal
from tsa.protocol.tsp import encode_refusal
from tsa.verify.token import CheckedToken, NotProved, check_token

QUERY = Query(nonce=b"\x12\x34\x56\x78", policy="2.999.3161.1")
REQUEST = QUERY.encode()
RESPONSE = grant(authority(), REQUEST)
UNCERTIFIED = Query(cert_req=None)
CERTIFICATE = unit().chain.certificate
Edit = Callable[[Any], None]


def certificate_of(subject: str, public_key: Any, key: PrivateKey) -> x509.Certificate:
    """A certificate with nothing in it but what is looked at here."""
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(subject))
        .issuer_name(x509.Name.from_rfc4514_string("CN=i"))
        .public_key(public_key)
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, None)
    )


ED25519 = generate("ed25519")
STRANGER = certificate_of("CN=s", ED25519.public_key(), ED25519)
UNKNOWN_KEY = certificate_of("CN=e", ed448.Ed448PrivateKey.generate().public_key(), ED25519)


def signed_data(response: Any) -> Any:
    return response["time_stamp_token"]["content"]


def signer_info(response: Any) -> Any:
    return signed_data(response)["signer_infos"][0]


def attribute(response: Any, kind: str) -> Any:
    [found] = [each for each in signer_info(response)["signed_attrs"] if each["type"].native == kind]
    return found["values"]


def edited(*edits: Edit, response: bytes = RESPONSE) -> bytes:
    """The response with some of it changed."""
    parsed = tsp.TimeStampResp.load(response, strict=True)
    for edit in edits:
        edit(parsed)
    changed = parsed.dump(force=True)
    assert changed != response, "an edit that changes nothing"
    return bytes(changed)


def sign(response: Any, key: SoftwareKey = unit().key) -> None:  # type: ignore[assignment]
    """Sign the attributes as they are now."""
    signer = signer_info(response)
    signer["signature"] = key.sign(b"\x31" + signer["signed_attrs"].dump()[1:])


def put(*path: str, value: object) -> Edit:
    """Set one field of the SignedData."""

    def edit(response: Any) -> None:
        *way, last = path
        field = signed_data(response)
        for name in way:
            field = field[name]
        field[last] = value

    return edit


def of_signer(name: str, value: object) -> Edit:
    return lambda response: signer_info(response).__setitem__(name, value)


def drop(kind: str) -> Edit:
    """Take an attribute away."""

    def edit(response: Any) -> None:
        kept = [each for each in signer_info(response)["signed_attrs"] if each["type"].native != kind]
        signer_info(response)["signed_attrs"] = cms.CMSAttributes(kept)

    return edit


def name_signer(certificate: x509.Certificate) -> Edit:
    """Let SignerInfo and ESSCertIDv2 name another certificate."""

    def edit(response: Any) -> None:
        octets = certificate.public_bytes(Encoding.DER)
        ess = tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(octets).digest()})
        attribute(response, "signing_certificate_v2")[0] = tsp.SigningCertificateV2({"certs": [ess]})
        issuer = Name.load(certificate.issuer.public_bytes())
        signer_info(response)["sid"] = cms.SignerIdentifier(
            "issuer_and_serial_number",
            cms.IssuerAndSerialNumber({"issuer": issuer, "serial_number": certificate.serial_number}),
        )

    return edit


def certificates(*chosen: x509.Certificate) -> Edit:
    """Put these certificates into the token; the SET is written in DER order, so by their lengths."""
    loaded = [Certificate.load(each.public_bytes(Encoding.DER)) for each in chosen]
    return put("certificates", value=cms.CertificateSet([cms.CertificateChoices("certificate", c) for c in loaded]))


def other_tst_info(response: Any) -> None:
    info = signed_data(response)["encap_content_info"]["content"].parsed
    info["serial_number"] = 5
    signed_data(response)["encap_content_info"]["content"] = core.ParsableOctetString(info.dump())


def two_signers(response: Any) -> None:
    signer = signer_info(response)
    signed_data(response)["signer_infos"] = cms.SignerInfos([signer, signer.copy()])


def no_certificates(response: Any) -> None:
    signed_data(response)["certificates"] = None


def twisted(response: Any) -> None:
    signature = bytearray(signer_info(response)["signature"].native)
    signature[-1] ^= 1
    signer_info(response)["signature"] = bytes(signature)


def hash_of(name: str) -> algos.DigestAlgorithm:
    return algos.DigestAlgorithm({"algorithm": name})


def ess_by(name: str) -> Edit:
    """Let ESSCertIDv2 name the certificate by another hash."""

    def edit(response: Any) -> None:
        digest = hashlib.new(name, CERTIFICATE.public_bytes(Encoding.DER)).digest()
        ess = tsp.ESSCertIDv2({"hash_algorithm": hash_of(name), "cert_hash": digest})
        attribute(response, "signing_certificate_v2")[0] = tsp.SigningCertificateV2({"certs": [ess]})

    return edit


def signature_algorithm(name: str) -> Edit:
    return of_signer("signature_algorithm", algos.SignedDigestAlgorithm({"algorithm": name}))


# What is done to the good response, the step that must fail, and words of its reason.
BROKEN: dict[str, tuple[bytes | tuple[Edit, ...], int, str]] = {
    "nothing": (b"", 1, "not a TimeStampResp in DER"),
    "garbage": (b"\x30\x03\x02\x01\x00", 1, "not a TimeStampResp in DER"),
    "truncated": (RESPONSE[:-1], 1, "not a TimeStampResp in DER"),
    "followed by more": (RESPONSE + b"\0", 1, "not a TimeStampResp in DER"),
    "a bare token": (der.read(RESPONSE).children()[1].raw, 1, "not a TimeStampResp in DER"),
    "a request": (REQUEST, 1, "not a TimeStampResp in DER"),
    "granted with modifications": (
        (lambda response: response["status"].__setitem__("status", "granted_with_mods"),),
        2,
        "answered granted_with_mods: no reason given",
    ),
    "rejection with a token": (
        (
            lambda response: response["status"].__setitem__("status", "rejection"),
            lambda response: response["status"].__setitem__("status_string", ["Not", "today."]),
        ),
        2,
        "answered rejection: Not today.",
    ),
    "data instead of SignedData": (
        (
            lambda response: response.__setitem__(
                "time_stamp_token", cms.ContentInfo({"content_type": "data", "content": b"x"})
            ),
        ),
        3,
        "content type is data",
    ),
    "data instead of TSTInfo": (
        (put("encap_content_info", value=cms.EncapsulatedContentInfo({"content_type": "data", "content": b"x"})),),
        3,
        "eContentType is data",
    ),
    "no content": (
        (put("encap_content_info", value=cms.EncapsulatedContentInfo({"content_type": "tst_info"})),),
        3,
        "holds no TSTInfo",
    ),
    "two SignerInfos": ((two_signers,), 4, "has 2 SignerInfos"),
    "no SignerInfo": ((put("signer_infos", value=cms.SignerInfos([])),), 4, "has 0 SignerInfos"),
    "a subjectKeyIdentifier": (
        (of_signer("sid", cms.SignerIdentifier("subject_key_identifier", b"id")),),
        5,
        "lacks issuerAndSerialNumber",
    ),
    "no signingCertificateV2": (
        (
            drop("signing_certificate_v2"),
            sign,
        ),
        5,
        "or signingCertificateV2",
    ),
    "another certificate": ((certificates(STRANGER),), 5, "No certificate at hand"),
    "no certificate": ((no_certificates,), 5, "No certificate at hand"),
    "another ESSCertIDv2": (
        (
            name_signer(STRANGER),
            sign,
        ),
        5,
        "No certificate at hand",
    ),
    "another serialNumber in sid": (
        (lambda response: signer_info(response)["sid"].chosen.__setitem__("serial_number", 7),),
        5,
        "No certificate at hand",
    ),
    "another issuer in sid": (
        (
            lambda response: signer_info(response)["sid"].chosen.__setitem__(
                "issuer", Name.load(STRANGER.issuer.public_bytes())
            ),
        ),
        5,
        "No certificate at hand",
    ),
    "no contentType": (
        (
            drop("content_type"),
            sign,
        ),
        6,
        "lack content_type",
    ),
    "no messageDigest": (
        (
            drop("message_digest"),
            sign,
        ),
        6,
        "lack message_digest",
    ),
    "another contentType": (
        (
            lambda response: attribute(response, "content_type").__setitem__(0, "data"),
            sign,
        ),
        6,
        "contentType attribute says",
    ),
    "another messageDigest": (
        (
            lambda response: attribute(response, "message_digest").__setitem__(0, bytes(32)),
            sign,
        ),
        6,
        "messageDigest is not",
    ),
    "another TSTInfo": ((other_tst_info,), 6, "messageDigest is not"),
    "another digestAlgorithm": ((of_signer("digest_algorithm", hash_of("sha384")),), 6, "messageDigest is not"),
    "SHA-1 as digestAlgorithm": ((of_signer("digest_algorithm", hash_of("sha1")),), 6, "sha1 is not one of"),
    "another signature": ((twisted,), 7, "signature is not that of"),
    "another key's signature": (
        (lambda response: sign(response, SoftwareKey(generate("p256"))),),
        7,
        "signature is not that of",
    ),
    "attributes that were not signed": (
        (lambda response: attribute(response, "signing_certificate_v2")[0].__setitem__("policies", []),),
        7,
        "signature is not that of",
    ),
    "another signatureAlgorithm": ((signature_algorithm("sha512_ecdsa"),), 7, "signatureAlgorithm is sha512_ecdsa"),
    "an unknown kind of key": (
        (
            certificates(UNKNOWN_KEY),
            name_signer(UNKNOWN_KEY),
            sign,
        ),
        7,
        "Ed448PublicKey are not known",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_step_fails_for_its_own_reason(name: str) -> None:
    done, step, reason = BROKEN[name]
    response = done if isinstance(done, bytes) else edited(*done)
    with pytest.raises(NotProved, match=rf"^Step {step}: .*{reason}") as fault:
        check_token(response, REQUEST)
    assert fault.value.step == step


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (Query(nonce=QUERY.nonce), "messageImprint"),
        (Query(imprint=QUERY.imprint, nonce=b"\1"), "nonce"),
        (Query(imprint=QUERY.imprint, nonce=None), "nonce"),
        (Query(imprint=QUERY.imprint, nonce=QUERY.nonce, policy="2.999.7"), r"policy 2\.999\.3161\.1, 2\.999\.7 was"),
        (
            Query(imprint=QUERY.imprint, nonce=QUERY.nonce, cert_req=None),
            "certReq is False, certificates in the token: True",
        ),
    ],
)
def test_a_token_for_another_request_is_not_proved(asked: Query, reason: str) -> None:
    with pytest.raises(NotProved, match=f"Step 8: .*{reason}"):
        check_token(RESPONSE, asked.encode())


def test_a_nonce_that_was_dropped_is_missed() -> None:
    asked = Query(nonce=None)
    response = grant(authority(), asked.encode())
    with pytest.raises(NotProved, match="Step 8: The nonce"):
        check_token(response, Query(imprint=asked.imprint).encode())


def test_certificates_that_were_asked_for_are_missed() -> None:
    response = grant(authority(), UNCERTIFIED.encode())
    with pytest.raises(NotProved, match="Step 8: certReq is True, certificates in the token: False"):
        check_token(response, Query(imprint=UNCERTIFIED.imprint, nonce=UNCERTIFIED.nonce).encode(), (CERTIFICATE,))


def test_a_refusal_is_told_with_its_words() -> None:
    class Refused(Refusal):
        fail_info = PKIFailureInfo.badAlg

    # asn1crypto cannot read a TimeStampResp without a token, so this stops at the first step already.
    with pytest.raises(NotProved, match="Step 2: The authority answered rejection: Use SHA-256."):
        check_token(encode_refusal(Refused("Use SHA-256.")), REQUEST)


@pytest.mark.parametrize("options", [{}, {"signing_time": True, "include_tsa_name": True}])
@pytest.mark.parametrize("query", [Query(), Query(cert_req=None), Query(nonce=None, imprint=imprint("sha3-512"))])
@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_good_token_is_proved(key_type: str, query: Query, options: dict[str, bool]) -> None:
    octets, certificate = query.encode(), unit(key_type).chain.certificate
    proved = check_token(grant(authority(key_type, token=options), octets), octets, (STRANGER, certificate))
    assert (proved.policy, proved.certificate) == ("2.999.3161.1", certificate)
    assert proved.serial_number > 0
    assert proved.gen_time.tzinfo is UTC or proved.gen_time.utcoffset() == timedelta(0)


@pytest.mark.parametrize("before", [True, False])
def test_an_injected_certificate_changes_nothing_wherever_it_stands(before: bool) -> None:
    """The signer is found by SignerInfo and ESSCertIDv2, never by its place in the SET (CVE-2026-39984)."""
    injected = (
        STRANGER
        if before
        else certificate_of(f"CN={'s' * 60},O={'x' * 64},OU={'y' * 600}"[:700], ED25519.public_key(), ED25519)
    )
    response = edited(certificates(CERTIFICATE, injected))
    embedded = signed_data(tsp.TimeStampResp.load(response))["certificates"]
    first = x509.load_der_x509_certificate(embedded[0].chosen.dump())
    assert first == (injected if before else CERTIFICATE)
    assert check_token(response, REQUEST).certificate == CERTIFICATE


@pytest.mark.parametrize("name", ["sha256", "sha384", "sha512"])
def test_an_ess_cert_id_by_any_hash_is_followed(name: str) -> None:
    ways = (ess_by(name), sign)
    assert check_token(edited(*ways), REQUEST).certificate == CERTIFICATE


def test_an_rsa_token_may_name_its_hash_in_the_signature_algorithm() -> None:
    """RFC 5754 3.2 has both: rsaEncryption, as here, and sha256WithRSAEncryption."""
    response = grant(authority("rsa2048"), REQUEST)
    assert check_token(edited(signature_algorithm("sha256_rsa"), response=response), REQUEST)
    with pytest.raises(NotProved, match="Step 7: The signatureAlgorithm is sha384_rsa"):
        check_token(edited(signature_algorithm("sha384_rsa"), response=response), REQUEST)


# The fields that no signature covers and that prove nothing: a change there is not seen.
UNSIGNED = {"PKIStatus", "SignedData.version", "SignedData.digestAlgorithms", "SignerInfo.version"}


def unsigned_octets(response: bytes) -> dict[int, str]:
    """The place of each octet of those fields, with the length octet of the field before."""
    places: dict[int, str] = {}

    def note(element: der.Element, name: str) -> None:
        at = response.index(element.raw, note.after)  # type: ignore[attr-defined]
        places.update(dict.fromkeys(range(at, at + len(element.raw)), name))
        note.after = at  # type: ignore[attr-defined]

    note.after = 0  # type: ignore[attr-defined]
    status_info, token = der.read(response).children()
    note(status_info.children()[0], "PKIStatus")
    content = token.children()[1].children()[0].children()
    note(content[0], "SignedData.version")
    note(content[1], "SignedData.digestAlgorithms")
    note.after = response.index(content[-1].raw)  # type: ignore[attr-defined]
    note(content[-1].children()[0].children()[0], "SignerInfo.version")
    return places


def test_no_single_changed_octet_goes_unnoticed_where_something_is_signed() -> None:
    good, unsigned = check_token(RESPONSE, REQUEST), unsigned_octets(RESPONSE)
    unnoticed = set()
    for at in range(len(RESPONSE)):
        for change in (0x01, 0x02, 0x80, 0xFF):
            changed = bytearray(RESPONSE)
            changed[at] ^= change
            if outcome(bytes(changed)) is not None:
                assert outcome(bytes(changed)) == good
                unnoticed.add(unsigned.get(at, f"octet {at}"))
    assert unnoticed == UNSIGNED


def outcome(response: bytes) -> CheckedToken | None:
    try:
        return check_token(response, REQUEST)
    except NotProved:
        return None


@given(any_octets)
def test_any_octets_are_proved_or_not(response: bytes) -> None:
    with pytest.raises(NotProved):
        check_token(response, REQUEST)


@given(any_octets)
def test_any_request_is_answered_or_not(request_: bytes) -> None:
    with pytest.raises(NotProved):
        check_token(RESPONSE, request_)
