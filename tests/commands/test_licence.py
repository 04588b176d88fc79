"""`tsa licence`: from the issuer's key to capacity that counts, and everything that is no capacity."""

import base64
import json
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from signer.key import KeyFault
from signer.software import generate, store
from tests.support.commands import add, database, dump, listed, row, run
from tests.support.http import Connection
from tests.support.processes import wait_until
from tests.support.query import Query
from tests.support.server import set_option, start_server, tsa
from tsa.licensing.contract import MAX_OCTETS, ContractFault
from tsa.operate.initialise import development
from tsa.stamping.tsu import PASSPHRASE_VARIABLE
from tsa.state.control import ControlFault

FOREVER = ("--valid-from", "2020-01-01", "--valid-until", "2100-01-01")
Issue = Callable[..., Path]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder as `tsa init` leaves it."""
    development(tmp_path / "state", "p256", 2)
    return tmp_path / "state"


@pytest.fixture
def issuer(tmp_path: Path) -> Path:
    """An issuer's private key; its public key is in a file beside it."""
    key = tmp_path / "issuer.pem"
    result = run("licence", "key", "--out", key)
    assert result.exit_code == 0, result.output
    (tmp_path / "issuer.pub").write_text(result.stdout.strip())
    return key


@pytest.fixture
def pinned(state: Path, issuer: Path) -> Path:
    """The state folder with the issuer pinned, and an application `bank` without licences."""
    set_option(state, "licence", "issuer_key", issuer.with_suffix(".pub").read_text())
    add(state, licences=0)
    return state


@pytest.fixture
def issue(tmp_path: Path, issuer: Path) -> Issue:
    """Issue a licence file."""

    def make(name: str = "licence", *options: str, customer: str = "bank", key: Path = issuer) -> Path:
        file = tmp_path / f"{name}.json"
        dates = () if "--valid-from" in options else FOREVER
        result = run(
            *("licence", "issue", "--key", key, "--customer", customer, "--count", "2", "--out", file), *dates, *options
        )
        assert result.exit_code == 0, result.output
        assert result.stdout == ""
        return file

    return make


def test_an_issuers_key_is_its_owners_alone_and_its_public_key_is_printed(tmp_path: Path) -> None:
    file = tmp_path / "issuer.pem"
    result = run("licence", "key", "--out", file)
    [line] = result.stdout.splitlines()
    assert len(base64.b64decode(line, validate=True)) == 44
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"-----BEGIN PRIVATE KEY-----" in file.read_bytes()
    with pytest.raises(KeyFault, match="exists already"):
        run("licence", "key", "--out", file)


def test_an_issuers_key_can_be_encrypted(tmp_path: Path, issue: Issue, monkeypatch: pytest.MonkeyPatch) -> None:
    key, passphrase = tmp_path / "secret.pem", tmp_path / "passphrase"
    passphrase.write_text("correct horse\n")
    run("licence", "key", "--out", key, "--passphrase-file", passphrase)
    assert b"ENCRYPTED" in key.read_bytes()
    with pytest.raises(KeyFault, match="is encrypted: give its passphrase"):
        issue(key=key)
    issue("one", "--passphrase-file", str(passphrase), key=key)
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    issue("two", key=key)


