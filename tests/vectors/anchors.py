"""Anchors: the right anchor, wrong anchors, and certificates of other kinds as anchors (RFC 5280 6.1.1)."""

from tests.vectors.parties import (
    CA_EXTENSIONS,
    CRL_SIGN,
    ISSUING,
    ROOT,
    STRANGER,
    TSU,
    TSU_EXTENSIONS,
    Party,
    basic_constraints,
    key_usage,
    name,
    name_constraints,
    self_signed,
    under_a_root_of,
)
from tests.vectors.revocation_data import Revoked, crl
from tests.vectors.vector import Vector, by, fails, proves, unjudged


def _below_a_root(common_name: str, *extensions: bytes) -> Vector:
    """A token by a TSU below a root with those extensions."""
    root = self_signed(common_name, extensions=extensions)
    return by(root.issue("TSU below"), above=(), anchors=(root,), crls=(crl(root),))


@fails(11)
def named_and_keyed_as_the_anchor() -> Vector:
    """A certificate that a stranger signed for the name and the key of the anchor, which is a TSU's certificate."""
    anchor = ISSUING.issue("TSU of many")
    return by(STRANGER.issue("TSU of many", key=anchor.key), above=(STRANGER,), anchors=(anchor,))


@fails(11)
def other_anchor() -> Vector:
    """A good token, held against a stranger's root."""
    return by(TSU, anchors=(STRANGER,))


@proves()
def anchor_among_others() -> Vector:
    """A good token, held against two roots: the second is its own."""
    return by(TSU, anchors=(STRANGER, ROOT))


@fails(11)
def anchor_of_the_same_name() -> Vector:
    """A good token, held against a root of the same name with another key."""
    unsigned = Party(ROOT.subject, STRANGER.key, 1, ROOT.subject)
    return by(TSU, anchors=(unsigned.issue("Root", key=STRANGER.key, serial=1, extensions=CA_EXTENSIONS),))


@fails(11)
def anchor_expired_at_gen_time() -> Vector:
    """The anchor's certificate ended before genTime: RFC 5280 does not look at that, but the verifier does."""
    root = self_signed("Short root", valid=("20250101000000Z", "20250301000000Z"))
    middle = root.issue("CA below", extensions=CA_EXTENSIONS)
    return by(middle.issue("TSU below"), above=(middle,), anchors=(root,))


@proves()
def anchor_is_the_issuer() -> Vector:
    """A good token, held against the CA that certified the TSU, without the root."""
    return by(TSU, anchors=(ISSUING,))


@proves("nobody answers for an anchor")
def anchor_is_the_tsu() -> Vector:
    """A good token, held against the TSU's certificate itself."""
    return by(TSU, anchors=(TSU,))


@proves("nobody answers for an anchor")
def anchor_is_a_self_signed_tsu() -> Vector:
    """A TSU that certifies itself, and is the anchor."""
    party = self_signed("Self-made TSU", extensions=TSU_EXTENSIONS)
    return by(party, above=(), anchors=(party,))


@proves()
def anchors_are_the_whole_chain() -> Vector:
    """A good token, held against a bundle of the whole chain: the root, the CA and the TSU itself."""
    return by(TSU, anchors=(TSU, ISSUING, ROOT))


@fails(12)
def anchors_are_a_compromised_chain() -> Vector:
    """The same, and the root revoked the CA with cACompromise: a CA that is also an anchor is no exception."""
    return by(TSU, anchors=(TSU, ISSUING, ROOT), crls=(crl(ROOT, Revoked(ISSUING, "20250901000000Z", 2)), crl(ISSUING)))


@proves()
def anchor_with_a_path_length() -> Vector:
    """A root whose pathLenConstraint allows one CA under it, and one is there."""
    tsu, middle, root = under_a_root_of(1)
    return by(tsu, above=(middle,), anchors=(root,), crls=(crl(root), crl(middle)))


@fails(12)
def anchors_are_a_compromised_chain_with_a_path_length() -> Vector:
    """A bundle of that root and its CA, which the root revoked with keyCompromise."""
    tsu, middle, root = under_a_root_of(1)
    revoked = Revoked(middle, "20250901000000Z", 1)
    return by(tsu, above=(middle,), anchors=(middle, root), crls=(crl(root, revoked), crl(middle)))


@fails(11)
def anchors_are_a_chain_too_long_for_its_root() -> Vector:
    """A bundle of a CA and its root, whose pathLenConstraint allows no CA: the CA is no anchor in place of the root."""
    tsu, middle, root = under_a_root_of(0)
    return by(tsu, above=(middle,), anchors=(middle, root), crls=(crl(root), crl(middle)))


@fails(11)
def anchor_without_key_cert_sign() -> Vector:
    """An anchor whose keyUsage does not have keyCertSign."""
    return _below_a_root("Root of lists", basic_constraints(), key_usage(CRL_SIGN))


@fails(11)
def anchor_may_not_name_it() -> Vector:
    """An anchor that may certify only names below another name (nameConstraints)."""
    return _below_a_root("Narrow root", *CA_EXTENSIONS, name_constraints(0xA0, name("Elsewhere")))


@unjudged()
def no_anchor() -> Vector:
    """A good token, and no anchor."""
    return by(TSU, anchors=())
