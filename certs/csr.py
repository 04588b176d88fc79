"""The request for a certificate from a real CA (PKCS #10, RFC 2986)."""

from asn1crypto import csr
from asn1crypto.algos import SignedDigestAlgorithm
from asn1crypto.core import ParsableOctetString
from asn1crypto.keys import PublicKeyInfo
from asn1crypto.x509 import Extension, Name
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certs.chain import CertificateFault
from certs.profile import requested_extensions
from signer.key import SigningKey


def parse_subject(text: str) -> x509.Name:
    """The name of a text in the form of RFC 4514, such as "CN=TSA 1,O=Example,C=KR"; raises CertificateFault."""
    example = 'write it like "CN=Example TSA 1,O=Example,C=KR"'
    try:
        name = x509.Name.from_rfc4514_string(text)
    except ValueError as fault:
        cause = f" ({fault})" if str(fault) else ""
        raise CertificateFault(f"The subject {text!r} is no RFC 4514 name{cause}: {example}.") from None
    if not list(name):
        raise CertificateFault(f"The subject is empty: {example}.")
    return name


def certificate_request(key: SigningKey, subject: x509.Name) -> x509.CertificateSigningRequest:
    """A request for a TSA certificate for this key, which asks for the profile of RFC 3161 2.3.

    The builder of `cryptography` would need the private key itself, which only some keys have in this process. An
    exception of the key's sign() passes through.
    """
    spki = key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    extensions = [
        Extension(
            {
                "extn_id": extension.oid.dotted_string,
                "critical": critical,
                "extn_value": ParsableOctetString(extension.public_bytes()),
            }
        )
        for extension, critical in requested_extensions()
    ]
    info = csr.CertificationRequestInfo(
        {
            "version": "v1",
            "subject": Name.load(subject.public_bytes()),
            "subject_pk_info": PublicKeyInfo.load(spki),
            "attributes": [{"type": "extension_request", "values": [extensions]}],
        }
    )
    request = csr.CertificationRequest(
        {
            "certification_request_info": info,
            "signature_algorithm": SignedDigestAlgorithm.load(key.algorithm.certificate_identifier),
            "signature": key.sign(info.dump()),
        }
    )
    return x509.load_der_x509_csr(request.dump())
