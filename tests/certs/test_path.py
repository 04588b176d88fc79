"""Paths end at an anchor that may issue, and looking for one ends soon, whatever certificates a token brings along."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.validate import _PathValidationState

from certs import candidate as candidate_module
from certs import path
from certs.candidate import Candidate, candidate
from certs.path import NoPath, find_path
from tests.vectors.keys import ec_key
from tests.vectors.parties import (
    CA_EXTENSIONS,
    CRL_SIGN,
    ISSUING,
    KEY_CERT_SIGN,
    ROOT,
    STRANGER,
    TSU,
    Party,
    basic_constraints,
    extension,
    key_usage,
    name,
    self_signed,
    under_a_root_of,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def known(*parties: Party) -> list[Candidate]:
    found = [candidate(each.certificate) for each in parties]
    assert None not in found
    return [each for each in found if each is not None]


def found(signer: Party, above: list[Party], anchors: list[Party], moment: datetime = NOW) -> list[str]:
    [one] = known(signer)
    return [each.name.partition(",")[0] for each in find_path(one, known(*above), known(*anchors), moment)]


def test_a_path_has_the_signer_first_and_the_anchor_last() -> None:
    assert found(TSU, [STRANGER, ISSUING], [STRANGER, ROOT]) == ["CN=TSU", "CN=Issuing CA", "CN=Root"]
    assert found(TSU, [], [ISSUING]) == ["CN=TSU", "CN=Issuing CA"], "an anchor need not be a root"


def test_it_works_inside_a_running_event_loop() -> None:
    async def inside() -> list[str]:
        return found(TSU, [ISSUING], [ROOT])

    assert asyncio.run(inside())[-1] == "CN=Root"


def test_a_coroutine_that_waits_is_no_path() -> None:
    with pytest.raises(NoPath, match="without fetching"):
        path._run(asyncio.sleep(0))


def test_the_signer_itself_may_be_the_anchor() -> None:
    alone = self_signed("Alone")
    assert found(alone, [], [alone]) == ["CN=Alone"]
    renewed = self_signed("Alone", valid=("20240101000000Z", "20370101000000Z"))
    assert found(renewed, [], [alone, renewed]) == ["CN=Alone"], "of two with a name and a key, its own"
    with pytest.raises(NoPath, match="the name and the key of an anchor, but is another"):
        found(renewed, [], [alone])


def test_a_path_goes_on_up_to_a_root_if_it_can() -> None:
    whole = ["CN=TSU", "CN=Issuing CA", "CN=Root"]
    for anchors in ([ROOT, ISSUING], [TSU, ISSUING, ROOT]):
        assert found(TSU, [ISSUING], anchors) == whole
        assert found(TSU, [], [ISSUING, ROOT]) == whole
    assert found(TSU, [ISSUING], [STRANGER, ISSUING]) == whole[:2]


def test_a_chain_has_each_certificate_once_though_it_was_forgotten() -> None:
    signer, above, anchor = known(TSU, ISSUING, ROOT)
    candidate_module._kept_candidate.cache_clear()
    assert find_path(signer, [above], [anchor], NOW) == (signer, above, anchor)


def test_an_anchor_must_be_a_ca_with_room_below_it() -> None:
    unfit = self_signed("Unfit", extensions=(basic_constraints(ca=False),))
    with pytest.raises(NoPath, match="no issuer matching"):
        found(unfit.issue("TSU"), [], [unfit])
    narrow = self_signed("Narrow", extensions=(basic_constraints(path_length=0), key_usage(KEY_CERT_SIGN, CRL_SIGN)))
    middle = narrow.issue("Middle", extensions=CA_EXTENSIONS)
    assert found(narrow.issue("TSU"), [], [narrow])[-1] == "CN=Narrow"
    with pytest.raises(NoPath, match="path length"):
        found(middle.issue("TSU"), [middle], [narrow])


def test_an_anchor_must_be_valid_then() -> None:
    with pytest.raises(NoPath, match="trust anchor expired 2026-01-01"):
        found(TSU, [ISSUING], [self_signed("Root", valid=("20200101000000Z", "20260101000000Z"))])


def test_certificates_that_issue_each_other_end_soon() -> None:
    key = ec_key("everybody")
    ring = Party(name("Ring"), key, 1, name("Ring"))
    everybody = [ring.issue("Ring", key=key, serial=at, extensions=CA_EXTENSIONS) for at in range(2, 62)]
    with pytest.raises(NoPath, match="too many ways"):
        found(ring.issue("TSU"), everybody, [ROOT])


def test_no_path_goes_by_extensions_that_cannot_be_read() -> None:
    twice = (*CA_EXTENSIONS, *[extension("2.999.1", b"")] * 2)
    middle, root = ROOT.issue("Twice", extensions=twice), self_signed("Twice", extensions=twice)
    for issuer, above, anchors in ((middle, [middle], [ROOT]), (root, [], [root])):
        with pytest.raises(NoPath):
            found(issuer.issue("TSU"), above, anchors)


def test_a_certificate_that_the_library_cannot_read_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    [odd] = known(STRANGER)
    whole = path._parsed
    monkeypatch.setattr(path, "_parsed", lambda one: whole(one) if one is not odd else [][0])
    assert found(TSU, [STRANGER, ISSUING], [ROOT])[-1] == "CN=Root"
    with pytest.raises(NoPath, match="list index out of range"):
        found(STRANGER, [], [ROOT])


def test_a_fault_without_words_is_named() -> None:
    assert path._first_line(KeyError()) == "KeyError"
    assert path._first_line(ValueError("one\ntwo")) == "one"


def test_a_root_may_say_how_many_cas_are_under_it() -> None:
    tsu, middle, root = under_a_root_of(1)
    whole = ["CN=TSU of few", "CN=CA of few", "CN=Root of 1"]
    assert found(tsu, [middle], [root]) == whole
    assert found(tsu, [], [middle, root]) == whole, "a bundle's path goes up to its root"


def test_a_ca_of_a_bundle_is_no_anchor_in_place_of_a_root_that_forbids_it() -> None:
    tsu, middle, root = under_a_root_of(0)
    for above, anchors in (([middle], [root]), ([], [middle, root])):
        with pytest.raises(NoPath, match="maximum path length"):
            found(tsu, above, anchors)
    assert found(tsu, [], [middle]) == ["CN=TSU of few", "CN=CA of few"], "named alone, it is trusted as it is"
    assert found(tsu, [], [middle, STRANGER]) == ["CN=TSU of few", "CN=CA of few"], "no path leads to that root"


def test_a_root_of_the_same_name_that_did_not_sign_is_no_root_of_a_bundle() -> None:
    tsu, middle, root = under_a_root_of(1)
    namesake = Party(root.subject, ec_key("Another"), 1, root.subject).issue(
        "Root of 1", key=ec_key("Another"), serial=1, extensions=(basic_constraints(), key_usage(KEY_CERT_SIGN))
    )
    assert found(tsu, [], [middle, namesake]) == ["CN=TSU of few", "CN=CA of few"]


def test_a_bundle_has_no_other_anchor_where_the_search_was_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes a token could else lead the search astray, away from the root that revoked."""
    tsu, middle, root = under_a_root_of(1)
    monkeypatch.setattr(path._Registry, "left", 2)  # enough to find the CA, not the root
    with pytest.raises(NoPath, match="too many ways"):
        found(tsu, [], [middle, root])


def test_the_library_still_forgets_the_path_length_of_attribute_authorities() -> None:
    """When this fails, `_anchor` need not repeat pathLenConstraint as max_aa_path_length any more."""
    _, _, root = under_a_root_of(1)
    anchor = path._anchor(path._parsed(known(root)[0]))
    assert isinstance(anchor, CertTrustAnchor)
    forgotten = replace(anchor.trust_qualifiers, max_aa_path_length=None)
    bare = CertTrustAnchor(anchor.certificate, forgotten)
    state, _ = _PathValidationState.init_pkix_validation_state(3, bare, None)
    assert state.max_path_length == 1
    assert state.max_aa_path_length is None
