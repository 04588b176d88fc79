"""The development CA: the certificate of a first run, which only its owner has a reason to trust."""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import NameOID

from certs.chain import Chain
from certs.profile import Extensions, ca_extensions, signature_hash, tsa_extensions
from signer.key import PrivateKey, PublicKey, algorithm_for
from signer.software import generate

# A verifier's clock may be a little slow on the day of the first run.
_CLOCK_SKEW = timedelta(minutes=5)
_CA_LIFETIME = timedelta(days=3650)
_TSA_LIFETIME = timedelta(days=5 * 365)


def create_development_chain(public_key: PublicKey, now: datetime) -> Chain:
    """A new self-signed CA and the certificate that it issues for a TSA's public key; now is timezone-aware.

    The CA has a key of the same type as the TSA. This key signs the two certificates, is dropped, and never touches
    the disk: a user who imports the CA in order to try the server need not fear a thief of its key. For another TSA
    certificate, create another chain. Raises KeyFault for a key that is not supported.
    """
    ca_key = generate(algorithm_for(public_key).key_type)
    ca_public = ca_key.public_key()
    root = _issue(ca_key, _name("CA"), ca_public, now, _CA_LIFETIME, ca_extensions(ca_public))
    leaf = _issue(ca_key, _name("TSA"), public_key, now, _TSA_LIFETIME, tsa_extensions(public_key, ca_public))
    return Chain(certificate=leaf, intermediates=(), anchor=root)


def _name(role: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Development, not for production"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Development time-stamp {role} (not for production)"),
        ]
    )


def _issue(
    ca_key: PrivateKey,
    subject: x509.Name,
    public_key: PublicKey,
    now: datetime,
    lifetime: timedelta,
    extensions: Extensions,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .issuer_name(_name("CA"))
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())  # positive, at most 159 bits (RFC 5280 4.1.2.2)
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + lifetime)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(ca_key, signature_hash(ca_key))
