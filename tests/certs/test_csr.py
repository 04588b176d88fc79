"""The request for a TSA certificate: what it asks for, and that its signature is the key's."""

import subprocess
from pathlib import Path

import pytest
from asn1crypto.csr import CertificationRequest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.chain import CertificateFault
from certs.csr import certificate_request, parse_subject
from certs.profile import requested_extensions, signature_hash
from signer.software import KEY_TYPES, SoftwareKey, generate


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_request_asks_for_the_profile_and_openssl_accepts_it(tmp_path: Path, key_type: str) -> None:
    key = SoftwareKey(generate(key_type))
    subject = parse_subject("CN=Example TSA 1,O=Example,C=KR")
    request = certificate_request(key, subject)
    assert request.public_key() == key.public_key
    assert request.subject.rfc4514_string() == "CN=Example TSA 1,O=Example,C=KR"

    (tmp_path / "tsa.csr").write_bytes(request.public_bytes(Encoding.PEM))
    command = ["openssl", "req", "-verify", "-noout", "-text", "-in", str(tmp_path / "tsa.csr")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "verify OK" in shown.stdout + shown.stderr
    lines = [line.strip() for line in shown.stdout.splitlines()]
    for name, value in (("Key Usage", "Digital Signature, Non Repudiation"), ("Extended Key Usage", "Time Stamping")):
        assert lines[lines.index(f"X509v3 {name}: critical") + 1] == value


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_request_is_the_one_that_cryptography_would_make(key_type: str) -> None:
    """Its builder needs the private key itself, and not every key is in this process."""
    private_key, subject = generate(key_type), parse_subject("CN=Zeitstempel Ü,O=Example,C=KR")
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension, critical in requested_extensions():
        builder = builder.add_extension(extension, critical=critical)
    expected = builder.sign(private_key, signature_hash(private_key))

    request = certificate_request(SoftwareKey(private_key), subject)
    assert request.is_signature_valid
    assert request.tbs_certrequest_bytes == expected.tbs_certrequest_bytes
    identifier = CertificationRequest.load(expected.public_bytes(Encoding.DER))["signature_algorithm"].dump()
    assert CertificationRequest.load(request.public_bytes(Encoding.DER))["signature_algorithm"].dump() == identifier
    if key_type.startswith(("rsa", "ed")):  # whose signatures are deterministic
        assert request.public_bytes(Encoding.DER) == expected.public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The subject is empty: write it like"),
        ("Example TSA", "'Example TSA' is no RFC 4514 name: write it like"),
        ("CN=Example,C=KOR", "no RFC 4514 name .Attribute's length must be .*: write it like"),
        ("CN=", "no RFC 4514 name"),
    ],
)
def test_a_subject_that_is_no_name_is_explained(text: str, sentence: str) -> None:
    with pytest.raises(CertificateFault, match=sentence):
        parse_subject(text)
