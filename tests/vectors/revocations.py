"""Revocation (RFC 3161 4) by CRLs: the reason, the date, and the issuer of the CRL."""

from collections.abc import Callable
from functools import partial

from tests.support import der
from tests.vectors.parties import (
    ISSUING,
    KEY_CERT_SIGN,
    ROOT,
    STRANGER,
    TRUE,
    TSU,
    basic_constraints,
    extension,
    key_usage,
)
from tests.vectors.paths import LONG_AGO, OLD_CA, OLD_ROOT, OLD_TSU
from tests.vectors.revocation_data import CRLS, Revoked, crl
from tests.vectors.tokens import GEN_TIME, Token
from tests.vectors.vector import Vector, by, fails, proves, register, unjudged

BEFORE, AFTER = "20250501000000Z", "20250901000000Z"
LATER = "20251201000000Z"
TOKEN = Token().response()
DELTA = extension("2.5.29.27", der.integer(6), critical=True)
REASONS = {
    None: "no reason",
    0: "unspecified",
    1: "keyCompromise",
    2: "cACompromise",
    3: "affiliationChanged",
    4: "superseded",
    5: "cessationOfOperation",
    6: "certificateHold",
    8: "removeFromCRL",
    9: "privilegeWithdrawn",
    10: "aACompromise",
}
HARMLESS = {0, 3, 4, 5}  # RFC 3161 4: what was stamped before stays valid


def _revoked(since: str, reason: int | None) -> Vector:
    return _lists(crl(ROOT), crl(ISSUING, Revoked(TSU, since, reason)))


def _lists(*crls: bytes) -> Vector:
    return Vector(TOKEN, crls=crls)


def _making(since: str, reason: int | None) -> Callable[[], Vector]:
    return lambda: _revoked(since, reason)


for _reason, _word in REASONS.items():
    for _since, _when in ((BEFORE, "before"), (AFTER, "after")):
        _proved = _since is AFTER and _reason in HARMLESS
        register(
            _making(_since, _reason),
            "proved" if _proved else "not proved, step 12",
            name=f"revoked-{_when}-{'none' if _reason is None else _reason}",
            sentence=f"The TSU's certificate was revoked {_when} genTime, with {_word}"
            f"{'' if _reason is None else f' ({_reason})'}.",
        )


@fails(12)
def revoked_at_gen_time() -> Vector:
    """The TSU's certificate was revoked at genTime, in the same second, with superseded (4)."""
    return _revoked(GEN_TIME, 4)


@fails(12)
def revoked_with_reason_7() -> Vector:
    """The TSU's certificate was revoked after genTime, with reason 7, which is not defined."""
    return _revoked(AFTER, 7)


@fails(12)
def newest_list_revokes() -> Vector:
    """Two CRLs: the older has no entry, the newer revokes the TSU with keyCompromise."""
    return _lists(*CRLS, crl(ISSUING, Revoked(TSU, AFTER, 1), this_update=LATER))


@fails(12)
def newest_list_revokes_given_first() -> Vector:
    """The same two CRLs, the newer given first."""
    return _lists(crl(ISSUING, Revoked(TSU, AFTER, 1), this_update=LATER), *CRLS)


@fails(12)
def newest_list_forgets() -> Vector:
    """Two CRLs: the older revokes the TSU with keyCompromise, which is final; the newer has no entry."""
    return _lists(crl(ROOT), crl(ISSUING, Revoked(TSU, BEFORE, 1)), crl(ISSUING, this_update=LATER))


@fails(12)
def revoked_after_and_invalid_before() -> Vector:
    """The TSU's certificate was revoked after genTime, with superseded (4) and an invalidityDate before genTime."""
    return _lists(crl(ROOT), crl(ISSUING, Revoked(TSU, AFTER, 4, invalid=BEFORE)))


