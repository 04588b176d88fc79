"""Revocation by OCSP responses (RFC 6960): a sentence names the status, then its signer."""

from tests.support import der
from tests.vectors.keys import pss, rsa_key
from tests.vectors.parties import (
    DIGITAL_SIGNATURE,
    ISSUING,
    OCSP_SIGNING,
    ROOT,
    STRANGER,
    TSU,
    Party,
    extended_key_usage,
    extension,
    key_usage,
)
from tests.vectors.paths import LONG_AGO, OLD_CA, OLD_ROOT, OLD_TSU
from tests.vectors.revocation_data import CRLS, UNKNOWN, crl, ocsp, revoked_status
from tests.vectors.revocations import AFTER, BEFORE, LATER, TOKEN
from tests.vectors.tokens import Token
from tests.vectors.vector import Vector, by, fails, proves, unjudged

RESPONDER = ISSUING.issue(
    "Responder",
    serial=0x2001,
    extensions=(key_usage(DIGITAL_SIGNATURE), extended_key_usage(OCSP_SIGNING, critical=False)),
)
RSA_RESPONDER = ISSUING.issue(
    "RSA responder",
    key=rsa_key("RSA responder"),
    serial=0x2003,
    extensions=(extended_key_usage(OCSP_SIGNING, critical=False),),
)
UNFIT = ISSUING.issue("No responder", serial=0x2002, extensions=(key_usage(DIGITAL_SIGNATURE),))


def _answered(answer: bytes, *, lists: tuple[bytes, ...] = (crl(ROOT),)) -> Vector:
    """The good token with an OCSP response about its TSU, and the root's CRL about the CA."""
    return Vector(TOKEN, crls=lists, ocsps=(answer,))


@proves()
def ocsp_good() -> Vector:
    """An OCSP response by the CA: good."""
    return _answered(ocsp(TSU, ISSUING))


@proves()
def ocsp_good_by_a_responder() -> Vector:
    """Good, by a responder that the CA authorised by a certificate (RFC 6960 4.2.2.2)."""
    return _answered(ocsp(TSU, ISSUING, responder=RESPONDER))


@proves()
def ocsp_by_sha256() -> Vector:
    """Good, by the CA, in a response that names the TSU's certificate by SHA-256."""
    return _answered(ocsp(TSU, ISSUING, name="sha256"))


@proves("is no evidence")
def ocsp_by_an_expired_responder() -> Vector:
    """Revoked, by a responder whose certificate had ended; the CRLs have no entry."""
    past = ("20250101000000Z", "20250301000000Z")
    late = ISSUING.issue("Late responder", valid=past, extensions=(extended_key_usage(OCSP_SIGNING, critical=False),))
    return _answered(ocsp(TSU, ISSUING, revoked_status(AFTER, 1), responder=late), lists=CRLS)


@fails(12)
def ocsp_revoked() -> Vector:
    """Revoked before genTime with keyCompromise, by the CA."""
    return _answered(ocsp(TSU, ISSUING, revoked_status(BEFORE, 1)))


@fails(12)
def ocsp_revoked_by_a_responder() -> Vector:
    """Revoked after genTime with keyCompromise, by a responder."""
    return _answered(ocsp(TSU, ISSUING, revoked_status(AFTER, 1), responder=RESPONDER))


@proves()
def ocsp_superseded_after() -> Vector:
    """Revoked after genTime with superseded, by the CA."""
    return _answered(ocsp(TSU, ISSUING, revoked_status(AFTER, 4)))


@fails(12)
def ocsp_in_the_token_revokes() -> Vector:
    """Revoked with keyCompromise, by an OCSP response in the token (RFC 5940 2.1)."""
    answer = der.tlv(
        0xA1, der.oid("1.3.6.1.5.5.7.16.2"), ocsp(TSU, ISSUING, revoked_status(AFTER, 1), this_update=LATER)
    )
    return Vector(Token(crls=(answer,)).response())


@fails(12)
def ocsp_newer_than_the_list() -> Vector:
    """Revoked with keyCompromise, by an OCSP response that is newer than the CRL, which has no entry."""
    answer = ocsp(TSU, ISSUING, revoked_status(AFTER, 1), this_update=LATER)
    return _answered(answer, lists=CRLS)


@proves("is no evidence")
def ocsp_by_a_stranger() -> Vector:
    """Revoked, by a stranger; the CRLs have no entry."""
    return _answered(ocsp(TSU, ISSUING, revoked_status(BEFORE, 1), responder=STRANGER), lists=CRLS)


@proves("is no evidence")
def ocsp_by_an_unfit_responder() -> Vector:
    """Good, by the holder of a certificate of the CA without extendedKeyUsage OCSPSigning."""
    return _answered(ocsp(TSU, ISSUING, responder=UNFIT), lists=CRLS)


@proves("Revocation could not be judged")
def ocsp_unknown() -> Vector:
    """Unknown, by the CA, and there is no CRL of the CA."""
    return _answered(ocsp(TSU, ISSUING, UNKNOWN))


@proves("Revocation could not be judged")
def ocsp_of_another() -> Vector:
    """An OCSP response about another certificate, and no CRL of the CA."""
    return _answered(ocsp(RESPONDER, ISSUING))


@proves("Revocation could not be judged")
def ocsp_of_a_namesake() -> Vector:
    """Good, by the CA's responder, for a certificate of the same serialNumber by another CA of the same name."""
    namesake = Party(ISSUING.subject, STRANGER.key, ISSUING.serial, ISSUING.issuer)
    return _answered(ocsp(TSU, namesake, responder=RESPONDER))


@fails(12)
def ocsp_revoked_by_rsa_pss() -> Vector:
    """Revoked with keyCompromise, by a responder that signs with RSASSA-PSS; the CRLs have no entry."""
    answer = ocsp(TSU, ISSUING, revoked_status(AFTER, 1), responder=RSA_RESPONDER, scheme=pss(), this_update=LATER)
    return _answered(answer, lists=CRLS)


@proves("had ended")
def ocsp_after_the_end() -> Vector:
    """Good, by the CA in 2025, for a TSU whose certificate ended in 2022."""
    return _of_old()


@proves()
def ocsp_after_the_end_keeps_all() -> Vector:
    """The same, with an archive cutoff of 2020 (RFC 6960 4.4.4)."""
    return _of_old(extension("1.3.6.1.5.5.7.48.1.6", der.tlv(der.GENERALIZED_TIME, b"20200101000000Z")))


def _of_old(*extensions: bytes) -> Vector:
    answers = tuple(ocsp(*each, extensions=extensions) for each in ((OLD_TSU, OLD_CA), (OLD_CA, OLD_ROOT)))
    return by(OLD_TSU, above=(OLD_CA,), anchors=(OLD_ROOT,), crls=(), ocsps=answers, moment=LONG_AGO)


@unjudged()
def ocsp_unreadable() -> Vector:
    """A file that is given as an OCSP response and is none."""
    return _answered(b"not an OCSP response\n", lists=CRLS)
