"""A CA as a TSA's operator has to deal with: a root, and under it the one that issues."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509

from certs.profile import ca_extensions, signature_hash, tsa_extensions
from signer.key import PrivateKey, PublicKey
from signer.software import generate

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class RealCa:
    """A root, and under it the CA that issues; their certificates as PEM files."""

    root: x509.Certificate
    issuing: x509.Certificate
    issuing_key: PrivateKey

    def issue(self, public_key: PublicKey, subject: str = "CN=TSA 1,O=Example") -> x509.Certificate:
        extensions = tsa_extensions(public_key, self.issuing_key.public_key())
        return issue(subject, public_key, self.issuing.subject.rfc4514_string(), self.issuing_key, extensions)


def issue(
    subject: str,
    public_key: PublicKey,
    issuer: str,
    issuer_key: PrivateKey,
    extensions: Iterable[tuple[x509.ExtensionType, bool]],
) -> x509.Certificate:
    builder = x509.CertificateBuilder(
        x509.Name.from_rfc4514_string(issuer),
        x509.Name.from_rfc4514_string(subject),
        public_key,
        x509.random_serial_number(),
        NOW - timedelta(days=1),
        NOW + timedelta(days=30),
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, signature_hash(issuer_key))


def make_ca() -> RealCa:
    """A root with a P-384 key, and an issuing CA with an RSA key."""
    root_key, issuing_key = generate("p384"), generate("rsa2048")
    any_depth = [
        (x509.BasicConstraints(True, None) if isinstance(extension, x509.BasicConstraints) else extension, critical)
        for extension, critical in ca_extensions(root_key.public_key())
    ]
    root = issue("CN=Root", root_key.public_key(), "CN=Root", root_key, any_depth)
    issuing = issue(
        "CN=Issuing CA", issuing_key.public_key(), "CN=Root", root_key, ca_extensions(issuing_key.public_key())
    )
    return RealCa(root, issuing, issuing_key)
