"""`tsa app`: what it prints where, what it refuses, and that no secret stays behind."""

import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.commands import add, database, dump, listed, row, run
from tests.support.server import set_option, tsa
from tsa.licensing.applications import key_hash
from tsa.operate.initialise import development
from tsa.state.config import ConfigFault
from tsa.state.control import ControlFault


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder as `tsa init` leaves it."""
    development(tmp_path / "state", "p256", 2)
    return tmp_path / "state"


def test_the_key_is_alone_on_standard_output_and_only_its_hash_is_kept(state: Path) -> None:
    result = run("app", "add", "bank", "--licences", "3", "--dir", state)
    [key] = result.stdout.splitlines()
    assert len(key) == 43
    assert "APP_KEY of bank, shown this once" in result.stderr
    assert key not in result.stderr
    with closing(database(state)) as connection:
        assert connection.execute("SELECT key_hash FROM application WHERE name = 'bank'").fetchone() == (key_hash(key),)
    everything = [file.read_bytes() for file in state.rglob("*") if file.is_file()]
    assert not any(key.encode() in octets for octets in everything)
    for command in (("app", "list"), ("app", "events"), ("licence", "show")):
        assert key not in run(*command, "--dir", state).output


def test_a_sale_says_how_it_fits(state: Path) -> None:
    told = run("app", "add", "bank", "--licences", "3", "--dir", state).stderr
    assert "With these there are 5 licences, 100,000 stamps/h; 5 signing workers" in told, "two are anonymous"


def test_no_more_is_sold_than_can_be_signed_unless_asked_to(state: Path) -> None:
    add(state, "first", "--oversell", licences=1_000_000)
    before = dump(state)
    with pytest.raises(ControlFault, match=r"1000003 licences, .* more than this machine can sign\. Sell fewer"):
        add(state)
    assert dump(state) == before
    add(state, licences=0)
    result = run("app", "add", "third", "--licences", "2", "--oversell", "--dir", state)
    assert "1000004 licences" in result.stderr
    assert row(state, "third")["licences"] == 2


def test_a_key_that_is_not_there_is_told(state: Path) -> None:
    (state / "keys" / "tsa.key").unlink()
    done = tsa("app", "add", "bank", "--licences", "1", "--dir", state)
    assert (done.returncode, done.stdout) == (1, "")
    assert "tsa: There is no key file" in done.stderr
    assert "Traceback" not in done.stderr


def test_list_has_every_column(state: Path) -> None:
    subject = "CN=app,O=Example"
    more = ("--policy", "1.2.3", "--network", "10.0.0.0/8", "--network", "2001:db8::/32")
    add(state, "bank", *more, "--certificate-subject", subject, licences=3)
    now = time.time()
    found = row(state, "bank")
    created = time.mktime(time.strptime(found.pop("created"), "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    assert 0 <= now - created < 100
    assert found == {
        "name": "bank",
        "licences": 3,
        "stamps_per_hour": 60_000,
        "used_this_window": None,
        "policy": "1.2.3",
        "networks": ["10.0.0.0/8", "2001:db8::/32"],
        "certificate_subject": subject,
        "state": "active",
    }
    table = run("app", "list", "--dir", state).stdout
    for cell in ("stamps per hour", "60,000", "1.2.3", "10.0.0.0/8, 2001:db8::/32", subject, "anonymous"):
        assert cell in table


def test_list_says_what_bookkeeping_counted_in_this_window(state: Path) -> None:
    set_option(state, "licence", "window_s", 3600)
    with closing(database(state)) as connection:
        this = int(time.time()) // 3600 * 3600
        for start, stamps in ((this - 3600, 11), (this, 22), (this + 3600, 22)):  # the hour may end under the test
            connection.execute("INSERT INTO usage VALUES (?, 1, 40000, ?, 0)", (start, stamps))
    assert row(state, "anonymous")["used_this_window"] == 22


def test_a_name_is_text_and_no_markup(state: Path) -> None:
    add(state, "[bold]bank[/bold]", licences=0)
    assert "[bold]bank[/bold]" in run("app", "list", "--dir", state).stdout


def test_an_application_is_disabled_enabled_and_rekeyed(state: Path) -> None:
    key = add(state)
    states = []
    for command in ("disable", "enable"):
        result = run("app", command, "bank", "--dir", state)
        assert (result.exit_code, result.stdout) == (0, "")
        states.append(row(state, "bank")["state"])
    assert states == ["disabled", "active"]
    [new] = run("app", "rekey", "bank", "--dir", state).stdout.splitlines()
    assert (len(new), new == key) == (43, False)
    with closing(database(state)) as connection:
        assert connection.execute("SELECT key_hash FROM application WHERE name = 'bank'").fetchone() == (key_hash(new),)


def test_the_anonymous_application_is_shown_as_tsa_toml_has_it(state: Path) -> None:
    assert row(state, "anonymous")["state"] == "active"
    set_option(state, "anonymous", "enabled", value=False)
    assert row(state, "anonymous")["state"] == "switched off in tsa.toml"


@pytest.mark.parametrize("command", ["disable", "enable", "rekey"])
def test_an_application_that_there_is_not_is_named(state: Path, command: str) -> None:
    with pytest.raises(ControlFault, match="There is no application 'nobody'"):
        run("app", command, "nobody", "--dir", state)


@pytest.mark.parametrize("command", [("app", "list"), ("app", "disable", "x"), ("app", "events"), ("licence", "show")])
def test_a_folder_that_is_no_state_folder_stays_as_it_is(tmp_path: Path, command: tuple[str, ...]) -> None:
    with pytest.raises(ConfigFault, match=r"tsa\.toml does not exist"):
        run(*command, "--dir", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", ["-1", "many", "1000001"])
def test_a_number_of_licences_that_makes_no_sense_is_refused(state: Path, count: str) -> None:
    result = run("app", "add", "bank", "--licences", count, "--dir", state)
    assert result.exit_code == 2
    assert "--licences" in result.stderr


def test_the_journal_has_every_change_who_made_it_and_when(state: Path) -> None:
    add(state)
    for command in ("disable", "enable", "rekey"):
        run("app", command, "bank", "--dir", state)
    events = listed(state, "app", "events")
    assert [(event["what"], event["detail"].get("application")) for event in events] == [
        ("application added", "anonymous"),
        ("development key and certificate made", None),
        ("application added", "bank"),
        ("application disabled", "bank"),
        ("application enabled", "bank"),
        ("application rekeyed", "bank"),
    ]
    assert all(event["who"] for event in events)
    assert "application rekeyed" in run("app", "events", "--dir", state).stdout


def test_the_journal_is_read_from_a_moment_on(state: Path) -> None:
    with closing(database(state)) as connection:
        connection.execute("UPDATE event SET at = 1900000000")  # 2030-03-17T17:46:40Z
    for since, count in (("2030-03-17", 2), ("2030-03-17T17:46:40", 2), ("2030-03-17T17:46:41", 0), ("2031-01-01", 0)):
        assert len(listed(state, "app", "events", "--since", since)) == count, since
    result = run("app", "events", "--since", "2031-01-01", "--dir", state)
    assert (result.stdout, result.stderr) == ("", "There are none.\n")
