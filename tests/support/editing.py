"""A good response, and what can be done to it: the token edited field by field with asn1crypto, and signed anew."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto.x509 import Certificate, Name
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed448
from cryptography.hazmat.primitives.serialization import Encoding

from signer.key import PrivateKey, SigningKey
from signer.software import generate
from tests.support.query import Query
from tests.support.units import authority, grant, unit

QUERY = Query(nonce=b"\x12\x34\x56\x78", policy="2.999.3161.1")
REQUEST = QUERY.encode()
RESPONSE = grant(authority(), REQUEST)
CERTIFICATE, KEY = unit().chain.certificate, unit().key
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


def sign(response: Any, key: SigningKey = KEY) -> None:
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