@fails(12)
def reasons_of_one_time() -> Vector:
    """Two CRLs of the same thisUpdate: the first has the TSU with superseded, the second with keyCompromise."""
    return _lists(crl(ROOT), crl(ISSUING, Revoked(TSU, AFTER, 4)), crl(ISSUING, Revoked(TSU, AFTER, 1)))


@fails(12)
def hold_of_the_same_time() -> Vector:
    """Two CRLs of the same thisUpdate: the first has no entry, the second has the TSU on certificateHold."""
    return _lists(*CRLS, crl(ISSUING, Revoked(TSU, AFTER, 6)))


@proves("newer")
def list_expired() -> Vector:
    """CRLs from after genTime whose nextUpdate is past: later revocations are not known."""
    dated = partial(crl, this_update="20250701000000Z", next_update="20250801000000Z")
    return _lists(dated(ROOT), dated(ISSUING))


@proves()
def hold_ended() -> Vector:
    """Two CRLs: the older has the TSU on certificateHold, the newer has no entry."""
    return _lists(*CRLS, crl(ISSUING, Revoked(TSU, "20250901000000Z", 6), this_update="20251001000000Z"))


@proves()
def hold_ended_by_a_list_of_changes() -> Vector:
    """The CRL has the TSU on certificateHold, a newer delta CRL has it with removeFromCRL (RFC 5280 5.3.1)."""
    taken_off = crl(ISSUING, Revoked(TSU, LATER, 8), this_update=LATER, extensions=(DELTA,))
    return _lists(crl(ROOT), crl(ISSUING, Revoked(TSU, AFTER, 6)), taken_off)


@fails(12)
def list_in_the_token_revokes() -> Vector:
    """The CRL that revokes the TSU with keyCompromise is in the token (SignedData.crls)."""
    return Vector(Token(crls=(crl(ISSUING, Revoked(TSU, AFTER, 1), this_update=LATER),)).response())


@proves()
def lists_in_the_token() -> Vector:
    """Both CRLs are in the token, and none is given aside."""
    return Vector(Token(crls=CRLS).response(), crls=())


@proves("Revocation could not be judged")
def no_lists() -> Vector:
    """No CRL and no OCSP response at all."""
    return _lists()


@proves("Revocation could not be judged")
def list_of_the_root_only() -> Vector:
    """The root's CRL, without that of the CA that certified the TSU."""
    return _lists(crl(ROOT))


@proves("newer")
def list_before_gen_time() -> Vector:
    """CRLs that were issued before genTime, so they say nothing about it."""
    dated = partial(crl, this_update="20250401000000Z", next_update="20250501000000Z")
    return _lists(dated(ROOT), dated(ISSUING))


@proves("is no evidence")
def list_by_a_stranger() -> Vector:
    """A CRL in the CA's name that revokes the TSU, signed by a stranger, beside the good CRLs."""
    return _lists(*CRLS, crl(ISSUING, Revoked(TSU, BEFORE, 1), signing_key=STRANGER.key, this_update=LATER))


@proves("Revocation could not be judged")
def list_of_a_stranger() -> Vector:
    """A stranger's CRL that lists the TSU's serialNumber, and no other."""
    return _lists(crl(STRANGER, Revoked(TSU, BEFORE, 1)))


@proves("is no evidence")
def list_with_an_unknown_critical_extension() -> Vector:
    """A newer CRL of the CA with an unknown critical extension, beside the good CRLs."""
    unknown = extension("2.999.7", der.integer(1), critical=True)
    return _lists(*CRLS, crl(ISSUING, this_update=LATER, extensions=(unknown,)))


@proves("Revocation could not be judged")
def list_for_cas_only() -> Vector:
    """A CRL of the CA whose scope is CA certificates only (issuingDistributionPoint)."""
    scope = extension("2.5.29.28", der.sequence(der.tlv(0x82, TRUE[2:])), critical=True)
    return _lists(crl(ROOT), crl(ISSUING, extensions=(scope,)))


