"""Whether a TSA may sign with a certificate, asked before the port opens (RFC 3161 2.3, RFC 5280, CSBR, EN 319 422)."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa

from certs.chain import CertificateFault, Chain, is_for, name_of
from certs.extensions import UsageRule, find_extension, key_usage_fault, purpose_fault
from certs.signatures import MIN_RSA_BITS
from signer.key import PublicKey

_E = TypeVar("_E", bound=x509.ExtensionType)

_REISSUE = "have the CA issue it anew from the request of `tsa init --csr`"
_PURPOSE_PROBLEMS = {
    UsageRule.HAS_PURPOSE: "has no extendedKeyUsage, and needs timeStamping",
    UsageRule.SOLE_PURPOSE: "has another extendedKeyUsage than timeStamping alone",
    UsageRule.CRITICAL_PURPOSE: "has an extendedKeyUsage that is not critical",
}


def check_fitness(chain: Chain, public_key: PublicKey, now: datetime) -> None:
    """Raise CertificateFault, which says what is wrong and how to mend it, unless a TSA may sign with this chain now.

    now is timezone-aware. The signatures in the chain are not verified again: build_chain has done it.
    """
    leaf = chain.certificate
    if not is_for(leaf, public_key):
        raise CertificateFault(
            f"The certificate of {name_of(leaf)} is for another key: give the one issued for this key, or its key."
        )
    if leaf.version is not x509.Version.v3:
        raise CertificateFault(
            f"The certificate of {name_of(leaf)} is not of version 3, which alone has extensions: {_REISSUE}."
        )
    for certificate in _path(chain):
        _check_readable(certificate)
        _check_strength(certificate)
        _check_validity(certificate, now)
    for certificate in (leaf, *chain.intermediates):
        _check_signature_hash(certificate)
    _check_usage(leaf)
    _check_private_key_usage_period(leaf, now)
    _check_issuers(chain)


def usable_until(chain: Chain) -> datetime:
    """The moment (UTC) after which the TSA must not sign with this chain.

    It is the earliest end of: the validity of any certificate, the privateKeyUsagePeriod of the TSA's own.
    """
    ends = [certificate.not_valid_after_utc for certificate in _path(chain)]
    period = _extension(chain.certificate, x509.PrivateKeyUsagePeriod)
    if period is not None and period.value.not_after is not None:
        ends.append(_utc(period.value.not_after))
    return min(ends)


def _path(chain: Chain) -> tuple[x509.Certificate, ...]:
    return (chain.certificate, *chain.intermediates, chain.anchor)


def _extension(certificate: x509.Certificate, kind: type[_E]) -> x509.Extension[_E] | None:
    return find_extension(certificate.extensions, kind)


def _utc(moment: datetime) -> datetime:
    """A GeneralizedTime of a certificate: it is always UTC, and the X.509 library leaves it naive."""
    return moment.replace(tzinfo=UTC)


def _check_readable(certificate: x509.Certificate) -> None:
    try:
        _ = certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise CertificateFault(
            f"The extensions of the certificate of {name_of(certificate)} cannot be read: {_REISSUE}."
        ) from None


def _check_strength(certificate: x509.Certificate) -> None:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateFault(
            f"The public key of the certificate of {name_of(certificate)} is of an unknown type: use another CA."
        ) from None
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        raise CertificateFault(
            f"The RSA key of {name_of(certificate)} has {key.key_size} bits, and {MIN_RSA_BITS} are the least: "
            "use a longer key."
        )


def _check_validity(certificate: x509.Certificate, now: datetime) -> None:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < start:
        raise CertificateFault(
            f"The certificate of {name_of(certificate)} is valid from {start:%Y-%m-%d %H:%M:%S} UTC on only: "
            "wait until then, or set the clock right."
        )
    if now > end:
        raise CertificateFault(
            f"The certificate of {name_of(certificate)} ended on {end:%Y-%m-%d %H:%M:%S} UTC: replace it by a new one."
        )


def _check_signature_hash(certificate: x509.Certificate) -> None:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        raise CertificateFault(
            f"The certificate of {name_of(certificate)} is signed with an unknown algorithm: use another CA."
        ) from None
    if algorithm is not None and algorithm.name in ("md5", "sha1"):
        raise CertificateFault(
            f"The certificate of {name_of(certificate)} is signed with {algorithm.name}, which is broken: "
            "have the CA issue it anew with SHA-256 or better."
        )


def _check_usage(leaf: x509.Certificate) -> None:
    if (fault := purpose_fault(leaf.extensions)) is not None:
        problem = _PURPOSE_PROBLEMS[fault.rule]
        raise CertificateFault(f"The certificate of {name_of(leaf)} {problem} (RFC 3161 2.3): {_REISSUE}.")
    constraints = _extension(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.value.ca:
        raise CertificateFault(f"The certificate of {name_of(leaf)} is that of a CA, not of a TSA: {_REISSUE}.")
    if key_usage_fault(leaf.extensions) is not None:
        raise CertificateFault(
            f"The keyUsage of {name_of(leaf)} must be digitalSignature and nonRepudiation, or one of them: {_REISSUE}."
        )


def _check_private_key_usage_period(leaf: x509.Certificate, now: datetime) -> None:
    """The key may sign in a part of the validity only; the rest is for verifying (RFC 3280 4.2.1.4)."""
    period = _extension(leaf, x509.PrivateKeyUsagePeriod)
    if period is None:
        return
    start, end = period.value.not_before, period.value.not_after
    if start is not None and now < _utc(start):
        raise CertificateFault(
            f"The privateKeyUsagePeriod of {name_of(leaf)} begins on {start:%Y-%m-%d %H:%M:%S} UTC only: "
            "wait until then, or set the clock right."
        )
    if end is not None and now > _utc(end):
        raise CertificateFault(
            f"The privateKeyUsagePeriod of {name_of(leaf)} ended on {end:%Y-%m-%d %H:%M:%S} UTC: "
            "make a new key and have a certificate issued for it."
        )


def _check_issuers(chain: Chain) -> None:
    """RFC 5280 6.1.4: every issuer may issue, and has no more CAs below it than its path length allows."""
    below = 0  # CAs under the issuer; self-issued certificates do not count (RFC 5280 4.2.1.9)
    for certificate, issuer in pairwise(_path(chain)):
        _check_issuer(issuer, below)
        _check_key_identifiers(certificate, issuer)
        below += issuer.subject != issuer.issuer


def _check_issuer(issuer: x509.Certificate, below: int) -> None:
    constraints = _extension(issuer, x509.BasicConstraints)
    usage = _extension(issuer, x509.KeyUsage)
    if constraints is None or not constraints.value.ca:
        problem = "is not that of a CA (basicConstraints)"
    elif usage is not None and not usage.value.key_cert_sign:
        problem = "does not allow issuing certificates (keyUsage without keyCertSign)"
    elif constraints.value.path_length is not None and constraints.value.path_length < below:
        problem = f"allows {constraints.value.path_length} CAs below it, and there are {below}"
    else:
        return
    raise CertificateFault(f"The certificate of {name_of(issuer)} {problem}: have the TSA's issued by another CA.")


def _check_key_identifiers(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    authority = _extension(certificate, x509.AuthorityKeyIdentifier)
    subject = _extension(issuer, x509.SubjectKeyIdentifier)
    if authority is None or authority.value.key_identifier is None or subject is None:
        return
    if authority.value.key_identifier != subject.value.digest:
        raise CertificateFault(
            f"The authorityKeyIdentifier of {name_of(certificate)} is not the subjectKeyIdentifier of its issuer "
            f"{name_of(issuer)}: give the right certificate of the issuer with --ca."
        )
