"""Licence files, and which licences in control.db count."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signer.software import SoftwareKey
from tsa.licensing.applications import add, new_key, read
from tsa.licensing.contract import MAX_OCTETS, Contract, ContractFault, Licence, issue, issuer_key, public_key_text
from tsa.licensing.contract import read as read_file
from tsa.licensing.licences import install, read_licences
from tsa.licensing.store import SqliteApplications
from tsa.state.control import Control

ISSUER = Ed25519PrivateKey.generate()
PINNED = public_key_text(ISSUER.public_key())
OTHER = Ed25519PrivateKey.generate()
FIELDS: dict[str, Any] = {
    "id": "c0ffee",
    "customer": "Bank of Ürümqi",
    "count": 3,
    "stamps_per_licence_hour": 10_000,
    "valid_from": "2020-01-01T00:00:00Z",
    "valid_until": "2100-01-01T00:00:00Z",
}
AS_ISSUED = Contract.model_validate(FIELDS)
NOW = 1_900_000_000  # in 2030


def issued(**fields: str | int) -> str:
    """A licence file."""
    return issue(SoftwareKey(ISSUER), {**FIELDS, **fields})


def signed(licence: object, **more: object) -> str:
    """A file with the issuer's signature over any JSON whatever."""
    octets = json.dumps(licence, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return json.dumps({"licence": licence, "signature": base64.b64encode(ISSUER.sign(octets)).decode(), **more})


def test_a_file_says_what_was_issued() -> None:
    contract = read_file(issued(), ISSUER.public_key())
    assert contract == AS_ISSUED
    assert contract.licence == Licence(3, 10_000, 1_577_836_800, 4_102_444_800)


def test_the_signature_is_over_the_canonical_json() -> None:
    """Made here without our code, as another issuer's program would."""
    assert read_file(signed(FIELDS), ISSUER.public_key()) == AS_ISSUED
    assert json.loads(signed(FIELDS)) == json.loads(issued())


def test_the_layout_of_a_file_does_not_matter() -> None:
    for text in (json.dumps(json.loads(issued())), json.dumps(json.loads(issued()), indent=8, sort_keys=True)):
        assert read_file(text.encode(), ISSUER.public_key()) == AS_ISSUED


@pytest.mark.parametrize("key", FIELDS)
def test_whatever_is_altered_is_seen(key: str) -> None:
    file = json.loads(issued())
    changed = {"valid_from": "2019-01-01T00:00:00Z", "valid_until": "2199-01-01T00:00:00Z"}
    file["licence"][key] = changed.get(key, FIELDS[key] * 2)
    with pytest.raises(ContractFault, match="does not verify with the pinned key"):
        read_file(json.dumps(file), ISSUER.public_key())


def test_a_file_that_another_signed_is_refused() -> None:
    with pytest.raises(ContractFault, match="another issuer signed it"):
        read_file(issue(SoftwareKey(OTHER), FIELDS), ISSUER.public_key())


def test_a_file_is_read_before_it_is_valid_and_after() -> None:
    coming = read_file(issued(valid_from="2099-01-01T00:00:00Z"), ISSUER.public_key())
    gone = read_file(issued(valid_until="2021-01-01T00:00:00Z"), ISSUER.public_key())
    assert (coming.licence.state(NOW), gone.licence.state(NOW)) == ("not yet valid", "expired")
    assert read_file(issued(), ISSUER.public_key()).licence.state(NOW) == "valid"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"count": 0}, "'licence.count': Input should be greater than or equal to 1"),
        ({"count": -1}, "'licence.count'"),
        ({"count": 1_000_001}, "'licence.count'"),
        ({"count": True}, "'licence.count': Input should be a valid integer"),
        ({"count": 2.0}, "'licence.count': Input should be a valid integer"),
        ({"count": "3"}, "'licence.count': Input should be a valid integer"),
        ({"count": 10**400}, "'licence.count'"),
        ({"stamps_per_licence_hour": 0}, "'licence.stamps_per_licence_hour'"),
        ({"customer": ""}, "'licence.customer'"),
        ({"customer": "a" * 65}, "'licence.customer'"),
        ({"customer": "\x1b[31mred"}, "'licence.customer': every character must be printable"),
        ({"customer": None}, "'licence.customer'"),
        ({"id": "a b"}, "'licence.id'"),
        ({"valid_from": 1_577_836_800}, "'licence.valid_from'"),
        ({"valid_from": "2020-01-01"}, "'licence.valid_from'"),
        ({"valid_from": "2020-01-01T00:00:00+09:00"}, "'licence.valid_from'"),
        ({"valid_from": "2020-02-30T00:00:00Z"}, "'licence.valid_from': day is out of range"),
        ({"valid_from": "٢٠٢٠-01-01T00:00:00Z"}, "'licence.valid_from'"),
        ({"surprise": 1}, "'licence.surprise': unknown key"),
    ],
)
def test_a_field_that_makes_no_sense_is_named_even_when_signed(fields: dict[str, str | int], sentence: str) -> None:
    with pytest.raises(ContractFault, match=sentence):
        read_file(signed({**FIELDS, **fields}), ISSUER.public_key())
    with pytest.raises(ContractFault, match=sentence.replace("licence.", "", 1)):
        issued(**fields)