@proves()
def list_of_the_root_has_the_serial() -> Vector:
    """The root's CRL lists a certificate of its own that has the TSU's serialNumber."""
    return _lists(crl(ROOT, Revoked(TSU, BEFORE, 1)), crl(ISSUING))


@proves("Revocation could not be judged")
def list_of_changes_only() -> Vector:
    """The root's CRL, and a delta CRL of the CA without an entry."""
    return _lists(crl(ROOT), crl(ISSUING, extensions=(DELTA,)))


@fails(12)
def list_of_changes_revokes() -> Vector:
    """The CRLs have no entry, a newer delta CRL of the CA has the TSU with keyCompromise."""
    return _lists(*CRLS, crl(ISSUING, Revoked(TSU, AFTER, 1), this_update=LATER, extensions=(DELTA,)))


@proves("had ended")
def list_after_the_end() -> Vector:
    """Certificates that ended in 2022, and CRLs of 2025 without them: CRLs may drop revoked certificates that ended."""
    return _of_old()


@proves()
def list_after_the_end_keeps_all() -> Vector:
    """The same, and the CRLs keep certificates that ended since 2020 (expiredCertsOnCRL)."""
    return _of_old(extension("2.5.29.60", der.tlv(der.GENERALIZED_TIME, b"20200101000000Z")))


@proves("had ended")
def list_after_the_end_keeps_some() -> Vector:
    """The same, and the CRLs keep only certificates that ended since 2024."""
    return _of_old(extension("2.5.29.60", der.tlv(der.GENERALIZED_TIME, b"20240101000000Z")))


def _of_old(*extensions: bytes) -> Vector:
    lists = (crl(OLD_ROOT, extensions=extensions), crl(OLD_CA, extensions=extensions))
    return by(OLD_TSU, above=(OLD_CA,), anchors=(OLD_ROOT,), crls=lists, moment=LONG_AGO)


@unjudged()
def list_of_version_6() -> Vector:
    """A CRL of version 6, which is not defined."""
    return _lists(crl(ROOT), crl(ISSUING, version=5))


@proves("A CRL cannot be read")
def list_in_the_token_of_version_6() -> Vector:
    """The same CRL in the token, and the good CRLs given aside."""
    return Vector(Token(crls=(crl(ISSUING, version=5),)).response())


@unjudged()
def list_unreadable() -> Vector:
    """A file that is given as a CRL and is none."""
    return _lists(*CRLS, b"not a CRL\n")


@fails(12)
def issuer_revoked_before() -> Vector:
    """The CA's certificate was revoked before genTime, with cessationOfOperation."""
    return _lists(crl(ROOT, Revoked(ISSUING, BEFORE, 5)), crl(ISSUING))


@proves()
def issuer_revoked_after() -> Vector:
    """The CA's certificate was revoked after genTime, with cessationOfOperation."""
    return _lists(crl(ROOT, Revoked(ISSUING, AFTER, 5)), crl(ISSUING))


@fails(12)
def issuer_compromised_after() -> Vector:
    """The CA was revoked after genTime, with cACompromise: anybody may have issued the TSU's certificate."""
    return _lists(crl(ROOT, Revoked(ISSUING, AFTER, 2)), crl(ISSUING))


@fails(12)
def issuer_revoked_without_reason() -> Vector:
    """The CA's certificate was revoked after genTime, without a reason."""
    return _lists(crl(ROOT, Revoked(ISSUING, AFTER)), crl(ISSUING))


@proves("is no evidence")
def list_by_an_unfit_issuer() -> Vector:
    """A CA whose keyUsage does not have cRLSign, and its CRL."""
    middle = ROOT.issue("CA without CRLs", extensions=(basic_constraints(), key_usage(KEY_CERT_SIGN)))
    return by(middle.issue("TSU below"), above=(middle,), crls=(crl(ROOT), crl(middle)))
