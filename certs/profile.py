"""The TSA certificate profile (RFC 3161 2.3, EN 319 422), shared by the development CA and the request."""

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from signer.algorithms import CertificateHash
from signer.key import PrivateKey, PublicKey, algorithm_for

# An extension and whether it is critical.
Extensions = tuple[tuple[x509.ExtensionType, bool], ...]


def signature_hash(private_key: PrivateKey) -> CertificateHash | None:
    """The hash with which this key signs certificates: the same as in tokens (CSBR 6.8).

    None for Ed25519, which hashes on its own. Raises KeyFault for a key that is not supported.
    """
    return algorithm_for(private_key.public_key()).certificate_hash


def requested_extensions() -> Extensions:
    """The extensions that a TSA asks its CA for: the key signs, and signs time-stamps only (RFC 3161 2.3)."""
    return (
        (_key_usage(digital_signature=True, content_commitment=True), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),
    )


def tsa_extensions(public_key: PublicKey, issuer_key: PublicKey) -> Extensions:
    """The extensions of a TSA certificate for public_key, issued with issuer_key."""
    return (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        *requested_extensions(),
        (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), False),
    )


def ca_extensions(public_key: PublicKey) -> Extensions:
    """The extensions of a self-signed CA that issues TSA certificates and no further CA (RFC 5280 4.2.1)."""
    return (
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_key_usage(key_cert_sign=True, crl_sign=True), True),
        (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
    )


def _key_usage(
    *,
    digital_signature: bool = False,
    content_commitment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=content_commitment,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