@pytest.mark.parametrize("key", FIELDS)
def test_a_field_that_is_missing_is_named(key: str) -> None:
    licence = {name: value for name, value in FIELDS.items() if name != key}
    with pytest.raises(ContractFault, match=f"'licence.{key}': the key is missing"):
        read_file(signed(licence), ISSUER.public_key())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "Invalid JSON"),
        (b"not JSON", "Invalid JSON"),
        (b"\xff\xfe{}", "Invalid JSON"),
        (b"[" * 10_000, "Invalid JSON"),
        (b"[]", "This is no licence"),
        (b"{}", "'licence': the key is missing"),
        (signed(FIELDS, extra=1), "'extra': unknown key"),
        (signed(FIELDS, signature=None), "'signature': Input should be a valid string"),
        (signed(FIELDS, signature="???"), "'signature'"),
        (signed(FIELDS, signature="AAAA"), "'signature': 64 octets in base64"),
        (b" " * (MAX_OCTETS + 1), "at most 16384 octets"),
    ],
)
def test_what_is_no_licence_file_is_told_in_a_sentence(text: str | bytes, sentence: str) -> None:
    with pytest.raises(ContractFault, match=sentence):
        read_file(text, ISSUER.public_key())


def test_a_signature_has_one_spelling() -> None:
    """The last character of 64 octets in base64 has four bits that nobody reads."""
    file = json.loads(issued())
    assert file["signature"].endswith("==")
    last = file["signature"][-3]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    file["signature"] = file["signature"][:-3] + alphabet[alphabet.index(last) + 1] + "=="
    with pytest.raises(ContractFault, match="64 octets in base64"):
        read_file(json.dumps(file), ISSUER.public_key())


def test_a_licence_that_ends_before_it_begins_is_not_issued() -> None:
    with pytest.raises(ContractFault, match="cannot end at 2020-01-01T00:00:00Z"):
        issued(valid_until=FIELDS["valid_from"])


def test_a_pinned_key_comes_back() -> None:
    assert issuer_key(PINNED) == ISSUER.public_key()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no base64",
        base64.b64encode(b"no key").decode(),
        base64.b64encode(
            generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        ).decode(),
    ],
)
def test_what_is_no_key_is_not_pinned(text: str) -> None:
    with pytest.raises(ContractFault, match=r"issuer_key in tsa\.toml is no Ed25519 public key"):
        issuer_key(text)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteApplications]:
    """A control.db with the application `bank`, which has one development licence, and `other`, which has none."""
    with closing(Control(tmp_path)) as control:
        store = SqliteApplications(control)
        add(store, "bank", key=new_key(), licences=1)
        add(store, "other", key=new_key())
        yield store


def capacities(store: SqliteApplications, pinned: str | None = PINNED) -> dict[str, int]:
    """Stamps a window that each application has, where a licence that does not say has 7."""
    return {each.name: each.capacity(NOW) for each in read(store, 7, pinned)}


def faults(store: SqliteApplications) -> list[str | None]:
    """Why each licence does not count."""
    return [each.fault for each in read_licences(store, 7, PINNED)]


