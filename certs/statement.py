"""The statement of one CRL or one OCSP response on a certificate, where it may make one at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.candidate import Candidate, extension
from certs.chain import issued_by
from certs.der import ENUMERATED, GENERALIZED_TIME, OCTET_STRING, SEQUENCE, Malformed, Reader
from certs.extensions import find_extension
from certs.signatures import AlgorithmIdentifier, check_signature

Crl = x509.CertificateRevocationList
# With these a CRL (X.509, expiredCertsOnCRL) and an OCSP response (RFC 6960 4.4.4) tell since when they forget nothing.
_EXPIRED_CERTS_ON_CRL, _ARCHIVE_CUTOFF = "2.5.29.60", "1.3.6.1.5.5.7.48.1.6"


@dataclass(frozen=True, slots=True)
class Statement:
    """The status of a certificate by a CRL or an OCSP response; `source` is "CRL" or "OCSP response".

    Times are UTC. `revoked` is the time of the revocation, None without one. `reason` is None where there is no
    reasonCode, or none that can be read. A statement is `late` where it names no revocation and need not name one any
    more, because the certificate had ended before.
    """

    source: str
    this_update: datetime
    next_update: datetime | None
    revoked: datetime | None = None
    reason: x509.ReasonFlags | None = None
    late: bool = False


class NoEvidence(Exception):
    """A CRL or OCSP response is about the certificate, but cannot be relied on; the text is a phrase that says why."""


def of_crl(crl: Crl, certificate: Candidate, issuer: Candidate) -> list[Statement]:
    """The statement of a CRL; empty where it has none on this certificate (RFC 5280 5, 6.3). Raises NoEvidence.

    On odd octets cryptography raises other exceptions too, as it reads them only now.
    """
    if crl.issuer != certificate.certificate.issuer:
        return []
    _check_crl(crl, issuer)
    statement = Statement("CRL", crl.last_update_utc, crl.next_update_utc)
    entry = crl.get_revoked_certificate_by_serial_number(certificate.certificate.serial_number)
    if entry is not None:
        since, reason = _harm(entry)
        is_taken_off = reason is x509.ReasonFlags.remove_from_crl and _is_delta(crl)
        return [statement if is_taken_off else replace(statement, revoked=since, reason=reason)]
    if not _is_complete(crl, certificate):
        return []
    return [_of_its_time(statement, certificate, crl.extensions, _EXPIRED_CERTS_ON_CRL)]


def _of_its_time(
    statement: Statement,
    certificate: Candidate,
    extensions: Iterable[x509.Extension[x509.ExtensionType]],
    retention: str,
) -> Statement:
    """The statement, `late` unless an extension with the OID `retention` covers a certificate that ended so early."""
    if statement.this_update <= certificate.end:
        return statement
    for found in extensions:
        if found.oid.dotted_string == retention and isinstance(found.value, x509.UnrecognizedExtension):
            text = Reader(found.value.value).content(GENERALIZED_TIME, "the time").decode("ascii")
            if datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC) <= certificate.end:
                return statement
    return replace(statement, late=True)


def _check_crl(crl: Crl, issuer: Candidate) -> None:
    usage = extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        raise NoEvidence(f"{issuer.name} may not sign CRLs")
    if not crl.is_signature_valid(cast(CertificateIssuerPublicKeyTypes, issuer.key)):  # it signed a certificate, too
        raise NoEvidence(f"its signature is not that of {issuer.name}")
    for found in crl.extensions:
        if found.critical and not isinstance(found.value, x509.IssuingDistributionPoint | x509.DeltaCRLIndicator):
            raise NoEvidence(f"its critical extension {found.oid.dotted_string} is not known here")
        if isinstance(found.value, x509.IssuingDistributionPoint) and found.value.indirect_crl:
            raise NoEvidence("it is an indirect CRL, which is not understood here")


def _is_complete(crl: Crl, certificate: Candidate) -> bool:
    """Whether the CRL would have to list the certificate if it were revoked (RFC 5280 5.2.4, 5.2.5)."""
    values = [found.value for found in crl.extensions]
    scopes = [value for value in values if isinstance(value, x509.IssuingDistributionPoint)]
    return not _is_delta(crl) and all(_is_within(scope, certificate) for scope in scopes)


def _is_delta(crl: Crl) -> bool:
    return any(isinstance(found.value, x509.DeltaCRLIndicator) for found in crl.extensions)


def _is_within(scope: x509.IssuingDistributionPoint, certificate: Candidate) -> bool:
    """Whether the certificate is in the scope of an issuingDistributionPoint, for all reasons."""
    constraints = extension(certificate, x509.BasicConstraints)
    is_ca = constraints is not None and constraints.ca
    wrong_kind = scope.only_contains_user_certs if is_ca else scope.only_contains_ca_certs
    if wrong_kind or scope.only_contains_attribute_certs or scope.only_some_reasons or scope.relative_name:
        return False
    points = extension(certificate, x509.CRLDistributionPoints) or ()
    return not scope.full_name or any(name in scope.full_name for point in points for name in point.full_name or ())


def _harm(entry: x509.RevokedCertificate) -> tuple[datetime, x509.ReasonFlags | None]:
    """Time and reason of the revocation."""
    try:
        reasons = [found.value.reason for found in entry.extensions if isinstance(found.value, x509.CRLReason)]
        return harmed_since(entry), reasons[0] if reasons else None
    except (ValueError, x509.DuplicateExtension):
        return entry.revocation_date_utc, None


def harmed_since(entry: x509.RevokedCertificate) -> datetime:
    """The time (UTC) since which a certificate is not to be trusted: its revocation, or an earlier invalidityDate.

    RFC 5280 5.3.2. Raises ValueError and DuplicateExtension where its extensions cannot be read.
    """
    values = [found.value for found in entry.extensions]
    dates = [value.invalidity_date_utc for value in values if isinstance(value, x509.InvalidityDate)]
    return min([entry.revocation_date_utc, *dates])


def of_ocsp(response: ocsp.OCSPResponse, certificate: Candidate, issuer: Candidate) -> list[Statement]:
    """The statements of an OCSP response on this certificate (RFC 6960). Raises NoEvidence.

    On odd octets cryptography raises other exceptions too, as it reads them only now.
    """
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise NoEvidence(f"the responder answered {response.response_status.name}")
    statements = [
        _statement(response, answer, certificate)
        for answer in response.responses
        if answer.serial_number == certificate.certificate.serial_number
        and answer.issuer_name_hash == hashlib.new(answer.hash_algorithm.name, certificate.issuer).digest()
        and answer.issuer_key_hash == hashlib.new(answer.hash_algorithm.name, issuer.key_octets).digest()
        and answer.certificate_status is not ocsp.OCSPCertStatus.UNKNOWN
    ]
    if statements and not any(_is_signed_by(key, response) for key in _responder_keys(response, issuer)):
        raise NoEvidence(f"its signature is neither that of {issuer.name} nor of a responder that it appointed")
    return statements


def _statement(response: ocsp.OCSPResponse, answer: ocsp.OCSPSingleResponse, certificate: Candidate) -> Statement:
    statement = Statement("OCSP response", answer.this_update_utc, answer.next_update_utc)
    if answer.revocation_time_utc is None:
        is_alone = len(list(response.responses)) == 1  # the library does not show the extensions of several
        extensions = response.single_extensions if is_alone else ()
        return _of_its_time(statement, certificate, extensions, _ARCHIVE_CUTOFF)
    return replace(statement, revoked=answer.revocation_time_utc, reason=answer.revocation_reason)


def _responder_keys(response: ocsp.OCSPResponse, issuer: Candidate) -> Iterator[PublicKeyTypes | None]:
    """The keys that may sign: the issuer's, and those of responders that it appointed itself (RFC 6960 4.2.2.2)."""
    yield issuer.key
    for certificate in response.certificates:
        if issued_by(certificate, issuer.certificate) and _is_responder(certificate, response.produced_at_utc):
            yield certificate.public_key()


