"""What CRLs and OCSP responses say of the certificates of a path; the newest counts, not what held at genTime."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TypeVar

from cryptography import x509
from cryptography.x509 import ocsp

from certs.candidate import Candidate
from certs.statement import Crl, Information, NoEvidence, of_crl, of_ocsp

_T = TypeVar("_T")

# RFC 3161 4: with these, tokens from before the revocation stay valid. Any other reason, or none, ends them all.
HARMLESS_REASONS = {
    x509.ReasonFlags.unspecified,
    x509.ReasonFlags.affiliation_changed,
    x509.ReasonFlags.superseded,
    x509.ReasonFlags.cessation_of_operation,
}
# RFC 5280 5.3.1: these can be taken back, any other revocation is for ever.
_PASSING_REASONS = {x509.ReasonFlags.certificate_hold, x509.ReasonFlags.remove_from_crl}


@dataclass(frozen=True, slots=True)
class Evidence:
    """CRLs and OCSP responses, and sentences on those that cannot be read."""

    crls: tuple[Crl, ...] = ()
    ocsps: tuple[ocsp.OCSPResponse, ...] = ()
    unreadable: tuple[str, ...] = ()

    @classmethod
    def read(cls, crls: Sequence[bytes], ocsps: Sequence[bytes]) -> Evidence:
        """From DER."""
        lists, faults = _readable(crls, x509.load_der_x509_crl, "A CRL")
        responses, others = _readable(ocsps, ocsp.load_der_ocsp_response, "An OCSP response")
        return cls(lists, responses, faults + others)

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(self.crls + other.crls, self.ocsps + other.ocsps, self.unreadable + other.unreadable)


def _readable(
    octets: Sequence[bytes], load: Callable[[bytes], _T], what: str
) -> tuple[tuple[_T, ...], tuple[str, ...]]:
    """What can be read of them, and a sentence on each that cannot."""
    found, faults = [], []
    for each in octets:
        try:
            found.append(load(each))
        except (ValueError, x509.InvalidVersion):
            faults.append(f"{what} cannot be read.")
    return tuple(found), tuple(faults)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the certificates of a path stand: the newest information on each that has any, and sentences on the rest."""

    known: tuple[tuple[Candidate, Information], ...]
    notes: tuple[str, ...]

    @property
    def revoked(self) -> Iterator[tuple[Candidate, Information, datetime]]:
        """Each certificate that is revoked, and since when."""
        return ((one, said, said.revoked) for one, said in self.known if said.revoked is not None)

    def warnings(self, gen_time: datetime, now: datetime) -> Iterator[str]:
        """A sentence on everything that keeps revocation from being judged as it should."""
        yield from self.notes
        for one, said in self.known:
            if said.late:
                yield (
                    f"The newest {said.source} on {one.name} is of {said.this_update:%Y-%m-%d %H:%M} UTC, when that "
                    "certificate had ended: a revocation before its end need not be told any more."
                )
            if said.next_update < now if said.next_update else said.this_update < gen_time:
                yield (
                    f"The newest {said.source} on {one.name} is of {said.this_update:%Y-%m-%d %H:%M} UTC and has been "
                    "replaced since: a later revocation is not seen; give a newer one."
                )


def standing(path: Sequence[Candidate], evidence: Evidence) -> Standing:
    """How the certificates of a path, the anchor last, stand by the evidence."""
    known, notes, unknown = [], list(evidence.unreadable), []
    for one, issuer in pairwise(path):
        found = []
        sources: tuple[Crl | ocsp.OCSPResponse, ...] = (*evidence.crls, *evidence.ocsps)
        for source in sources:
            try:
                found += of_crl(source, one, issuer) if isinstance(source, Crl) else of_ocsp(source, one, issuer)
            except NoEvidence as why:
                notes.append(f"{_called(source)} on {one.name} is no evidence: {why}.")
            except Exception:  # what it holds is read only now, and cryptography raises all kinds of things
                notes.append(f"{_called(source)} cannot be read.")
        if found:
            known.append((one, _newest(found)))
        else:
            unknown.append(one.name)
    if len(path) == 1:
        notes.append(
            f"Revocation could not be judged: {path[0].name} is an anchor and signed the token itself, and nobody "
            "answers for an anchor but those who named it."
        )
    if unknown:
        notes.append(
            f"Revocation could not be judged: there is no CRL and no OCSP response on {' nor on '.join(unknown)}."
        )
    return Standing(tuple(known), tuple(notes))


def _called(source: Crl | ocsp.OCSPResponse) -> str:
    return "A CRL" if isinstance(source, Crl) else "An OCSP response"


def _newest(found: list[Information]) -> Information:
    """The newest information, or the newest that says what cannot be taken back; of what is equally new, the worst."""
    final = [each for each in found if each.revoked and each.reason not in _PASSING_REASONS]
    return max(
        final or found,
        key=lambda each: (each.this_update, each.revoked is not None, each.reason not in HARMLESS_REASONS),
    )