def test_an_installed_file_counts_and_is_journalled(store: SqliteApplications) -> None:
    install(store, issued(customer="bank"), PINNED, None)
    install(store, issued(id="two", count=1), PINNED, "other")
    assert capacities(store) == {"bank": 30_000, "other": 10_000}
    assert [each.kind for each in read_licences(store, 7, PINNED)] == ["development", "signed", "signed"]
    events = store.control.connection.execute("SELECT what, detail FROM event ORDER BY id DESC LIMIT 1").fetchall()
    assert [(what, json.loads(detail)["application"], json.loads(detail)["id"]) for what, detail in events] == [
        ("licence installed", "other", "two")
    ]


def test_development_licences_count_only_while_no_issuer_is_pinned(store: SqliteApplications) -> None:
    assert capacities(store, None) == {"bank": 7, "other": 0}
    assert capacities(store) == {"bank": 0, "other": 0}
    assert faults(store) == ["development licences do not where an issuer is pinned."]


@pytest.mark.parametrize(
    ("text", "pinned", "application", "sentence"),
    [
        (issued(), None, "bank", "No issuer is pinned: set issuer_key"),
        (issued(), "", "bank", "is no Ed25519 public key"),
        (issued(), public_key_text(OTHER.public_key()), "bank", "another issuer signed it"),
        (issued(), PINNED, None, "no application 'Bank of Ürümqi': add it"),
        (issued(), PINNED, "nobody", "no application 'nobody'"),
    ],
    ids=["no-issuer", "no-key", "another-issuer", "no-such-application", "nobody"],
)
def test_a_file_that_cannot_be_installed_changes_nothing(
    store: SqliteApplications, text: str, pinned: str | None, application: str | None, sentence: str
) -> None:
    before = list(store.control.connection.iterdump())
    with pytest.raises(ContractFault, match=sentence):
        install(store, text, pinned, application)
    assert list(store.control.connection.iterdump()) == before


def test_a_licence_is_installed_once_however_it_is_laid_out_and_for_whomever(store: SqliteApplications) -> None:
    install(store, issued(), PINNED, "bank")
    again = (issued(), json.dumps(json.loads(issued()), indent=9), issued(count=99))
    for text in again:
        for application in ("bank", "other"):
            with pytest.raises(ContractFault, match="Licence c0ffee is installed already"):
                install(store, text, PINNED, application)
    assert capacities(store) == {"bank": 30_000, "other": 0}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE licence SET count = 1000", "other figures"),
        ("UPDATE licence SET stamps_per_hour = 1000000", "other figures"),
        ("UPDATE licence SET valid_from = 0", "other figures"),
        ("UPDATE licence SET valid_until = NULL", "other figures"),
        ("UPDATE licence SET valid_until = valid_until + 1", "other figures"),
        ("UPDATE licence SET document = NULL", "development licences do not"),
        ("UPDATE licence SET document = replace(document, '\"count\":3', '\"count\":9')", "does not verify"),
        ("UPDATE licence SET document = 'nonsense'", "Invalid JSON"),
    ],
)
def test_a_row_that_somebody_altered_does_not_count(store: SqliteApplications, change: str, fault: str) -> None:
    store.control.connection.execute("DELETE FROM licence")
    install(store, issued(), PINNED, "bank")
    store.control.connection.execute(change)
    [told] = faults(store)
    assert told is not None
    assert fault in told
    assert capacities(store) == {"bank": 0, "other": 0}


def test_a_row_that_somebody_copied_counts_once(store: SqliteApplications) -> None:
    install(store, issued(), PINNED, "bank")
    store.control.connection.execute(
        "INSERT INTO licence (application, count, stamps_per_hour, valid_from, valid_until, document)"
        " SELECT 2, count, stamps_per_hour, valid_from, valid_until, document || ' ' FROM licence"
        " WHERE document IS NOT NULL"
    )
    assert faults(store)[1:] == [None, "its file is here twice."]
    assert capacities(store) == {"bank": 30_000, "other": 0}


def test_files_of_an_issuer_who_is_pinned_no_more_do_not_count(store: SqliteApplications) -> None:
    install(store, issued(), PINNED, "bank")
    assert capacities(store, public_key_text(OTHER.public_key())) == {"bank": 0, "other": 0}


def test_a_pin_that_is_no_key_is_a_fault_and_no_permission(store: SqliteApplications) -> None:
    for pinned in ("", "nonsense"):
        with pytest.raises(ContractFault, match="is no Ed25519 public key"):
            read(store, 7, pinned)
