"""The path from a TSA's certificate to an anchor at genTime (RFC 5280 6), by pyhanko-certvalidator."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.authority import CertTrustAnchor, TrustAnchor, TrustedServiceType, derive_quals_from_cert
from pyhanko_certvalidator.errors import PathBuildingError
from pyhanko_certvalidator.policy_decl import (
    NO_REVOCATION,
    AcceptAllAlgorithms,
    CertRevTrustPolicy,
    PKIXValidationParams,
)
from pyhanko_certvalidator.registry import CertificateRegistry, TrustManager

from certs.candidate import Candidate, extension

# Certificates that all seem to have issued each other make paths without end.
MAX_ISSUERS_LOOKED_FOR = 100
# Names and name constraints are compared each with each.
MAX_COMPARISONS = 20_000
_FORGEABLE = {f"1.2.840.113549.1.1.{arc}" for arc in (2, 3, 4)}  # RSA with MD2, MD4 and MD5


class NoPath(Exception):
    """No path leads to an anchor at that time; the text is a sentence."""


class _Registry(CertificateRegistry):
    """Certificates that are at hand, with a limit on how often an issuer is looked for among them."""

    left = MAX_ISSUERS_LOOKED_FOR

    def find_potential_issuers(
        self, cert: asn1_x509.Certificate, trust_manager: TrustManager
    ) -> Iterator[TrustAnchor | asn1_x509.Certificate]:
        self.left -= 1
        if not self.left:
            raise PathBuildingError(f"There are too many ways to go: {MAX_ISSUERS_LOOKED_FOR} led nowhere (our limit).")
        yield from super().find_potential_issuers(cert, trust_manager)


def find_path(
    signer: Candidate, candidates: Sequence[Candidate], anchors: Sequence[Candidate], moment: datetime
) -> tuple[Candidate, ...]:
    """The certificates from the signer's by way of `candidates` to one of `anchors`, all of them valid at `moment`.

    Nothing is fetched. Of an anchor more is asked than by RFC 5280: to be valid at that time, and where it is not the
    signer's own, to be a CA's that may sign certificates, within its path length and name constraints. Where there are
    roots among the anchors, as in a bundle of the whole chain, the path goes on up to one, if it can, so that a
    revocation of the others is seen. Raises NoPath.
    """
    # Where extensions cannot be read here, others might read of them what no check below has seen.
    candidates, anchors = ([each for each in some if each.extensions is not None] for some in (candidates, anchors))
    if _is_forgeable(signer) and signer not in anchors:
        raise NoPath(f"the certificate of {signer.name} is signed with a hash that proves nothing")
    roots = [each for each in anchors if each.issuer == each.subject]
    with suppress(NoPath):
        if 0 < len(roots) < len(anchors):
            return _find_path(signer, (*candidates, *anchors), roots, moment)
    return _find_path(signer, candidates, anchors, moment)


def _is_forgeable(one: Candidate) -> bool:
    """Whether a CA can have been led to sign it without knowing, as one was in 2008 that signed with MD5."""
    return one.certificate.signature_algorithm_oid.dotted_string in _FORGEABLE


def _find_path(
    signer: Candidate, candidates: Sequence[Candidate], anchors: Sequence[Candidate], moment: datetime
) -> tuple[Candidate, ...]:
    if (number := _comparisons((*anchors, *candidates, signer))) > MAX_COMPARISONS:
        raise NoPath(
            f"names and name constraints ask for {number} comparisons, and {MAX_COMPARISONS} are the most here"
        )
    anchors = [each for each in anchors if each.octets == signer.octets] or anchors
    registry = _Registry()
    for each in candidates:
        if _is_forgeable(each):
            continue
        with suppress(Exception):  # asn1crypto raises all kinds of things; this one is on nobody's path
            registry.register(_parsed(each))
    try:
        context = ValidationContext(
            trust_roots=[_anchor(_parsed(each)) for each in anchors],
            certificate_registry=registry,
            moment=moment,
            allow_fetching=False,
            revinfo_policy=CertRevTrustPolicy(NO_REVOCATION),  # step 12 has other rules
            algorithm_usage_policy=AcceptAllAlgorithms(),  # step 13 warns of the weak
            time_tolerance=timedelta(0),
        )
        found = _run(CertificateValidator(_parsed(signer), validation_context=context).async_validate_path())
    except Exception as fault:  # its own errors, and on odd certificates those of asn1crypto
        raise NoPath(_first_line(fault)) from fault
    known = {each.octets: each for each in (*anchors, *candidates, signer)}
    path = tuple(known[each.dump()] for each in reversed(list(found.iter_certs(include_root=True))))
    if path[0] is not signer:  # which the library lets pass for the anchor, without looking at who issued it
        raise NoPath(f"{signer.name} has the name and the key of an anchor, but is another certificate")
    return path


def _comparisons(certificates: Sequence[Candidate]) -> int:
    """At most so many names are compared with name constraints on a path through these."""
    names = subtrees = 0
    for each in certificates:
        alternatives, constraints = extension(each, x509.SubjectAlternativeName), extension(each, x509.NameConstraints)
        names += 1 + len(list(alternatives or ()))
        if constraints is not None:
            subtrees += len(constraints.permitted_subtrees or ()) + len(constraints.excluded_subtrees or ())
    return names * subtrees


def _anchor(certificate: asn1_x509.Certificate) -> TrustAnchor:
    is_ca = certificate.ca or certificate["tbs_certificate"]["version"].native == "v1"  # v1 could not say so
    usage = certificate.key_usage_value
    may_issue = is_ca and (usage is None or "key_cert_sign" in usage.native)
    own = derive_quals_from_cert(certificate)
    names = own.standard_parameters and PKIXValidationParams(  # without its policies: no certain one is asked for
        initial_permitted_subtrees=own.standard_parameters.initial_permitted_subtrees,
        initial_excluded_subtrees=own.standard_parameters.initial_excluded_subtrees,
    )
    kind = TrustedServiceType.CERTIFICATE_AUTHORITY if may_issue else TrustedServiceType.UNSUPPORTED
    return CertTrustAnchor(certificate, replace(own, standard_parameters=names, trusted_service_type=kind))


def _parsed(one: Candidate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(one.octets, strict=True)


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits for nothing, as it fetches nothing: it needs no event loop."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise NoPath("The path cannot be validated without fetching something.")


def _first_line(fault: Exception) -> str:
    return str(fault).partition("\n")[0] or type(fault).__name__
