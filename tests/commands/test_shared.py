"""What the commands share: a bar that takes nothing from a pipe, lines that stay lines, faults in a sentence."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.server import TSA
from tests.support.stamping import Authority
from tests.vectors.parties import ISSUING, ROOT
from tests.vectors.tokens import DATA, Token
from tests.vectors.vector import pem
from tsa.commands import certificate_files, visible


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> list[Path]:
    """Two files with their tokens."""
    made = [tmp_path / "first.txt", tmp_path / "second.txt"]
    for file in made:
        file.write_text(file.name)
    assert run("stamp", *made, "--url", authority.server.url).exit_code == 0
    return made


@pytest.fixture
def odd(tmp_path: Path) -> tuple[Path, Path]:
    """A file whose token is signed with a certificate of serialNumber 0, which cryptography warns of; and the root."""
    party = ISSUING.issue("Odd", serial=0)
    file, root = tmp_path / "data", tmp_path / "root.pem"
    file.write_bytes(DATA)
    file.with_name("data.tsr").write_bytes(
        Token(party=party, certificates=(party.certificate, ISSUING.certificate)).response()
    )
    root.write_bytes(pem((ROOT.certificate,)))
    return file, root


@pytest.mark.parametrize("command", ["stamp", "ledger export", "verify"])
def test_a_bar_takes_nothing_from_a_pipe(files: list[Path], authority: Authority, command: str) -> None:
    """With a terminal for standard error alone, what is printed goes where it went without one."""
    server = authority.server
    options = {
        "stamp": (*files, "--url", server.url),
        "ledger export": ("--dir", server.directory),
        "verify": (*files, "--ca", server.ca_pem),
    }
    arguments = [str(each) for each in (TSA, *command.split(), *options[command])]
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=theirs, env={"TERM": "xterm"}, check=True)
        shown = os.read(ours, 1 << 16)
    finally:
        os.close(ours)
        os.close(theirs)
    assert b"%" in shown or b"/" in shown, "there was a bar"
    word = b"token" if command == "ledger export" else b"first.txt"
    assert word in done.stdout
    assert word not in shown


def test_a_name_stays_in_its_line_and_commands_no_terminal(tmp_path: Path, authority: Authority) -> None:
    """Nobody can print a verdict on another file by the name of theirs."""
    file = tmp_path / "a\nother.pdf: proved\x1b[1m"
    file.write_text("text")
    said = [run("stamp", file, "--url", authority.server.url).stdout for _ in range(2)]
    assert "is kept as" in said[1]
    said += [run("verify", *many, "--ca", authority.server.ca_pem).stdout for many in ([file], [file] * 2)]
    for text in said:
        assert r"a\x0aother.pdf: proved\x1b[1m" in text
        assert "\x1b" not in text
        assert not any(line.startswith("other.pdf") for line in text.splitlines())


def test_visible_is_a_line() -> None:
    assert visible("é中\x1b\u202e\ud800\n") == r"é中\x1b\x202e\xd800\x0a"


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_odd_certificates_are_no_business_of_the_terminal(odd: tuple[Path, Path], command: str) -> None:
    """What a library thinks of them is not printed."""
    file, root = odd
    arguments = (file, "--ca", root) if command == "verify" else (file.with_name("data.tsr"),)
    done = subprocess.run([TSA, command, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("option", ["--ca", "--cert", "--crl"])
def test_renewal_says_what_cannot_be_read(files: list[Path], authority: Authority, option: str) -> None:
    """In a sentence, and nothing is renewed."""
    assert run("evidence", "create", *files, "--url", authority.server.url).exit_code == 0
    records = [file.with_name(f"{file.name}.er") for file in files]
    before = [record.read_bytes() for record in records]
    arguments: list[str | Path] = ["renew", *records, "--url", authority.server.url, option, files[0]]
    done = subprocess.run([TSA, "evidence", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"tsa: {files[0]}: What was given is not ")
    assert done.stderr.count("\n") == 1
    assert [record.read_bytes() for record in records] == before


def test_a_large_file_is_no_root(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read to its end."""
    monkeypatch.setattr(certificate_files, "MAX_OCTETS", 4)
    result = run("verify", files[0], "--ca", files[1])
    assert result.exit_code == 2
    assert f"{files[1]} has more than 4 octets: is it the right one?" in result.stderr
