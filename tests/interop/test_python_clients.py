"""Clients written in Python: rfc3161-client (sigstore's), rfc3161ng, and pyHanko with a PDF."""

import datetime as dt
import io
import os
from pathlib import Path

import pytest
import rfc3161_client
import rfc3161ng
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko.sign.timestamps import HTTPTimeStamper
from pyhanko.sign.validation import validate_pdf_signature, validate_pdf_timestamp
from pyhanko_certvalidator import ValidationContext

from tests.conftest import Fleet
from tests.support.stamping import Authority

DATA = b"a message of some length, but not too long"


@pytest.mark.parametrize("algorithm", list(rfc3161_client.HashAlgorithm))
@pytest.mark.parametrize("certificates", [True, False])
def test_rfc3161_client(authority: Authority, algorithm: rfc3161_client.HashAlgorithm, certificates: bool) -> None:
    builder = rfc3161_client.TimestampRequestBuilder(data=DATA, hash_algorithm=algorithm)
    request = builder.cert_request(cert_request=certificates).build()
    with authority.connect() as connection:
        body = connection.post(request.as_bytes()).body
    response = rfc3161_client.decode_timestamp_response(body)
    verifier = (
        rfc3161_client.VerifierBuilder.from_request(request)
        .add_root_certificate(x509.load_pem_x509_certificate(authority.server.ca_pem.read_bytes()))
        .tsa_certificate(authority.certificate)
        .build()
    )
    verifier.verify_message(response, DATA)
    with pytest.raises(rfc3161_client.VerificationError):
        verifier.verify_message(response, DATA + b".")
    info = response.tst_info
    assert (info.nonce, info.version, info.ordering) == (request.nonce, 1, False)
    assert len(response.signed_data.certificates) == (1 if certificates else 0)


def test_rfc3161ng(fleet: Fleet) -> None:
    """RSA and SHA-256: the client knows no ECDSA."""
    server = fleet.of_key("rsa2048")
    pem = server.tsa_pem.read_bytes()
    stamper = rfc3161ng.RemoteTimestamper(server.url, certificate=pem, hashname="sha256")
    nonce = int.from_bytes(os.urandom(8), "big") >> 1
    token = stamper(data=DATA, nonce=nonce, include_tsa_certificate=True)
    inside = {"certificate": b""}  # judge by the certificate in the token
    assert rfc3161ng.check_timestamp(token, data=DATA, hashname="sha256", nonce=nonce, **inside)
    with pytest.raises(ValueError, match="imprint mismatch"):
        rfc3161ng.check_timestamp(token, certificate=pem, data=DATA + b".", hashname="sha256", nonce=nonce)
    age = dt.datetime.now(dt.UTC) - rfc3161ng.get_timestamp(token, naive=False)
    assert abs(age) < dt.timedelta(minutes=1)


def minimal_pdf() -> bytes:
    """One empty page."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Resources<<>>>>",
    ]
    pdf, offsets = b"%PDF-1.7\n", []
    for number, each in enumerate(objects, 1):
        offsets.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(pdf)
    return pdf + b"xref\n0 4\n0000000000 65535 f \n" + table + trailer


@pytest.fixture(scope="module")
def pdf_signer(tmp_path_factory: pytest.TempPathFactory) -> signers.SimpleSigner:
    """A signer with a self-signed certificate."""
    folder = tmp_path_factory.mktemp("pdf-signer")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A signer of PDFs")])
    now = dt.datetime.now(dt.UTC)
    usage = x509.KeyUsage(True, True, False, False, False, True, False, False, False)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    signer = signers.SimpleSigner.load(str(folder / "key.pem"), str(folder / "cert.pem"))
    assert isinstance(signer, signers.SimpleSigner)
    return signer


def trusting(certificate: object) -> ValidationContext:
    """Trust in one root, with nothing fetched from anywhere."""
    return ValidationContext(trust_roots=[certificate], allow_fetching=False)


def test_pyhanko_signature_with_time_stamp(any_key: Authority, pdf_signer: signers.SimpleSigner) -> None:
    stamper = HTTPTimeStamper(any_key.server.url)
    signed = signers.sign_pdf(
        IncrementalPdfFileWriter(io.BytesIO(minimal_pdf())),
        signers.PdfSignatureMetadata(field_name="Signature", md_algorithm="sha256"),
        signer=pdf_signer,
        timestamper=stamper,
    )
    (signature,) = PdfFileReader(signed).embedded_signatures
    root = load_cert_from_pemder(str(any_key.server.ca_pem))
    status = validate_pdf_signature(signature, trusting(pdf_signer.signing_cert), trusting(root))
    assert status.bottom_line, status.pretty_print_details()
    stamp = status.timestamp_validity
    assert stamp is not None
    assert stamp.valid
    assert stamp.intact
    assert stamp.trusted


def test_pyhanko_document_time_stamp(authority: Authority) -> None:
    output = signers.PdfTimeStamper(HTTPTimeStamper(authority.server.url)).timestamp_pdf(
        IncrementalPdfFileWriter(io.BytesIO(minimal_pdf())), "sha512", trusting(_root(authority))
    )
    (stamp,) = PdfFileReader(output).embedded_timestamp_signatures
    status = validate_pdf_timestamp(stamp, trusting(_root(authority)))
    assert status.valid
    assert status.intact
    assert status.trusted


def _root(authority: Authority) -> object:
    return load_cert_from_pemder(str(authority.server.ca_pem))


def test_pyhanko_does_not_trust_another_root(
    authority: Authority, pdf_signer: signers.SimpleSigner, tmp_path: Path
) -> None:
    """The proof that the validation above looks at the root."""
    signed = signers.sign_pdf(
        IncrementalPdfFileWriter(io.BytesIO(minimal_pdf())),
        signers.PdfSignatureMetadata(field_name="Signature", md_algorithm="sha256"),
        signer=pdf_signer,
        timestamper=HTTPTimeStamper(authority.server.url),
    )
    (signature,) = PdfFileReader(signed).embedded_signatures
    status = validate_pdf_signature(signature, trusting(pdf_signer.signing_cert), trusting(pdf_signer.signing_cert))
    assert status.timestamp_validity is not None
    assert not status.timestamp_validity.trusted