def _is_responder(certificate: x509.Certificate, moment: datetime) -> bool:
    try:
        usage = find_extension(certificate.extensions, x509.ExtendedKeyUsage)
    except ValueError:
        return False
    valid = certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc
    return valid and usage is not None and ExtendedKeyUsageOID.OCSP_SIGNING in usage.value


def _is_signed_by(key: PublicKeyTypes | None, response: ocsp.OCSPResponse) -> bool:
    try:
        algorithm = _signature_algorithm(response.public_bytes(Encoding.DER))
        check_signature(key, algorithm, None, response.signature, response.tbs_response_bytes)
    except (Malformed, InvalidSignature):
        return False
    return True


def _signature_algorithm(octets: bytes) -> AlgorithmIdentifier:
    """signatureAlgorithm of an OCSPResponse (RFC 6960 4.2.1), with the parameters of RSASSA-PSS. Raises Malformed."""
    fields = Reader(octets).into(SEQUENCE, "OCSPResponse")
    fields.element(ENUMERATED, "responseStatus")
    held = fields.into(0xA0, "responseBytes").into(SEQUENCE, "ResponseBytes")
    held.oid("responseType")
    basic = Reader(held.content(OCTET_STRING, "response")).into(SEQUENCE, "BasicOCSPResponse")
    basic.element(SEQUENCE, "tbsResponseData")
    return AlgorithmIdentifier.read(basic, "signatureAlgorithm")
