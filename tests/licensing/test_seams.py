"""What licensing promises at its seams, held against both sides of each: what serves, and the memory of a test."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signer.software import SoftwareKey
from tests.support.faulty_ledger import START, Desk
from tests.support.memory import MemoryApplications, MemoryQuota
from tests.support.units import application
from tsa.licensing.applications import (
    ANONYMOUS,
    Applications,
    UnknownCaller,
    add,
    disable,
    ensure_anonymous,
    read,
    rekey,
)
from tsa.licensing.contract import ContractFault, issue, public_key_text
from tsa.licensing.counters import Counters
from tsa.licensing.licences import install, read_licences
from tsa.licensing.quota import Quota
from tsa.licensing.store import ApplicationStore, SqliteApplications
from tsa.state.control import Control, ControlFault

WINDOW_S = 3600
HOUR_US = WINDOW_S * 1_000_000
SUBJECT = "CN=app,O=Example"
ISSUER = Ed25519PrivateKey.generate()
PINNED = public_key_text(ISSUER.public_key())
FIELDS: dict[str, Any] = {
    "id": "c0ffee",
    "customer": "bank",
    "count": 3,
    "stamps_per_licence_hour": 10_000,
    "valid_from": "2020-01-01T00:00:00Z",
    "valid_until": "2100-01-01T00:00:00Z",
}
NOW = 1_900_000_000  # in 2030


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ApplicationStore]:
    """An application store without applications."""
    if request.param == "memory":
        yield MemoryApplications()
        return
    with closing(Control(tmp_path)) as control:
        yield SqliteApplications(control)


@pytest.fixture(params=[Counters, MemoryQuota])
def quota(request: pytest.FixtureRequest) -> Quota:
    """A quota of which nothing is used."""
    made: Quota = request.param(WINDOW_S)
    return made


def events(store: ApplicationStore) -> list[str]:
    """What was logged, in order."""
    if isinstance(store, MemoryApplications):
        return [what for what, _ in store.events]
    assert isinstance(store, SqliteApplications)
    return [event.what for event in store.control.events(since=0)]


# The application store.


def test_a_store_gives_back_what_was_registered(store: ApplicationStore) -> None:
    ensure_anonymous(store)
    ensure_anonymous(store, licences=9)  # it is there already
    number = add(store, "bank", key="a key", policy="1.2.3", networks=["10.0.0.0/8"], certificate_subject=SUBJECT)
    anonymous, bank = read(store, 20_000)
    assert (anonymous.name, anonymous.key_hash, anonymous.capacity(NOW)) == (ANONYMOUS, None, 40_000)
    assert (bank.id, bank.policy, bank.certificate_subject, bank.disabled) == (number, "1.2.3", SUBJECT, False)
    assert [str(network) for network in bank.networks] == ["10.0.0.0/8"]
    assert bank.created > 1_700_000_000
    assert Applications([anonymous, bank], anonymous=False).find("a key", None, "10.1.2.3") is bank
    assert events(store) == ["application added"] * 2


def test_a_change_that_fails_did_not_happen(store: ApplicationStore) -> None:
    add(store, "bank", key="a key", certificate_subject=SUBJECT)

    def fail() -> None:
        with store.change():
            number = store.add_application("half", None, None, (), None)
            store.set_disabled(number, disabled=True)
            store.log_event("half of a change")
            raise ControlFault("The other half.")

    with pytest.raises(ControlFault, match="The other half"):
        fail()
    for name, subject in (("bank", None), ("other", SUBJECT)):
        with pytest.raises(ControlFault):
            add(store, name, key="another", certificate_subject=subject)
    assert [each.name for each in read(store, 1)] == ["bank"]
    assert events(store) == ["application added"]
    assert add(store, "next", key="next") == store.id_of("next")


def test_a_store_keeps_what_was_changed(store: ApplicationStore) -> None:
    add(store, "bank", key="old")
    key = rekey(store, "bank")
    everyone = Applications(read(store, 1), anonymous=False)
    assert everyone.find(key, None, "192.0.2.1").name == "bank"
    with pytest.raises(UnknownCaller):
        everyone.find("old", None, "192.0.2.1")
    disable(store, "bank")
    assert [each.disabled for each in read(store, 1)] == [True]
    assert events(store)[1:] == ["application rekeyed", "application disabled"]


def test_a_store_counts_a_signed_licence_once(store: ApplicationStore) -> None:
    add(store, "bank", key="a key", licences=1)
    text = issue(SoftwareKey(ISSUER), FIELDS)
    install(store, text, PINNED, None)
    with pytest.raises(ContractFault, match="installed already"):
        install(store, text, PINNED, "bank")
    assert [(each.kind, each.id) for each in read_licences(store, 7, PINNED)] == [
        ("development", None),
        ("signed", "c0ffee"),
    ]
    assert [each.capacity(NOW) for each in read(store, 7, PINNED)] == [30_000]
    assert events(store)[1:] == ["licence installed"]


# The quota.


def test_a_quota_gives_what_was_bought_and_counts_the_rest_as_refused(quota: Quota) -> None:
    one, other = application(1, stamps=5), application(2, stamps=50)
    assert quota.debit({one: 3, other: 3}, START) == {one: 3, other: 3}
    assert quota.debit({one: 3, other: 3}, START) == {one: 2, other: 3}
    quota.refused(other.id, START)
    window = quota.window(START)
    assert (quota.used(one.id, window), quota.used(other.id, window)) == ((5, 1), (6, 1))
    assert quota.debit({one: 9}, START + HOUR_US) == {one: 5}
    assert quota.used(one.id, window) == (5, 1)
    assert quota.used(one.id, window - 1) == (0, 0)


def test_a_quota_sells_again_what_was_given_back(quota: Quota) -> None:
    one = application(1, stamps=5)
    quota.debit({one: 5}, START)
    quota.give_back({one: 2}, START + 7)
    assert [quota.debit({one: 9}, START), quota.debit({one: 9}, START)] == [{one: 2}, {one: 0}]


def test_a_quota_forgets_windows_that_are_yet_to_come(quota: Quota) -> None:
    one = application(1, stamps=5)
    for ahead in (0, 24):
        quota.debit({one: 4}, START + ahead * HOUR_US)
    quota.forget_after(START)
    assert quota.debit({one: 9}, START) == {one: 1}
    assert quota.debit({one: 9}, START + 24 * HOUR_US) == {one: 5}


async def test_an_authority_stamps_on_any_quota(quota: Quota, tmp_path: Path) -> None:
    """Its ledger cannot be written at first: what was not issued is not billed."""
    desk = Desk(tmp_path, counters=quota).open()
    desk.ledger.suspend("The disk is full.")
    await desk.issue([1, 2])
    assert desk.used() == 0
    desk.retry()
    await desk.stamp([1, 2, 3])
    assert desk.used() == 3
    small = application(7, stamps=2)
    answers = await desk.issue([1, 2, 3], small)
    assert [isinstance(answer, bytes) for answer in answers] == [True, True, False]
    assert "has used all 2 stamps of its 1 licences in this window of 3600 s" in str(answers[2])
    await desk.ledger.close()
