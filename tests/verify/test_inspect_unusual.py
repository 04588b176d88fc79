"""What is unusual in a message is shown as well as it can be, field by field: nothing of it is judged, or hidden."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asn1crypto import algos, cms, core, tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID

from tests.support import der
from tests.support.editing import (
    CERTIFICATE,
    RESPONSE,
    STRANGER,
    Edit,
    certificates,
    edited,
    put,
    signer_info,
    two_signers,
)
from tests.support.query import Query, imprint
from tsa.commands.field_meanings import meaning
from tsa.verify.fields.element import MAX_DEPTH, MAX_ELEMENTS
from tsa.verify.inspect import Unreadable, describe

NOW = datetime(2026, 11, 22, tzinfo=UTC)
KEY = rsa.generate_private_key(65537, 2048)
NAME = x509.Name.from_rfc4514_string("CN=Elsewhere")


def token(*edits: Edit) -> dict[str, Any]:
    """The fields of a token that was edited."""
    found: dict[str, Any] = describe(edited(*edits))[1]["timeStampToken"]
    return found


def signer_attribute(kind: str, *values: object) -> Edit:
    """Add an attribute, signed or not."""

    def edit(response: Any) -> None:
        field, dotted = kind.split(" ")
        attributes = signer_info(response)[field]
        kept = [] if isinstance(attributes, core.Void) else list(attributes)
        added = cms.CMSAttribute({"type": dotted, "values": list(values)})
        signer_info(response)[field] = cms.CMSAttributes([*kept, added])

    return edit


def test_several_signers_and_none() -> None:
    two = token(two_signers)
    assert "SignerInfo" not in two
    assert two["SignerInfos"] == [token_as_it_is()["SignerInfo"]] * 2
    assert token(put("signer_infos", value=cms.SignerInfos([])))["SignerInfos"] == []


def token_as_it_is() -> dict[str, Any]:
    found: dict[str, Any] = describe(RESPONSE)[1]["timeStampToken"]
    return found


def test_an_attribute_that_nobody_knows() -> None:
    signer = token(signer_attribute("signed_attrs 2.999.7", core.Any(core.Integer(5))))["SignerInfo"]
    assert "2.999.7" in signer["signedAttrs"]
    [found] = [each for each in signer["signedAttrValues"] if each["type"] == "2.999.7"]
    assert found == {"type": "2.999.7", "values": ["020105"]}


def test_the_older_way_to_name_a_certificate() -> None:
    """ESSCertID of RFC 2634, which names no hash, and the newer with a hash of its own and policies."""
    old = tsp.SigningCertificate({"certs": [tsp.ESSCertID({"cert_hash": b"\x01" * 20})]})
    ess = tsp.ESSCertIDv2({"hash_algorithm": algos.DigestAlgorithm({"algorithm": "sha512"}), "cert_hash": b"\x02" * 64})
    new = tsp.SigningCertificateV2({"certs": [ess], "policies": [{"policy_identifier": "2.999.4"}]})
    signer = token(
        signer_attribute("unsigned_attrs signing_certificate", old),
        signer_attribute("unsigned_attrs signing_certificate_v2", new),
    )["SignerInfo"]
    assert signer["unsignedAttrs"] == ["signingCertificate", "signingCertificateV2"]
    first, second = [each["values"][0] for each in signer["unsignedAttrValues"]]
    assert first == {"certs": [{"certHash": "01" * 20}]}
    assert (second["certs"][0]["hashAlgorithm"], second["certs"][0]["certHash"]) == ("sha512", "02" * 64)
    assert bytes.fromhex(second["policies"])


def test_a_counter_signature() -> None:
    signed_data = der.read(RESPONSE).children()[1].children()[1].children()[0].children()
    original = signed_data[-1].children()[0].raw
    attribute = der.sequence(der.oid("1.2.840.113549.1.9.6"), der.tlv(der.SET, original))
    signer = bare(b"", signers=der.sequence(der.integer(1), der.tlv(0xA1, attribute)))["SignerInfo"]
    [found] = signer["unsignedAttrValues"]
    assert (found["name"], found["values"]) == ("counterSignature", [token_as_it_is()["SignerInfo"]])


def revocation_list() -> bytes:
    entry = x509.RevokedCertificateBuilder().serial_number(255).revocation_date(NOW)
    plain, reasoned = entry.build(), entry.add_extension(x509.CRLReason(x509.ReasonFlags.superseded), critical=False)
    builder = x509.CertificateRevocationListBuilder().issuer_name(NAME).last_update(NOW)
    builder = builder.next_update(NOW + timedelta(1)).add_revoked_certificate(plain)
    crl = builder.add_revoked_certificate(reasoned.build()).sign(KEY, hashes.SHA256())
    return crl.public_bytes(Encoding.DER)


def test_revocation_that_came_with_the_token() -> None:
    other = der.tlv(0xA1, der.oid("1.3.6.1.5.5.7.16.2"), der.sequence(der.integer(7)))
    crl, response = bare(b"", crls=der.tlv(0xA1, revocation_list(), other))["crls"]
    assert (crl["issuer"], crl["signatureAlgorithm"]) == ("Common Name: Elsewhere", "sha256_rsa")
    assert (crl["thisUpdate"], crl["nextUpdate"]) == ("2026-11-22T00:00:00+00:00", "2026-11-23T00:00:00+00:00")
    revoked = {"serialNumber": "ff", "revocationDate": "2026-11-22T00:00:00+00:00"}
    assert crl["revoked"] == 2
    assert crl["revokedCertificates"] == [revoked, {**revoked, "reasonCode": "superseded"}]
    assert response == {"otherRevInfoFormat": "1.3.6.1.5.5.7.16.2", "otherRevInfo": "3003020107"}


def rich_certificate() -> x509.Certificate:
    """A certificate with one of everything."""
    site = x509.UniformResourceIdentifier("http://ca.example/x")
    point = x509.DistributionPoint([site], None, None, None)
    access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, site)
    extensions: list[x509.ExtensionType] = [
        x509.BasicConstraints(ca=True, path_length=2),
        x509.SubjectAlternativeName([x509.DNSName("tsa.example"), x509.DirectoryName(NAME)]),
        x509.CRLDistributionPoints([point]),
        x509.AuthorityInformationAccess([access]),
        x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.999.1"), None)]),
        x509.PrivateKeyUsagePeriod(NOW, None),
        x509.UnrecognizedExtension(x509.ObjectIdentifier("2.999.2"), b"\x05\x00"),
    ]
    builder = x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(KEY.public_key())
    builder = builder.serial_number(16).not_valid_before(NOW).not_valid_after(NOW + timedelta(1))
    for each in extensions:
        builder = builder.add_extension(each, critical=False)
    return builder.sign(KEY, hashes.SHA256())


def test_a_certificate_with_one_of_everything() -> None:
    [found] = token(certificates(rich_certificate()))["certificates"]
    assert found["publicKey"] == "rsa 2048 bits"
    assert found["basicConstraints"] == {"cA": True, "pathLenConstraint": 2}
    assert found["subjectAltName"] == ["tsa.example", "Common Name: Elsewhere"]
    assert found["crlDistributionPoints"] == ["http://ca.example/x"]
    assert found["authorityInfoAccess"] == ["ocsp: http://ca.example/x"]
    assert found["certificatePolicies"] == ["2.999.1"]
    assert found["privateKeyUsagePeriod"] == {"notBefore": "2026-11-22 00:00:00+00:00"}
    assert found["otherExtensions"] == ["2.999.2"]
    assert "criticalExtensions" not in found


def test_a_key_of_another_kind_and_no_extensions() -> None:
    [found] = token(certificates(STRANGER))["certificates"]
    assert found["publicKey"] == "ed25519"
    assert not {"keyUsage", "extendedKeyUsage", "otherExtensions"} & found.keys()


def test_a_certificate_with_a_field_that_cannot_be_read() -> None:
    """Its validity is no time: all else of it is shown."""
    until = CERTIFICATE.not_valid_after_utc.strftime("%y%m%d%H%M%SZ").encode()
    assert until in RESPONSE
    damaged = describe(RESPONSE.replace(until, b"no time here!"))[1]["timeStampToken"]
    [found] = damaged["certificates"]
    assert found["notAfter"] == "unreadable"
    assert found["extendedKeyUsage"] == ["timeStamping"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("genTime", der.tlv(der.GENERALIZED_TIME, b"long ago")),
        ("policy", der.tlv(der.OID, b"\x80")),
        ("messageImprint", der.sequence(b"\x30\x7f")),
        ("accuracy", der.sequence(b"\x02")),
        ("tsa", der.tlv(0xA0, b"\x05\x00")),
        ("extensions", der.tlv(0xA1, b"\x30")),
    ],
)
def test_a_field_that_cannot_be_read(field: str, value: bytes) -> None:
    """Its octets stand for it, and the others are shown."""
    parts = {
        "version": der.integer(1),
        "policy": der.oid("2.999.1"),
        "messageImprint": imprint(),
        "serialNumber": der.integer(5),
        "genTime": der.tlv(der.GENERALIZED_TIME, b"20261122000000Z"),
    } | {field: value}
    info = bare(der.sequence(*parts.values()))["TSTInfo"]
    assert info[field] == {"unreadable": value.hex()}
    assert (info["version"], info["serialNumber"]) == (1, "05")


def bare(
    info: bytes,
    wrap: Callable[[bytes], bytes] = lambda info: der.tlv(der.OCTET_STRING, info),
    crls: bytes = b"",
    signers: bytes = b"",
) -> dict[str, Any]:
    """The fields of a token of little but a TSTInfo."""
    content = der.sequence(der.oid("1.2.840.113549.1.9.16.1.4"), der.tlv(0xA0, wrap(info)))
    signed = der.sequence(der.integer(3), der.tlv(der.SET), content, crls, der.tlv(der.SET, signers))
    kind, fields = describe(der.sequence(der.oid("1.2.840.113549.1.7.2"), der.tlv(0xA0, signed)))
    assert kind == "TimeStampToken"
    return fields


def test_extensions_of_a_tst_info() -> None:
    known = der.sequence(der.oid("2.999.3"), der.tlv(der.BOOLEAN, b"\xff"), der.tlv(der.OCTET_STRING, b"\x05\x00"))
    plain = der.sequence(der.oid("2.999.4"), der.tlv(der.OCTET_STRING, b"\x05\x00"))
    info = bare(der.sequence(der.integer(1), der.tlv(0xA1, known, plain, der.sequence(), b"\x30\x01\x02")))["TSTInfo"]
    assert info["extensions"] == ["2.999.3", "2.999.4", "unreadable", "unreadable"]
    assert info["extensionValues"][:2] == [
        {"extnID": "2.999.3", "critical": True, "extnValue": "0500"},
        {"extnID": "2.999.4", "extnValue": "0500", "critical": False},
    ]


def test_what_stands_where_nothing_should() -> None:
    """An element of no name, and what comes before it and after it."""
    info = bare(der.sequence(der.integer(1), der.tlv(der.UTF8_STRING, b"?"), der.oid("2.999.1")))["TSTInfo"]
    assert info == {"version": 1, "policy": "2.999.1", "unexpected": ["0c013f"], "ordering": False}


def test_content_that_is_no_tst_info() -> None:
    assert bare(b"plain text")["TSTInfo"]["unreadable"] == der.tlv(0xA0, der.tlv(4, b"plain text")).hex()
    assert bare(der.sequence())["TSTInfo"] == {"ordering": False}


def test_an_attribute_with_too_much_or_too_little() -> None:
    kind = der.oid("2.999.7")
    attributes = [der.sequence(kind, der.tlv(der.SET), der.integer(1)), der.sequence(kind)]
    signer = bare(b"", signers=der.sequence(der.integer(1), der.tlv(0xA1, *attributes)))["SignerInfo"]
    assert signer["unsignedAttrs"] == ["2.999.7", "unreadable"]
    assert signer["unsignedAttrValues"] == [
        {"type": "2.999.7", "values": [], "unexpected": ["020101"]},
        {"unreadable": attributes[1].hex()},
    ]


def test_numbers_out_of_all_proportion_are_octets() -> None:
    query = Query(version=der.tlv(der.INTEGER, b"\x01" * 100))
    assert describe(query.encode())[1]["version"] == "01" * 100
    assert describe(Query(version=der.tlv(der.INTEGER)).encode())[1]["version"] == ""


def indefinite(tag: int, *parts: bytes) -> bytes:
    return bytes([tag, 0x80, *b"".join(parts), 0, 0])


def test_indefinite_lengths_and_octets_in_pieces() -> None:
    """BER, as RFC 5652 allows it outside of what is signed."""
    info = der.sequence(der.integer(1), der.oid("2.999.1"))
    pieces = bare(info, lambda info: indefinite(0x24, der.tlv(4, info[:3]), der.tlv(4, info[3:])))
    assert pieces["TSTInfo"]["policy"] == "2.999.1"
    assert describe(indefinite(0x30, der.integer(1), imprint()))[1]["version"] == 1


def test_limits() -> None:
    """On depth, and on how many elements stand beside each other: what goes beyond is not taken apart."""
    nested = indefinite(0x30)
    for _ in range(MAX_DEPTH + 1):
        nested = indefinite(0x30, nested)
    with pytest.raises(Unreadable):
        describe(nested)
    query = der.tlv(0xA0, *[der.sequence()] * (MAX_ELEMENTS + 1))
    found = describe(Query(extensions=query).encode())[1]
    assert found["extensions"] == {"unreadable": query.hex()}


@pytest.mark.parametrize(
    "octets", [b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x3f\x01\x00", b"MAA=", b"\x02\x01\x01"]
)
def test_no_message(octets: bytes) -> None:
    with pytest.raises(Unreadable):
        describe(octets)


def names(value: object, parent: str = "") -> set[tuple[str, str]]:
    """Every field in what is shown, with the field around it."""
    if isinstance(value, list):
        return {found for each in value for found in names(each, parent)}
    if not isinstance(value, dict):
        return set()
    own = {(name, parent) for name in value}
    return own.union(*(names(each, name.removesuffix("Values")) for name, each in value.items()))


def test_every_field_has_a_meaning() -> None:
    everything = [
        describe(RESPONSE),
        describe(Query(policy="2.999.1", extensions=der.tlv(0xA0, der.sequence(der.oid("2.999.1")))).encode()),
        describe(der.sequence(der.sequence(der.integer(2), der.sequence(), der.tlv(3, b"\x05\x20")))),
        ("TimeStampToken", token(certificates(rich_certificate()), two_signers)),
        ("TimeStampToken", bare(b"", crls=der.tlv(0xA1, revocation_list()))),
    ]
    found = {field for kind, fields in everything for field in names(fields, kind)}
    hidden = {"signedAttrs", "unsignedAttrs", "signedAttrValues", "unsignedAttrValues", "extensionValues"}
    assert {name for name, parent in found if not meaning(name, parent)} - hidden == set()
    assert meaning("nothing of ours") == ""
