"""The path from a signer's certificate to an anchor, valid at a given time (RFC 5280 6), by pyhanko-certvalidator.

certs/chain.py has another search, for the TSA's own chain. That one goes by names and signatures alone, so that
check_fitness can name the fault of a CA; here such a CA is on no path. Names match by RFC 5280 7.1 here, octet for
octet there.
"""

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

# Certificates that all seem to be issued by each other make paths without end.
MAX_ISSUERS_LOOKED_FOR = 100
# Every name is compared with every name constraint.
MAX_COMPARISONS = 20_000
_FORGEABLE = {f"1.2.840.113549.1.1.{arc}" for arc in (2, 3, 4)}  # RSA with MD2, MD4 and MD5


class NoPath(Exception):
    """No path leads to an anchor at that time; the text is a phrase or a sentence that says why."""


class Unconnected(NoPath):
    """The certificates at hand lead by their names from the signer's to no anchor."""


class _TooManyWays(PathBuildingError):
    """The search was given up, so nothing is known of the paths that there may be."""


class _Registry(CertificateRegistry):
    """The certificates at hand, with a limit on how often an issuer is looked for among them."""

    left = MAX_ISSUERS_LOOKED_FOR

    def find_potential_issuers(
        self, cert: asn1_x509.Certificate, trust_manager: TrustManager
    ) -> Iterator[TrustAnchor | asn1_x509.Certificate]:
        self.left -= 1
        if not self.left:
            raise _TooManyWays(f"There are too many ways to go: {MAX_ISSUERS_LOOKED_FOR} led nowhere (our limit).")
        yield from super().find_potential_issuers(cert, trust_manager)


def find_path(
    signer: Candidate, candidates: Sequence[Candidate], anchors: Sequence[Candidate], moment: datetime
) -> tuple[Candidate, ...]:
    """The certificates from the signer's through `candidates` to one of `anchors`, all valid at `moment` (UTC).

    Nothing is fetched. An anchor must satisfy more than RFC 5280 asks: it must be valid at that time and, unless it is
    the signer's own, the certificate of a CA that may sign certificates, within its path length and name constraints.
    Where the anchors include roots, as in a bundle of the whole chain, the path goes up to a root, so that a revocation
    of the other anchors is seen. Only where nothing leads up to a root do the others serve as anchors: not where a path
    to a root breaks a rule. Raises NoPath.
    """
    # The library might read extensions that cannot be read here, and no check below would have seen them.
    candidates, anchors = _with_extensions(candidates), _with_extensions(anchors)
    if _is_forgeable(signer) and signer not in anchors:
        raise NoPath(f"the certificate of {signer.name} is signed with a hash that proves nothing")
    roots = [anchor for anchor in anchors if anchor.issuer == anchor.subject]
    with suppress(Unconnected):
        if 0 < len(roots) < len(anchors):
            return _find_path(signer, (*candidates, *anchors), roots, moment)
    return _find_path(signer, candidates, anchors, moment)


def _with_extensions(certificates: Sequence[Candidate]) -> list[Candidate]:
    return [certificate for certificate in certificates if certificate.extensions is not None]


def _is_forgeable(certificate: Candidate) -> bool:
    """Whether a CA may have been led to sign it unknowingly, as a CA that signed with MD5 was in 2008."""
    return certificate.certificate.signature_algorithm_oid.dotted_string in _FORGEABLE


def _find_path(
    signer: Candidate, candidates: Sequence[Candidate], anchors: Sequence[Candidate], moment: datetime
) -> tuple[Candidate, ...]:
    if (number := _comparisons((*anchors, *candidates, signer))) > MAX_COMPARISONS:
        raise NoPath(
            f"names and name constraints ask for {number} comparisons, and {MAX_COMPARISONS} are the most here"
        )
    anchors = [anchor for anchor in anchors if anchor.octets == signer.octets] or anchors
    registry = _registry(candidates)
    try:
        context = ValidationContext(
            trust_roots=[_anchor(_parsed(anchor)) for anchor in anchors],
            certificate_registry=registry,
            moment=moment,
            allow_fetching=False,
            revinfo_policy=CertRevTrustPolicy(NO_REVOCATION),  # step 12 has other rules
            algorithm_usage_policy=AcceptAllAlgorithms(),  # step 13 warns of the weak
            time_tolerance=timedelta(0),
        )
        found = _run(CertificateValidator(_parsed(signer), validation_context=context).async_validate_path())
    except Exception as fault:  # the library's own, and on odd certificates those of asn1crypto
        is_searched = isinstance(fault, PathBuildingError) and not isinstance(fault, _TooManyWays)
        raise (Unconnected if is_searched else NoPath)(_first_line(fault)) from fault
    known = {certificate.octets: certificate for certificate in (*anchors, *candidates, signer)}
    path = tuple(known[certificate.dump()] for certificate in reversed(list(found.iter_certs(include_root=True))))
    if path[0] is not signer:  # the library takes it for the anchor, and does not look at its issuer
        raise NoPath(f"{signer.name} has the name and the key of an anchor, but is another certificate")
    return path


def _registry(candidates: Sequence[Candidate]) -> _Registry:
    registry = _Registry()
    for certificate in candidates:
        if not _is_forgeable(certificate):
            with suppress(Exception):  # asn1crypto raises all kinds of exceptions; no path goes through this one
                registry.register(_parsed(certificate))
    return registry


def _comparisons(certificates: Sequence[Candidate]) -> int:
    """The most comparisons of a name with a name constraint that a path through these certificates can need."""
    names = subtrees = 0
    for certificate in certificates:
        alternatives = extension(certificate, x509.SubjectAlternativeName)
        constraints = extension(certificate, x509.NameConstraints)
        names += 1 + len(list(alternatives or ()))
        if constraints is not None:
            subtrees += len(constraints.permitted_subtrees or ()) + len(constraints.excluded_subtrees or ())
    return names * subtrees


def _anchor(certificate: asn1_x509.Certificate) -> TrustAnchor:
    """The anchor with the limits that its certificate states, which the library would not apply on its own."""
    is_ca = certificate.ca or certificate["tbs_certificate"]["version"].native == "v1"  # v1 cannot say so
    usage = certificate.key_usage_value
    may_issue = is_ca and (usage is None or "key_cert_sign" in usage.native)
    own = derive_quals_from_cert(certificate)
    names = own.standard_parameters and PKIXValidationParams(  # without its policies, as no policy is asked for
        initial_permitted_subtrees=own.standard_parameters.initial_permitted_subtrees,
        initial_excluded_subtrees=own.standard_parameters.initial_excluded_subtrees,
    )
    kind = TrustedServiceType.CERTIFICATE_AUTHORITY if may_issue else TrustedServiceType.UNSUPPORTED
    # pyhanko-certvalidator 0.33 counts max_aa_path_length down from here where there is a max_path_length, and derives
    # none: every path under an anchor with a pathLenConstraint then ended in a TypeError.
    qualifiers = replace(
        own, standard_parameters=names, trusted_service_type=kind, max_aa_path_length=own.max_path_length
    )
    return CertTrustAnchor(certificate, qualifiers)


def _parsed(certificate: Candidate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.octets, strict=True)


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that fetches nothing, so never waits and needs no event loop. Raises NoPath."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise NoPath("The path cannot be validated without fetching something.")


def _first_line(fault: Exception) -> str:
    return str(fault).partition("\n")[0] or type(fault).__name__
