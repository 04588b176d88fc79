"""The command `tsa` as its user meets it: help, exit codes, one sentence for what is wrong, never a traceback."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

import tsa.cli
from certs.chain import read_certificates
from signer.software import KEY_TYPES, load
from tests.support import der
from tests.support.http import REPLY_TYPE
from tests.support.query import Query
from tests.support.server import TSA
from tests.support.stamping import Authority


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `tsa` with arguments, in this process."""
    monkeypatch.delenv("TSA_APP_KEY", raising=False)
    monkeypatch.delenv("TSA_KEY_PASSPHRASE", raising=False)

    def command(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["tsa", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            tsa.cli.main()
        captured = capfd.readouterr()
        return Done(int(ended.value.code or 0), captured.out, captured.err)

    return command


def fails(done: Done, *words: str, code: int = 1) -> None:
    """Nothing on stdout; on stderr one sentence, `tsa: …`, with *words* (of typer's own, a box, when *code* is 2)."""
    assert done.code == code, done
    assert done.out == ""
    text = " ".join(done.err.replace("│", " ").split())
    for word in words:
        assert word in text
    if code == 1:
        assert text.startswith("tsa: ")
        assert text.endswith((".", "?", ")"))
    assert "Traceback" not in text


def test_help(run: Run) -> None:
    """`tsa` alone tells what there is."""
    for done in (run(), run("--help")):
        for command in ("init", "serve", "stamp", "inspect"):
            assert command in done.out + done.err
        assert "RFC 3161" in done.out + done.err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "init",
            ["--dir", "--key", "--licences", "--csr", "--subject", "--import", "--ca", "--import-key", *KEY_TYPES],
        ),
        ("serve", ["--dir", "--listen", "--workers", "SIGTERM", "SIGHUP"]),
        ("stamp", ["--url", "--hash", "--key-file", "TSA_APP_KEY", "sha3-512"]),
        ("inspect", ["--json", ".tsq", ".tsr"]),
    ],
)
def test_help_of_a_command(run: Run, monkeypatch: pytest.MonkeyPatch, command: str, words: list[str]) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    done = run(command, "--help")
    assert done.code == 0
    for word in words:
        assert word in done.out


def test_the_installed_command() -> None:
    """The console script is there, and is this one."""
    done = subprocess.run([TSA, "inspect", "/none"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "tsa: /none: No such file or directory.\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["init"], ["--dir"]),
        (["init", "--dir", "x", "--key", "rsa1024"], ["rsa1024", "rsa2048"]),
        (["init", "--dir", "x", "--licences", "-1"], ["--licences"]),
        (["init", "--dir", "x", "--csr"], ["--subject"]),
        (["serve", "--dir", "x", "--workers", "-1"], ["--workers"]),
        (["stamp"], ["Missing argument"]),
        (["stamp", "x", "--hash", "md5"], ["md5", "sha256"]),
        (["inspect"], ["Missing argument"]),
        (["unknown"], ["unknown"]),
    ],
)
def test_wrong_usage(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: list[str]
) -> None:
    """Exit code 2, and what would be right; nothing is made."""
    monkeypatch.chdir(tmp_path)
    fails(run(*arguments), *words, code=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["p256", "p384", "p521", "rsa2048", "ed25519"])
def test_init(run: Run, tmp_path: Path, key: str) -> None:
    done = run("init", "--dir", tmp_path / "state", "--key", key)
    assert done.code == 0, done
    assert f"tsa serve --dir {tmp_path / 'state'}" in done.out
    assert "not for evidence" in done.out, "a development CA is called one"
    loaded = load(tmp_path / "state" / "keys" / "tsa.key", None)
    assert read_certificates(tmp_path / "state" / "certs" / "tsa.pem")[0].public_key() == loaded.public_key


