"""What one CRL or one OCSP response says of a certificate, where it may say something of it at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.candidate import Candidate, extension
from certs.chain import issued_by
from certs.der import ENUMERATED, GENERALIZED_TIME, OCTET_STRING, SEQUENCE, Malformed, Reader
from certs.extensions import find_extension
from certs.signatures import AlgorithmIdentifier, check_signature

Crl = x509.CertificateRevocationList
# By these a CRL (X.509, expiredCertsOnCRL) and an OCSP response (RFC 6960 4.4.4) tell since when they forget nothing.
_EXPIRED_CERTS_ON_CRL, _ARCHIVE_CUTOFF = "2.5.29.60", "1.3.6.1.5.5.7.48.1.6"


@dataclass(frozen=True, slots=True)
class Information:
    """What a CRL or an OCSP response, the `source`, says of a certificate.

    `revoked` is since when it is, None where it is not; `reason` is None where there is no reasonCode, or none that can
    be read. It is `late` where it says nothing of a revocation that it need not have any more, as the certificate had
    ended before.
    """

    source: str
    this_update: datetime
    next_update: datetime | None
    revoked: datetime | None = None
    reason: x509.ReasonFlags | None = None
    late: bool = False


class NoEvidence(Exception):
    """A CRL or OCSP response that is about the certificate, but cannot be relied on; the text says why."""


def of_crl(crl: Crl, one: Candidate, issuer: Candidate) -> list[Information]:
    """What a CRL says (RFC 5280 5, 6.3)."""
    if crl.issuer != one.certificate.issuer:
        return []
    _check_crl(crl, issuer)
    said = Information("CRL", crl.last_update_utc, crl.next_update_utc)
    entry = crl.get_revoked_certificate_by_serial_number(one.certificate.serial_number)
    if entry is not None:
        since, reason = _harm(entry)
        is_taken_off = reason is x509.ReasonFlags.remove_from_crl and _is_delta(crl)
        return [said if is_taken_off else replace(said, revoked=since, reason=reason)]
    return [_of_its_time(said, one, crl.extensions, _EXPIRED_CERTS_ON_CRL)] if _is_complete(crl, one) else []


def _of_its_time(
    said: Information, one: Candidate, extensions: Iterable[x509.Extension[x509.ExtensionType]], keeping: str
) -> Information:
    """The same, `late` unless an extension tells that revocations are kept, also of what ended as early as this did."""
    if said.this_update <= one.end:
        return said
    for each in extensions:
        if each.oid.dotted_string == keeping and isinstance(each.value, x509.UnrecognizedExtension):
            text = Reader(each.value.value).content(GENERALIZED_TIME, "the time").decode("ascii")
            if datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC) <= one.end:
                return said
    return replace(said, late=True)


def _check_crl(crl: Crl, issuer: Candidate) -> None:
    usage = extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        raise NoEvidence(f"{issuer.name} may not sign CRLs")
    if not crl.is_signature_valid(issuer.key):  # type: ignore[arg-type]  # of any kind, as a path led to it
        raise NoEvidence(f"its signature is not that of {issuer.name}")
    for each in crl.extensions:
        if each.critical and not isinstance(each.value, x509.IssuingDistributionPoint | x509.DeltaCRLIndicator):
            raise NoEvidence(f"its critical extension {each.oid.dotted_string} is not known here")
        if isinstance(each.value, x509.IssuingDistributionPoint) and each.value.indirect_crl:
            raise NoEvidence("it is an indirect CRL, which is not understood here")


def _is_complete(crl: Crl, one: Candidate) -> bool:
    """Whether a revoked certificate would have to be in that CRL (RFC 5280 5.2.4, 5.2.5)."""
    values = [each.value for each in crl.extensions]
    return not _is_delta(crl) and all(
        _is_within(each, one) for each in values if isinstance(each, x509.IssuingDistributionPoint)
    )


def _is_delta(crl: Crl) -> bool:
    return any(isinstance(each.value, x509.DeltaCRLIndicator) for each in crl.extensions)


def _is_within(scope: x509.IssuingDistributionPoint, one: Candidate) -> bool:
    """Whether a certificate is in the scope of an issuingDistributionPoint, for all reasons."""
    constraints = extension(one, x509.BasicConstraints)
    is_ca = constraints is not None and constraints.ca
    wrong_kind = scope.only_contains_user_certs if is_ca else scope.only_contains_ca_certs
    if wrong_kind or scope.only_contains_attribute_certs or scope.only_some_reasons or scope.relative_name:
        return False
    points = extension(one, x509.CRLDistributionPoints) or ()
    return not scope.full_name or any(name in scope.full_name for point in points for name in point.full_name or ())


def _harm(entry: x509.RevokedCertificate) -> tuple[datetime, x509.ReasonFlags | None]:
    """Since when, and why."""
    try:
        reasons = [each.value.reason for each in entry.extensions if isinstance(each.value, x509.CRLReason)]
        return harmed_since(entry), reasons[0] if reasons else None
    except (ValueError, x509.DuplicateExtension):
        return entry.revocation_date_utc, None


def harmed_since(entry: x509.RevokedCertificate) -> datetime:
    """Since when a certificate is not to be trusted (UTC): its revocation, or its invalidityDate where that is before.

    RFC 5280 5.3.2. Raises ValueError and DuplicateExtension where its extensions cannot be read.
    """
    dates = [each.value.invalidity_date_utc for each in entry.extensions if isinstance(each.value, x509.InvalidityDate)]
    return min([entry.revocation_date_utc, *dates])


def of_ocsp(response: ocsp.OCSPResponse, one: Candidate, issuer: Candidate) -> list[Information]:
    """What an OCSP response says (RFC 6960)."""
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise NoEvidence(f"the responder answered {response.response_status.name}")
    found = [
        _answer(response, each, one)
        for each in response.responses
        if each.serial_number == one.certificate.serial_number
        and each.issuer_name_hash == hashlib.new(each.hash_algorithm.name, one.issuer).digest()
        and each.issuer_key_hash == hashlib.new(each.hash_algorithm.name, issuer.key_octets).digest()
        and each.certificate_status is not ocsp.OCSPCertStatus.UNKNOWN
    ]
    if found and not any(_signed(response, key) for key in _responders(response, issuer)):
        raise NoEvidence(f"its signature is neither that of {issuer.name} nor of a responder that it appointed")
    return found


def _answer(response: ocsp.OCSPResponse, single: ocsp.OCSPSingleResponse, one: Candidate) -> Information:
    said = Information("OCSP response", single.this_update_utc, single.next_update_utc)
    if single.revocation_time_utc is None:
        is_alone = len(list(response.responses)) == 1  # else the library does not show the extensions of each
        return _of_its_time(said, one, response.single_extensions if is_alone else (), _ARCHIVE_CUTOFF)
    return replace(said, revoked=single.revocation_time_utc, reason=single.revocation_reason)


def _responders(response: ocsp.OCSPResponse, issuer: Candidate) -> Iterator[PublicKeyTypes | None]:
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


def _signed(response: ocsp.OCSPResponse, key: PublicKeyTypes | None) -> bool:
    try:
        algorithm = _signature_algorithm(response.public_bytes(Encoding.DER))
        check_signature(key, algorithm, None, response.signature, response.tbs_response_bytes)
    except (Malformed, InvalidSignature):
        return False
    return True


def _signature_algorithm(octets: bytes) -> AlgorithmIdentifier:
    """That of an OCSPResponse (RFC 6960 4.2.1) with its parameters, as RSASSA-PSS has some. Raises Malformed."""
    fields = Reader(octets).into(SEQUENCE, "OCSPResponse")
    fields.element(ENUMERATED, "responseStatus")
    held = fields.into(0xA0, "responseBytes").into(SEQUENCE, "ResponseBytes")
    held.oid("responseType")
    basic = Reader(held.content(OCTET_STRING, "response")).into(SEQUENCE, "BasicOCSPResponse")
    basic.element(SEQUENCE, "tbsResponseData")
    return AlgorithmIdentifier.read(basic, "signatureAlgorithm")
