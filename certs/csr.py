"""The request for a certificate from a real CA (PKCS #10, RFC 2986)."""

from cryptography import x509

from certs.chain import CertificateFault
from certs.profile import requested_extensions, signature_hash
from signer.key import PrivateKey


def parse_subject(text: str) -> x509.Name:
    """The name written as RFC 4514 does, such as "CN=TSA 1,O=Example,C=KR"; raises CertificateFault."""
    example = 'write it like "CN=Example TSA 1,O=Example,C=KR"'
    try:
        name = x509.Name.from_rfc4514_string(text)
    except ValueError as fault:
        cause = f" ({fault})" if str(fault) else ""
        raise CertificateFault(f"The subject {text!r} is no RFC 4514 name{cause}: {example}.") from None
    if not list(name):
        raise CertificateFault(f"The subject is empty: {example}.")
    return name


def certificate_request(key: PrivateKey, subject: x509.Name) -> x509.CertificateSigningRequest:
    """A request for a TSA certificate for this key, which asks for the profile of RFC 3161 2.3.

    Raises KeyFault for a key that is not supported.
    """
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension, critical in requested_extensions():
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, signature_hash(key))