def test_init_where_a_file_is_in_the_way(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fails(run("init", "--dir", tmp_path / "file"), str(tmp_path / "file"))


@pytest.fixture
def real_ca(tmp_path: Path) -> Callable[[Path], tuple[Path, Path]]:
    """A CA run with openssl: signs a request as a time-stamping certificate; the certificate's file and the root's."""

    def openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], cwd=tmp_path, capture_output=True, check=True)

    def sign(request: Path) -> tuple[Path, Path]:
        (tmp_path / "tsa.ext").write_text(
            "basicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature,nonRepudiation\n"
            "extendedKeyUsage=critical,timeStamping\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "root.pem"),
            *("-subj", "/CN=A Real CA", "-days", "30", *usage),
        )
        openssl(
            *("x509", "-req", "-in", request, "-CA", "root.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "10"),
            *("-extfile", "tsa.ext", "-out", "tsa.pem"),
        )
        return tmp_path / "tsa.pem", tmp_path / "root.pem"

    return sign


def test_a_certificate_from_a_real_ca(run: Run, tmp_path: Path, real_ca: Callable[[Path], tuple[Path, Path]]) -> None:
    """Request, signature, import, each command told by the one before; the folder is then one that can be served."""
    state = tmp_path / "state"
    asked = run("init", "--dir", state, "--csr", "--subject", "CN=TSA 1,O=Example,C=KR")
    assert asked.code == 0, asked
    request = state / "certs" / "tsa.csr"
    assert str(request) in asked.out
    assert f"tsa init --dir {state} --import CHAIN.pem --ca ROOT.pem" in asked.out
    subject = x509.load_pem_x509_csr(request.read_bytes()).subject
    assert {each.rfc4514_string() for each in subject} == {"CN=TSA 1", "O=Example", "C=KR"}
    certificate, root = real_ca(request)
    done = run("init", "--dir", state, "--import", certificate, "--ca", root)
    assert done.code == 0, done
    assert "not for evidence" not in done.out
    assert read_certificates(state / "certs" / "tsa.pem")[0].subject == subject
    assert read_certificates(state / "certs" / "ca.pem") == read_certificates(root)


@pytest.mark.parametrize("name", ["missing.pem", "empty.pem"])
def test_import_of_nothing(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.pem").touch()
    run("init", "--dir", tmp_path / "state")
    fails(run("init", "--dir", tmp_path / "state", "--import", tmp_path / name), name)


@pytest.mark.parametrize("subject", ["nonsense", "CN=", "=x", "CN=a,,"])
def test_a_subject_that_is_none(run: Run, tmp_path: Path, subject: str) -> None:
    fails(run("init", "--dir", tmp_path / "state", "--csr", "--subject", subject), "CN=")


@pytest.mark.parametrize("key", [b"\xff\xfe\x00", b"two\nlines", b"na\xc3\xafve", b"\n"])
def test_a_key_file_that_holds_no_key(run: Run, tmp_path: Path, authority: Authority, key: bytes) -> None:
    """What cannot be an APP_KEY is not sent, and not shown."""
    document, file = tmp_path / "document", tmp_path / "app.key"
    document.touch()
    file.write_bytes(key)
    done = run("stamp", document, "--url", authority.server.url, "--key-file", file)
    fails(done, "app.key")
    assert "two" not in done.err


def test_a_key_file_that_is_missing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "document").touch()
    fails(run("stamp", tmp_path / "document", "--key-file", tmp_path / "app.key"), "app.key", "No such file")


def test_the_key_may_come_from_the_environment(
    run: Run, tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown key is refused by the server, so it was sent; and it is not shown."""
    (tmp_path / "document").touch()
    monkeypatch.setenv("TSA_APP_KEY", "S3CR3T")
    done = run("stamp", tmp_path / "document", "--url", authority.server.url)
    fails(done, "403", "check the key")
    assert "S3CR3T" not in done.err


def test_stamp_a_folder(run: Run, tmp_path: Path, authority: Authority) -> None:
    fails(run("stamp", tmp_path, "--url", authority.server.url), str(tmp_path))


def test_stamp_where_nothing_may_be_written(run: Run, tmp_path: Path, authority: Authority) -> None:
    """FILE.tsr cannot be written: here because a folder has its draft's name."""
    document = tmp_path / "document"
    document.touch()
    (tmp_path / ".document.tsr.part").mkdir()
    fails(run("stamp", document, "--url", authority.server.url), "document.tsr")


def test_exit_code_of_stamp(run: Run, tmp_path: Path, authority: Authority) -> None:
    """0 only when every file was stamped."""
    document, missing = tmp_path / "document", tmp_path / "missing"
    document.write_text("text")
    done = run("stamp", document, "--url", authority.server.url)
    assert (done.code, done.err) == (0, "")
    assert f"{document}.tsr" in done.out
    again = run("stamp", document, missing, "--url", authority.server.url)
    assert again.code == 1
    assert "missing" in again.err
    assert "kept as" in again.out, "the earlier token is not overwritten"
    assert (tmp_path / "document.tsr.1").exists()


NAMES_WITH_MARKUP = ["[bold]file", "[link", "file [x]", "file:smile:"]
COLOUR = "\x1b[31mred\x1b[0m\r"


@pytest.mark.parametrize("name", NAMES_WITH_MARKUP)
def test_names_are_printed_as_they_are(run: Run, tmp_path: Path, authority: Authority, name: str) -> None:
    (tmp_path / name).write_text("text")
    done = run("stamp", tmp_path / name, "--url", authority.server.url)
    assert done.code == 0, done
    assert name in done.out
    fails(run("inspect", tmp_path / name), "neither")
    fails(run("inspect", tmp_path / f"{name}.none"), "No such file")


def test_what_others_wrote_does_not_command_the_terminal(run: Run, tmp_path: Path) -> None:
    """A statusString with control characters is shown as what it is."""
    text = der.tlv(der.UTF8_STRING, COLOUR.encode())
    status = der.sequence(der.integer(2), der.sequence(text), der.tlv(der.BIT_STRING, b"\x05\x20"))
    file = tmp_path / "reply.tsr"
    file.write_bytes(der.sequence(status))
    done = run("inspect", file)
    assert done.code == 0, done
    assert r"\x1b[31mred\x1b[0m\x0d" in done.out
    assert "\x1b" not in done.out
    fails(run("inspect", tmp_path / COLOUR), r"\x1b[31mred")


def token_file(authority: Authority, tmp_path: Path) -> Path:
    """A TimeStampResp in a file."""
    file = tmp_path / "reply.tsr"
    with authority.connect() as connection:
        answer = connection.post(Query().encode())
    assert answer.header("content-type") == REPLY_TYPE
    file.write_bytes(answer.body)
    return file


def test_inspect_what_was_damaged(run: Run, tmp_path: Path, authority: Authority) -> None:
    """Cut short anywhere, or with an octet turned: every field that can be shown, or one sentence."""
    file = token_file(authority, tmp_path)
    octets = file.read_bytes()
    assert run("inspect", file).code == 0
    cases = [octets[:at] for at in range(0, len(octets), 37)]
    cases += [octets[:at] + bytes([octets[at] ^ 0xFF]) + octets[at + 1 :] for at in range(0, len(octets), 5)]
    for case in cases:
        file.write_bytes(case)
        done = run("inspect", file, "--json")
        if done.code == 0:
            assert json.loads(done.out)["type"].startswith("TimeStamp")
        else:
            fails(done, "reply.tsr", "neither")


def test_inspect_a_folder(run: Run, tmp_path: Path) -> None:
    fails(run("inspect", tmp_path), str(tmp_path))
