"""Every field that is there is shown under the standard's name, and octets that are no message are called so."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from asn1crypto import cms, core
from asn1crypto.x509 import GeneralName
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given

from tests.support import der
from tests.support.editing import certificates, edited, of_signer, put, signed_data
from tests.support.mutations import GOOD, mutations
from tests.support.query import NULL, Query, extension, imprint
from tests.support.shapes import octets as any_octets
from tests.support.units import authority, grant, unit
from tsa.protocol.errors import PKIFailureInfo, Refusal
from tsa.protocol.tsp import encode_refusal
from tsa.verify.inspect import Unreadable, describe

DIGEST = bytes(range(32))
QUERY = Query(
    imprint=imprint("sha256", DIGEST, NULL),
    policy="2.999.3161.1",
    nonce=b"\x00\xff",
    extensions=extension("2.999.5", critical=True),
)
CERTIFICATE = unit().chain.certificate
PEM = b"-----BEGIN TIMESTAMP TOKEN-----\n%s-----END TIMESTAMP TOKEN-----\n"


def test_a_request() -> None:
    assert describe(QUERY.encode()) == (
        "TimeStampReq",
        {
            "version": 1,
            "messageImprint": {"hashAlgorithm": "sha256", "hashParameters": "NULL", "hashedMessage": DIGEST.hex()},
            "reqPolicy": "2.999.3161.1",
            "nonce": "00ff",
            "certReq": True,
            "extensions": ["2.999.5"],
            "extensionValues": [{"extnID": "2.999.5", "critical": True, "extnValue": "0500"}],
        },
    )


def test_what_a_request_does_not_have_is_left_out() -> None:
    _, fields = describe(Query(imprint=imprint("sha3-512"), nonce=None, cert_req=None).encode())
    assert list(fields) == ["version", "messageImprint", "certReq"]
    assert fields["certReq"] is False


@pytest.mark.parametrize("version", [0, 2, -1, 300])
def test_another_version_is_shown_as_it_is(version: int) -> None:
    assert describe(Query(version=der.integer(version)).encode())[1]["version"] == version


def granted(*, token: dict[str, bool] | None = None, accuracy_us: int = 1_000_000) -> tuple[bytes, dict[str, Any]]:
    """A response, and its timeStampToken as it is described."""
    query = Query(imprint=imprint("sha256", DIGEST), nonce=b"\x80", cert_req=b"\xff")
    response = grant(authority(token=token or {}, accuracy_us=accuracy_us), query.encode())
    kind, fields = describe(response)
    assert kind == "TimeStampResp"
    assert fields["status"] == "granted"
    return response, fields["timeStampToken"]


def test_a_granted_response() -> None:
    response, token = granted(token={"include_tsa_name": True, "signing_time": True}, accuracy_us=1_500_001)
    info, signer = token["TSTInfo"], token["SignerInfo"]
    assert token["contentType"] == "1.2.840.113549.1.7.2"
    assert (info["version"], info["policy"], info["nonce"], info["ordering"]) == (1, "2.999.3161.1", "80", False)
    assert info["messageImprint"] == {"hashAlgorithm": "sha256", "hashedMessage": DIGEST.hex()}
    assert len(info["serialNumber"]) == 40
    assert info["genTime"].endswith("Z")
    assert info["accuracy"] == {"seconds": 1, "millis": 500, "micros": 1}
    assert "Development time-stamp TSA" in info["tsa"]
    [certificate] = token["certificates"]
    assert certificate["serialNumber"] == f"{CERTIFICATE.serial_number:x}"
    assert "Development time-stamp CA" in certificate["issuer"]
    assert signer["sid"]["issuer"] == certificate["issuer"]
    assert int(signer["sid"]["serialNumber"], 16) == CERTIFICATE.serial_number
    assert signer["signedAttrs"] == ["contentType", "signingTime", "messageDigest", "signingCertificateV2"]
    assert (signer["digestAlgorithm"], signer["signatureAlgorithm"]) == ("sha256", "sha256_ecdsa")
    assert (token["version"], token["digestAlgorithms"], signer["version"]) == (3, ["sha256"], 1)
    assert token["eContentType"] == "1.2.840.113549.1.9.16.1.4"
    assert (certificate["version"], certificate["publicKey"]) == ("v3", "ec secp256r1")
    assert (certificate["keyUsage"], certificate["extendedKeyUsage"]) == (
        ["digitalSignature", "nonRepudiation"],
        ["timeStamping"],
    )
    assert certificate["criticalExtensions"] == ["basicConstraints", "keyUsage", "extendedKeyUsage"]
    assert bytes.fromhex(signer["signature"]) in response
    assert json.loads(json.dumps(token)) == token


def test_the_values_of_signed_attributes() -> None:
    response, token = granted(token={"signing_time": True})
    kinds = [(each["type"], each["name"]) for each in token["SignerInfo"]["signedAttrValues"]]
    assert kinds == [
        ("1.2.840.113549.1.9.3", "contentType"),
        ("1.2.840.113549.1.9.5", "signingTime"),
        ("1.2.840.113549.1.9.4", "messageDigest"),
        ("1.2.840.113549.1.9.16.2.47", "signingCertificateV2"),
    ]
    content_type, signing_time, digest, named = [each["values"] for each in token["SignerInfo"]["signedAttrValues"]]
    assert content_type == [token["eContentType"]]
    assert signing_time == [token["TSTInfo"]["genTime"].partition(".")[0] + "Z"]
    assert bytes.fromhex(digest[0]) in response
    [ess] = named[0]["certs"]
    assert ess["certHash"] == token["certificates"][0]["sha256Fingerprint"]
    assert ess["issuerSerial"]["issuer"] == [token["certificates"][0]["issuer"]]
    assert ess["issuerSerial"]["serialNumber"] == token["SignerInfo"]["sid"]["serialNumber"]


def test_a_bare_token() -> None:
    response, token = granted()
    assert describe(der.read(response).children()[1].raw) == ("TimeStampToken", token)
    assert "tsa" not in token["TSTInfo"]


@pytest.mark.parametrize(
    "armour", [base64.b64encode, base64.encodebytes, lambda octets: PEM % base64.encodebytes(octets)]
)
def test_a_message_in_text(armour: Callable[[bytes], bytes]) -> None:
    response, token = granted()
    assert describe(armour(response))[1]["timeStampToken"] == token


@pytest.mark.parametrize("bit", PKIFailureInfo)
def test_a_refusal(bit: PKIFailureInfo) -> None:
    class Refused(Refusal):
        fail_info = bit

    kind, fields = describe(encode_refusal(Refused("Not today.")))
    assert kind == "TimeStampResp"
    assert fields == {"status": "rejection", "statusString": ["Not today."], "failInfo": [bit.name]}


def test_a_status_of_no_name_is_shown_by_its_number() -> None:
    assert describe(der.sequence(der.sequence(der.integer(77)))) == ("TimeStampResp", {"status": "77"})
    bits = der.sequence(der.sequence(der.integer(2), der.tlv(der.BIT_STRING, b"\x04\x10")))
    assert describe(bits)[1] == {"status": "rejection", "failInfo": ["3"]}


def test_a_token_of_another_make() -> None:
    """A signer named by its key, a tsa that is no directoryName, a certificate that is none of X.509."""
    response, _ = granted()

    def tsa_name(parsed: Any) -> None:
        info = signed_data(parsed)["encap_content_info"]["content"].parsed
        info["tsa"] = GeneralName("dns_name", "tsa.example")
        signed_data(parsed)["encap_content_info"]["content"] = core.ParsableOctetString(info.dump())

    foreign = edited(
        certificates(CERTIFICATE),
        lambda parsed: signed_data(parsed)["certificates"].append(
            cms.CertificateChoices(
                "other", cms.OtherCertificateFormat({"other_cert_format": "2.999", "other_cert": core.Null()})
            )
        ),
        of_signer("sid", cms.SignerIdentifier("subject_key_identifier", b"\x01\x02")),
        tsa_name,
        response=response,
    )
    token = describe(foreign)[1]["timeStampToken"]
    assert token["SignerInfo"]["sid"] == {"subjectKeyIdentifier": "0102"}
    assert token["TSTInfo"]["tsa"] == "tsa.example"
    assert len(token["certificates"]) == 1


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"%PDF-1.7",
        b"-----BEGIN CERTIFICATE-----",
        der.sequence(),
        CERTIFICATE.public_bytes(Encoding.DER),
        Query().encode() + b"\1",
        b"\x30\x80" * 5000,
    ],
    ids=lambda octets: octets[:3].hex(),
)
def test_what_is_no_message_is_called_so(octets: bytes) -> None:
    with pytest.raises(Unreadable, match="neither a TimeStampReq"):
        describe(octets)


def test_a_token_without_content_is_shown_without() -> None:
    empty = edited(put("encap_content_info", value=cms.EncapsulatedContentInfo({"content_type": "tst_info"})))
    token = describe(empty)[1]["timeStampToken"]
    assert token["eContentType"] == "1.2.840.113549.1.9.16.1.4"
    assert "TSTInfo" not in token


@given(any_octets)
def test_any_octets_have_fields_or_are_unreadable(octets: bytes) -> None:
    readable(octets)


def test_damaged_messages_have_fields_or_are_unreadable() -> None:
    good = [*GOOD, granted()[0], encode_refusal(Refused("No."))]
    seen = [readable(octets) for octets in mutations(good, seed=77, count=4000)]
    assert min(seen.count(True), seen.count(False)) > 400


class Refused(Refusal):
    """A refusal to be damaged."""

    fail_info = PKIFailureInfo.badAlg


def readable(octets: bytes) -> bool:
    try:
        _, fields = describe(octets)
    except Unreadable:
        return False
    json.dumps(fields)
    return True


def test_a_token_that_is_padded_as_in_a_pdf_is_shown_as_it_is() -> None:
    response = grant(authority(), Query().encode())
    token = der.read(response).children()[1].raw
    assert describe(token + bytes(1000)) == describe(token)
    assert describe(response + b"\0") == describe(response)