def test_an_issuers_key_is_named_by_its_path_even_with_a_colon(
    tmp_path: Path, issue: Issue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("licence", "key", "--out", "issuer:2026.pem")
    issue(key=Path("issuer:2026.pem"))


def test_a_licence_is_issued_installed_and_shown(pinned: Path, issue: Issue) -> None:
    file = issue("licence", "--stamps-per-hour", "10000")
    result = run("licence", "install", file, "--dir", pinned)
    assert "bank has 2 licences more, valid from 2020-01-01T00:00:00Z until 2100-01-01T00:00:00Z, now valid." in (
        result.stderr
    )
    [mine] = [each for each in listed(pinned, "licence", "show") if each["application"] == "bank"]
    assert mine == {
        "application": "bank",
        "kind": "signed",
        "id": json.loads(file.read_text())["licence"]["id"],
        "licences": 2,
        "stamps_per_hour": 20_000,
        "valid_from": "2020-01-01T00:00:00Z",
        "valid_until": "2100-01-01T00:00:00Z",
        "state": "valid",
    }
    assert (row(pinned, "bank")["licences"], row(pinned, "bank")["stamps_per_hour"]) == (2, 20_000)
    assert "signed" in run("licence", "show", "--dir", pinned).stdout


def test_a_licence_is_worth_what_the_setting_is_by_default(issue: Issue) -> None:
    assert json.loads(issue().read_text())["licence"]["stamps_per_licence_hour"] == 20_000


def test_development_licences_are_shown_to_count_or_not(state: Path, issuer: Path) -> None:
    add(state, licences=3)
    [_, before] = listed(state, "licence", "show")
    assert (before["kind"], before["licences"], before["state"]) == ("development", 3, "valid")
    assert (before["id"], before["valid_from"], before["valid_until"]) == (None, None, None)
    set_option(state, "licence", "issuer_key", issuer.with_suffix(".pub").read_text())
    [_, after] = listed(state, "licence", "show")
    assert after["state"] == "does not count: development licences do not where an issuer is pinned."
    assert row(state, "bank")["licences"] == 0


@pytest.mark.parametrize(
    ("dates", "state_now"), [(("2000-01-01", "2001-01-01"), "expired"), (("2100-01-01", "2101-01-01"), "not yet valid")]
)
def test_a_licence_of_another_time_is_installed_and_shown_for_what_it_is(
    pinned: Path, issue: Issue, dates: tuple[str, str], state_now: str
) -> None:
    file = issue("licence", "--valid-from", dates[0], "--valid-until", dates[1])
    assert f"now {state_now}." in run("licence", "install", file, "--dir", pinned).stderr
    assert listed(pinned, "licence", "show")[-1]["state"] == state_now
    assert row(pinned, "bank")["licences"] == 0


def test_a_licence_can_go_to_an_application_of_another_name(pinned: Path, issue: Issue) -> None:
    file = issue(customer="Bank Holding")
    with pytest.raises(ContractFault, match="no application 'Bank Holding': add it"):
        run("licence", "install", file, "--dir", pinned)
    run("licence", "install", file, "--dir", pinned, "--app", "bank")
    assert row(pinned, "bank")["licences"] == 2


def test_a_licence_is_installed_once(pinned: Path, issue: Issue) -> None:
    file = issue()
    run("licence", "install", file, "--dir", pinned)
    with pytest.raises(ContractFault, match="is installed already"):
        run("licence", "install", file, "--dir", pinned, "--app", "anonymous")


def test_a_licence_needs_a_pinned_issuer(state: Path, issue: Issue) -> None:
    add(state)
    with pytest.raises(ContractFault, match="No issuer is pinned"):
        run("licence", "install", issue(), "--dir", state)


def test_a_running_server_goes_by_signed_files_and_not_by_what_control_db_says(pinned: Path, issue: Issue) -> None:
    """Rows that somebody wrote count for nothing; a file that is installed counts within moments."""
    server = start_server(pinned)
    try:
        with server.connect() as connection:
            assert _status(connection) == 429, "development licences of the anonymous application"
            with closing(database(pinned)) as other:
                other.execute("INSERT INTO licence (application, count, valid_from, document) VALUES (1, 9, 0, '{}')")
            run("licence", "install", issue(), "--dir", pinned, "--app", "anonymous")
            wait_until(lambda: _status(connection) == 200, "the file counts")
            with closing(database(pinned)) as other:
                other.execute("UPDATE licence SET count = 1000")
            wait_until(lambda: _status(connection) == 429, "the altered row counts no more")
    finally:
        server.stop()


def _status(connection: Connection) -> int:
    return connection.post(Query().encode()).status


def test_licences_come_as_files_alone_where_an_issuer_is_pinned(pinned: Path) -> None:
    before = dump(pinned)
    with pytest.raises(ControlFault, match=r"Licences come as files here.*--licences 0"):
        add(pinned, "second", licences=1)
    assert dump(pinned) == before


def test_a_file_that_another_issuer_signed_is_refused_in_a_sentence(pinned: Path, issue: Issue, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    store(other, generate("ed25519"))
    file = issue(key=other)
    done = tsa("licence", "install", file, "--dir", pinned)
    assert done.returncode == 1
    assert done.stderr.startswith(f"tsa: {file}: The signature does not verify with the pinned key")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "sentence"), [("nonsense", "Invalid JSON"), ("x" * (MAX_OCTETS + 1), "at most 16384 octets")]
)
def test_what_is_no_licence_file_is_named(pinned: Path, tmp_path: Path, content: str, sentence: str) -> None:
    file = tmp_path / "file"
    file.write_text(content)
    with pytest.raises(ContractFault, match=f"{file}: .*{sentence}"):
        run("licence", "install", file, "--dir", pinned)


def test_a_licence_file_is_never_overwritten(issue: Issue) -> None:
    file = issue()
    before = file.read_bytes()
    with pytest.raises(FileExistsError):
        issue()
    assert file.read_bytes() == before


def test_licences_are_signed_with_an_ed25519_key(tmp_path: Path, issue: Issue) -> None:
    store(tmp_path / "p256.pem", generate("p256"))
    with pytest.raises(KeyFault, match=r"p256\.pem is no Ed25519 key"):
        issue(key=tmp_path / "p256.pem")


def test_a_licence_that_ends_before_it_begins_is_not_issued(issue: Issue, tmp_path: Path) -> None:
    with pytest.raises(ContractFault, match="cannot end at"):
        issue("licence", "--valid-from", "2030-01-02", "--valid-until", "2030-01-01")
    assert not (tmp_path / "licence.json").exists()
