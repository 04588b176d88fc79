"""Applications: what control.db takes in, and whom a request turns out to come from."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.support.applications import Parts
from tsa.licensing.applications import (
    ANONYMOUS,
    Application,
    Applications,
    MissingCredentials,
    UnknownCaller,
    add,
    disable,
    enable,
    key_hash,
    new_key,
    read,
    rekey,
)
from tsa.licensing.contract import Licence
from tsa.licensing.store import SqliteApplications
from tsa.state import layout
from tsa.state.control import Control, ControlFault

SUBJECT = "CN=app,O=Example"
NOW = 1_900_000_000


def application(number: int, name: str) -> Application:
    """One that nothing restricts."""
    return Application(number, name, None, None, (), None, disabled=False, licences=())


NOBODY = application(1, ANONYMOUS)
BANK = replace(application(2, "bank"), key_hash=key_hash("bank key"), certificate_subject=SUBJECT)
GONE = replace(application(3, "gone"), key_hash=key_hash("gone key"), certificate_subject="CN=gone", disabled=True)
NEAR = replace(
    application(4, "near"),
    key_hash=key_hash("near key"),
    networks=(ip_network("10.1.0.0/16"), ip_network("2001:db8::/32")),
)
EVERYONE = (NOBODY, BANK, GONE, NEAR)


def find(
    key: str | None = None, subject: str | None = None, address: str = "192.0.2.1", *, anonymous: bool = True
) -> Application:
    """Whom the request comes from."""
    return Applications(EVERYONE, anonymous=anonymous).find(key, subject, address)


def test_a_key_names_its_application() -> None:
    assert find("bank key") is BANK
    assert find("bank key", anonymous=False) is BANK


def test_a_client_certificate_names_its_application() -> None:
    assert find(subject=SUBJECT) is BANK
    assert find(subject=SUBJECT, anonymous=False) is BANK


def test_a_key_goes_before_a_certificate() -> None:
    assert find("near key", SUBJECT, "10.1.2.3") is NEAR
    with pytest.raises(UnknownCaller):
        find("wrong key", SUBJECT)


def test_whoever_shows_nothing_is_anonymous_where_that_is_allowed() -> None:
    assert find() is NOBODY
    assert find(subject="CN=stranger") is NOBODY
    for subject in (None, "CN=stranger"):
        with pytest.raises(MissingCredentials, match="send an APP_KEY"):
            find(subject=subject, anonymous=False)


def test_the_anonymous_application_can_be_disabled_too() -> None:
    nobody = replace(NOBODY, disabled=True)
    with pytest.raises(UnknownCaller):
        Applications([nobody], anonymous=True).find(None, None, "192.0.2.1")


def test_no_empty_key_opens_the_applications_without_one() -> None:
    with pytest.raises(UnknownCaller):
        find("")


def test_unknown_disabled_and_calling_from_elsewhere_look_alike() -> None:
    told = set()
    for key, subject in (("wrong key", None), ("gone key", None), (None, "CN=gone"), ("near key", None)):
        with pytest.raises(UnknownCaller) as caught:
            find(key, subject)
        told.add((type(caught.value), str(caught.value)))
    assert len(told) == 1


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.0.0", True),
        ("10.1.255.255", True),
        ("10.2.0.0", False),
        ("10.0.255.255", False),
        ("::ffff:10.1.2.3", True),  # as a socket on [::] shows it
        ("::ffff:10.2.2.3", False),
        ("2001:db8::1", True),
        ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", True),
        ("2001:db9::1", False),
        ("10.1.2.3.4", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_networks_say_where_an_application_calls_from(address: str, allowed: bool) -> None:
    assert NEAR.allows(address) is allowed
    assert BANK.allows(address)


def test_capacity_is_that_of_the_licences_valid_at_the_moment() -> None:
    licences = (Licence(1, 100, 0, None), Licence(2, 10, 50, 60), Licence(5, 1, 55, None))
    one = Application(9, "app", None, None, (), None, disabled=False, licences=licences)
    assert [one.capacity(second) for second in (0, 49, 50, 55, 59, 60)] == [100, 100, 120, 125, 125, 105]
    assert [one.licence_count(second) for second in (0, 50, 55, 60)] == [1, 3, 8, 6]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteApplications]:
    """An empty control.db."""
    with closing(Control(tmp_path)) as control:
        yield SqliteApplications(control)


def events(store: SqliteApplications) -> list[tuple[str, dict[str, Any]]]:
    """What the journal has, and its details."""
    return [(event.what, event.detail) for event in store.control.events(since=0)]


def test_what_is_added_is_read_again(store: SqliteApplications) -> None:
    key = new_key()
    number = add(
        store,
        "bank",
        key=key,
        licences=3,
        policy="1.2.3",
        networks=["10.0.0.0/8", "2001:DB8::/32"],
        certificate_subject=SUBJECT,
    )
    [found] = read(store, 20_000)
    assert (found.id, found.name, found.key_hash, found.disabled) == (number, "bank", key_hash(key), False)
    assert (found.policy, found.certificate_subject) == ("1.2.3", SUBJECT)
    assert found.networks == (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    assert (found.licence_count(NOW), found.capacity(NOW)) == (3, 60_000)
    [(what, detail)] = events(store)
    assert (what, detail["application"], detail["development_licences"]) == ("application added", "bank", 3)


@pytest.mark.parametrize(
    ("name", "parts", "sentence"),
    [
        ("", {}, "cannot be the name"),
        ("a" * 65, {}, "cannot be the name"),
        ("new\nline", {}, "cannot be the name"),
        (ANONYMOUS, {}, "callers without a key"),
        ("taken", {}, "'taken' already"),
        ("x", {"policy": "no oid"}, "'no oid' is not an object identifier"),
        ("x", {"networks": ["10.0.0.1/8"]}, "has host bits set"),
        ("x", {"networks": ["everywhere"]}, "'everywhere' does not appear to be an IPv4 or IPv6 network"),
        ("x", {"certificate_subject": "no name"}, "is no name: write it as CN=app"),
        ("x", {"certificate_subject": "CN=app, O=Example"}, "without spaces"),
        ("x", {"certificate_subject": ""}, "is empty"),
        ("x", {"certificate_subject": "CN=a\\0Ab"}, "cannot be printed"),
        ("x", {"certificate_subject": SUBJECT}, "Another application has the certificate subject"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    store: SqliteApplications, name: str, parts: Parts, sentence: str
) -> None:
    add(store, "taken", key=new_key(), certificate_subject=SUBJECT)
    before = list(store.control.connection.iterdump())
    with pytest.raises(ControlFault, match=sentence):
        add(store, name, key=new_key(), licences=2, **parts)
    assert list(store.control.connection.iterdump()) == before


def test_an_application_never_comes_without_its_licences(store: SqliteApplications) -> None:
    """A fault between the two, made by a trigger, leaves neither."""
    store.control.connection.execute(
        "CREATE TRIGGER fault BEFORE INSERT ON licence BEGIN SELECT raise(ABORT, 'disk trouble'); END"
    )
    with pytest.raises(ControlFault, match="disk trouble"):
        add(store, "bank", key=new_key(), licences=2)
    assert read(store, 1) == []
    assert events(store) == []
    add(store, "bank", key=new_key())
    assert [each.name for each in read(store, 1)] == ["bank"]


def test_an_application_is_disabled_and_enabled_again(store: SqliteApplications) -> None:
    add(store, "bank", key=new_key())
    seen = []
    for change in (disable, disable, enable):
        change(store, "bank")
        seen += [each.disabled for each in read(store, 1)]
    assert seen == [True, True, False]
    assert [what for what, _ in events(store)[1:]] == ["application disabled"] * 2 + ["application enabled"]


def test_a_new_key_takes_the_place_of_the_old_one(store: SqliteApplications) -> None:
    old = new_key()
    add(store, "bank", key=old)
    new = rekey(store, "bank")
    everyone = Applications(read(store, 1), anonymous=False)
    assert everyone.find(new, None, "192.0.2.1").name == "bank"
    with pytest.raises(UnknownCaller):
        everyone.find(old, None, "192.0.2.1")


def test_whom_there_is_not_cannot_be_changed(store: SqliteApplications) -> None:
    for change in (disable, enable, rekey):
        with pytest.raises(ControlFault, match="There is no application 'nobody'"):
            change(store, "nobody")
    add(store, ANONYMOUS, key=None)
    with pytest.raises(ControlFault, match="no application 'anonymous' with a key"):
        rekey(store, ANONYMOUS)
    assert len(events(store)) == 1


def test_the_number_of_an_application_is_never_used_again(store: SqliteApplications) -> None:
    """The ledger says by number whom a token was for."""
    first = add(store, "first", key=new_key())
    store.control.connection.execute("DELETE FROM application")
    assert add(store, "second", key=new_key()) > first


def test_only_as_many_applications_are_registered_as_have_counters(store: SqliteApplications) -> None:
    with store.change() as connection:
        connection.execute("INSERT INTO application (id, name, created) VALUES (65535, 'last', 0)")
    with pytest.raises(ControlFault, match="At most 65535 applications"):
        add(store, "one too many", key=new_key())
    assert [each.name for each in read(store, 1)] == ["last"]


def test_keys_are_long_and_never_alike() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) == 43 for key in keys)


def test_no_key_is_in_any_file(store: SqliteApplications, tmp_path: Path) -> None:
    keys = [new_key()]
    add(store, "bank", key=keys[0])
    keys.append(rekey(store, "bank"))
    files = [file.read_bytes() for file in tmp_path.iterdir()]
    assert files
    for key in keys:
        assert not any(key.encode() in octets for octets in files)
    with closing(sqlite3.connect(layout.control(tmp_path))) as connection:
        assert connection.execute("SELECT key_hash FROM application").fetchall() == [(key_hash(keys[1]),)]
