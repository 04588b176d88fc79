"""Certificates in files, and the chain from the TSA's certificate to the certificate that a verifier trusts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signer.files import replace_file
from signer.key import PublicKey


class CertificateFault(Exception):
    """A certificate cannot be used; one sentence says what is wrong, where, and how to mend it."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain from the TSA's certificate to its trust anchor.

    certificate: the TSA's own. intermediates: its issuer first, without the anchor. anchor: the self-signed root, or
    the topmost CA at hand.
    """

    certificate: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    anchor: x509.Certificate


def read_certificates(path: Path) -> list[x509.Certificate]:
    """The certificates of a PEM file, or the single certificate of a DER file; raises CertificateFault."""
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise CertificateFault(f"{path} cannot be read ({fault.strerror}): correct the path or its owner.") from None
    try:
        if b"-----BEGIN" in content:
            return x509.load_pem_x509_certificates(content)
        return [x509.load_der_x509_certificate(content)]
    except ValueError:
        raise CertificateFault(
            f"{path} holds no readable certificate: give X.509 certificates in PEM, or a single one in DER."
        ) from None


def write_pem(path: Path, certificates: Iterable[x509.Certificate]) -> None:
    """Write certificates as PEM, mode 0644; whatever happens, the file is the old one or the new one, whole.

    Raises CertificateFault when it cannot be written.
    """
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
    try:
        replace_file(path, pem, 0o644)
    except OSError as fault:
        raise CertificateFault(f"{path} cannot be written ({fault.strerror}): check the folder and the disk.") from None


def build_chain(
    public_key: PublicKey, certificates: Iterable[x509.Certificate], anchors: Iterable[x509.Certificate] = ()
) -> Chain:
    """The chain of the certificate for public_key, found among certificates in any order.

    It ends at one of the anchors or, without anchors, at a self-signed one of the certificates. Issuers are found by
    name and signature alone: check_fitness judges the chain. Of several certificates for the key, the newest counts,
    as it is the renewed one. Raises CertificateFault, which names the certificate that is missing.
    """
    pool = list(dict.fromkeys(certificates))
    trusted = list(dict.fromkeys(anchors)) or [certificate for certificate in pool if _self_signed(certificate)]
    own = [certificate for certificate in pool if is_for(certificate, public_key)]
    if not own:
        raise CertificateFault(
            "None of the certificates given is for this key: give the one that was issued for it, or the key it is for."
        )
    leaf = max(own, key=lambda certificate: certificate.not_valid_before_utc)
    if _self_signed(leaf):
        raise CertificateFault(
            f"The certificate of {name_of(leaf)} is signed with its own key: have a CA issue one from `tsa init --csr`."
        )
    others = [certificate for certificate in pool if certificate not in own and certificate not in trusted]
    *intermediates, anchor = _issuers(leaf, others, trusted)
    return Chain(leaf, tuple(intermediates), anchor)


def is_for(certificate: x509.Certificate, public_key: PublicKey) -> bool:
    """Whether the certificate is for this key."""
    try:
        return _spki(certificate.public_key()) == _spki(public_key)
    except (ValueError, UnsupportedAlgorithm):
        return False  # a key that cannot even be read is another key


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether a certificate names the issuer, and its signature is that of the issuer's key."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def name_of(certificate: x509.Certificate) -> str:
    """The subject as messages show it (RFC 4514)."""
    return certificate.subject.rfc4514_string() or "(no subject)"


def _spki(public_key: CertificatePublicKeyTypes) -> bytes:
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _issuers(
    certificate: x509.Certificate, pool: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """The issuers above a certificate, the anchor last.

    A cross-signed CA has several certificates: where one of them leads to no anchor, the next is tried.
    """
    for anchor in anchors:
        if issued_by(certificate, anchor):
            return (anchor,)
    fault = _missing_issuer(certificate, [*pool, *anchors])
    for issuer in pool:
        if issued_by(certificate, issuer):
            try:
                return (issuer, *_issuers(issuer, [other for other in pool if other != issuer], anchors))
            except CertificateFault as further_up:
                fault = further_up
    raise fault


def _missing_issuer(certificate: x509.Certificate, others: Sequence[x509.Certificate]) -> CertificateFault:
    name, issuer = name_of(certificate), certificate.issuer.rfc4514_string()
    if _self_signed(certificate):
        return CertificateFault(f"The chain ends at {name}, which is not among the trusted: give it with --ca.")
    if any(other.subject == certificate.issuer for other in others):
        return CertificateFault(
            f"The certificate of {name} is issued by {issuer}, but with another key than that of the certificate given "
            "under this name: give the one that signed it with --ca."
        )
    return CertificateFault(
        f"The certificate of {name} is issued by {issuer}, which is in none of the files: "
        "give its certificate with --ca."
    )


def _self_signed(certificate: x509.Certificate) -> bool:
    return issued_by(certificate, certificate)
