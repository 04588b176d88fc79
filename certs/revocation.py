"""The standing of a path's certificates by CRLs and OCSP responses: the newest count, whatever held at genTime."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TypeVar

from cryptography import x509
from cryptography.x509 import ocsp

from certs.candidate import Candidate
from certs.statement import Crl, NoEvidence, Statement, of_crl, of_ocsp

_T = TypeVar("_T")

# RFC 3161 4: tokens from before a revocation with one of these reasons stay valid. Any other reason ends all tokens.
HARMLESS_REASONS = {
    x509.ReasonFlags.unspecified,
    x509.ReasonFlags.affiliation_changed,
    x509.ReasonFlags.superseded,
    x509.ReasonFlags.cessation_of_operation,
}
# RFC 5280 5.3.1: these can be taken back, any other revocation is for ever.
_PASSING_REASONS = {x509.ReasonFlags.certificate_hold, x509.ReasonFlags.remove_from_crl}


@dataclass(frozen=True, slots=True)
class RevocationData:
    """CRLs and OCSP responses; `unreadable` has a sentence on every other that cannot be read."""

    crls: tuple[Crl, ...] = ()
    ocsps: tuple[ocsp.OCSPResponse, ...] = ()
    unreadable: tuple[str, ...] = ()

    @classmethod
    def read(cls, crls: Sequence[bytes], ocsps: Sequence[bytes]) -> RevocationData:
        """Read CRLs and OCSP responses in DER."""
        lists, faults = _readable(crls, x509.load_der_x509_crl, "A CRL")
        responses, others = _readable(ocsps, ocsp.load_der_ocsp_response, "An OCSP response")
        return cls(lists, responses, faults + others)

    def __add__(self, other: RevocationData) -> RevocationData:
        return RevocationData(self.crls + other.crls, self.ocsps + other.ocsps, self.unreadable + other.unreadable)


def _readable(
    encodings: Sequence[bytes], load: Callable[[bytes], _T], name: str
) -> tuple[tuple[_T, ...], tuple[str, ...]]:
    """The values that can be read, and a sentence on every other."""
    found, faults = [], []
    for octets in encodings:
        try:
            found.append(load(octets))
        except (ValueError, x509.InvalidVersion):
            faults.append(f"{name} cannot be read.")
    return tuple(found), tuple(faults)


@dataclass(frozen=True, slots=True)
class Standing:
    """The standing of the certificates of a path.

    `known` has the newest statement on every certificate that has any, `notes` sentences on everything else.
    """

    known: tuple[tuple[Candidate, Statement], ...]
    notes: tuple[str, ...]

    @property
    def revoked(self) -> Iterator[tuple[Candidate, Statement, datetime]]:
        """The certificates that are revoked, with the time (UTC) since when."""
        return ((cert, statement, statement.revoked) for cert, statement in self.known if statement.revoked is not None)

    def warnings(self, gen_time: datetime, now: datetime) -> Iterator[str]:
        """A sentence on every obstacle to judging revocation as it should be; both times are timezone-aware."""
        yield from self.notes
        for certificate, statement in self.known:
            of = f"The newest {statement.source} on {certificate.name} is of {statement.this_update:%Y-%m-%d %H:%M} UTC"
            if statement.late:
                yield (f"{of}, when that certificate had ended: a revocation before its end need not be told any more.")
            if statement.next_update < now if statement.next_update else statement.this_update < gen_time:
                yield f"{of} and has been replaced since: a later revocation is not seen; give a newer one."


def standing(path: Sequence[Candidate], data: RevocationData) -> Standing:
    """The standing of the certificates of a path, which ends with the anchor, by CRLs and OCSP responses."""
    known, notes, unknown = [], list(data.unreadable), []
    for certificate, issuer in pairwise(path):
        statements, faults = _statements(data, certificate, issuer)
        notes += faults
        if statements:
            known.append((certificate, _newest(statements)))
        else:
            unknown.append(certificate.name)
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


def _statements(data: RevocationData, certificate: Candidate, issuer: Candidate) -> tuple[list[Statement], list[str]]:
    """All statements on a certificate, and a sentence on every source that is no evidence."""
    statements, faults = [], []
    sources: tuple[Crl | ocsp.OCSPResponse, ...] = (*data.crls, *data.ocsps)
    for source in sources:
        name = "A CRL" if isinstance(source, Crl) else "An OCSP response"
        try:
            if isinstance(source, Crl):
                statements += of_crl(source, certificate, issuer)
            else:
                statements += of_ocsp(source, certificate, issuer)
        except NoEvidence as why:
            faults.append(f"{name} on {certificate.name} is no evidence: {why}.")
        except Exception:  # its contents are read only now, and cryptography raises all kinds of exceptions
            faults.append(f"{name} cannot be read.")
    return statements, faults


def _newest(statements: list[Statement]) -> Statement:
    """The newest statement, or the newest that cannot be taken back; of several that are equally new, the worst."""
    final = [statement for statement in statements if statement.revoked and statement.reason not in _PASSING_REASONS]
    return max(final or statements, key=_rank)


def _rank(statement: Statement) -> tuple[datetime, bool, bool]:
    return statement.this_update, statement.revoked is not None, statement.reason not in HARMLESS_REASONS
