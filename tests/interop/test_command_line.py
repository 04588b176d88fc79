"""`tsa stamp` and `tsa inspect` as a person uses them, on good days and bad."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import der
from tests.support.query import NULL, Query, digest, imprint
from tests.support.server import free_port, tsa
from tests.support.stamping import Authority
from tests.support.token import read_token


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A file to stamp."""
    path = tmp_path / "a report.txt"
    path.write_bytes(b"A report of some length.\n" * 50)
    return path


def reply_of(document: Path) -> Path:
    """Where `tsa stamp` puts the reply."""
    return document.with_name(document.name + ".tsr")


def imprints_of(document: Path, name: str) -> list[bytes]:
    """The MessageImprints that a client may send for it: parameters absent or NULL (RFC 5754 2)."""
    hashed = digest(name, document.read_bytes())
    return [imprint(name, hashed), imprint(name, hashed, NULL)]


@pytest.mark.parametrize("name", ["sha256", "sha384", "sha512", "sha3-256"])
def test_stamp(authority: Authority, document: Path, name: str) -> None:
    done = tsa("stamp", document, "--url", authority.server.url, "--hash", name)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert document.name in done.stdout
    _, token = der.read(reply_of(document).read_bytes()).of(der.SEQUENCE)
    found = read_token(token.raw, authority.certificate)
    assert found.info.imprint in imprints_of(document, name)
    assert found.certificates == authority.chain
    command: list[str | Path] = ["openssl", "ts", "-verify", "-data", document, "-in", reply_of(document)]
    judged = subprocess.run([*command, "-CAfile", authority.server.ca_pem], capture_output=True, text=True, check=False)
    assert "Verification: OK" in judged.stdout, judged.stderr


def test_stamp_many(authority: Authority, tmp_path: Path) -> None:
    documents = [tmp_path / f"{number}.bin" for number in range(20)]
    for number, each in enumerate(documents):
        each.write_bytes(bytes([number]) * 1000)
    done = tsa("stamp", *documents, "--url", authority.server.url)
    assert done.returncode == 0, done.stderr
    replies = [der.read(reply_of(each).read_bytes()).children() for each in documents]
    infos = [read_token(token.raw, authority.certificate).info for _, token in replies]
    for info, each in zip(infos, documents, strict=True):
        assert info.imprint in imprints_of(each, "sha256")
    assert len({info.serial for info in infos}) == len(documents)


def test_stamp_an_empty_file(authority: Authority, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    assert tsa("stamp", empty, "--url", authority.server.url).returncode == 0
    assert reply_of(empty).exists()


def assert_one_sentence(done: "subprocess.CompletedProcess[str]", *words: str) -> None:
    """The command failed, and says why in one sentence on stderr that holds *words*."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr + done.stdout
    text = " ".join(done.stderr.split())
    assert text, "nothing on stderr"
    assert len(text) < 400, text
    for word in words:
        assert word in text


def test_stamp_without_a_server(document: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    assert_one_sentence(tsa("stamp", document, "--url", url), url)
    assert not reply_of(document).exists()


def test_stamp_where_there_is_no_such_address(document: Path) -> None:
    assert_one_sentence(tsa("stamp", document, "--url", "not a url"))


def test_stamp_a_missing_file(authority: Authority, tmp_path: Path) -> None:
    assert_one_sentence(tsa("stamp", tmp_path / "missing.txt", "--url", authority.server.url), "missing.txt")


def test_stamp_a_missing_file_among_others(authority: Authority, document: Path, tmp_path: Path) -> None:
    """What can be stamped is; the exit code tells that not all was."""
    done = tsa("stamp", tmp_path / "missing.txt", document, "--url", authority.server.url)
    assert_one_sentence(done, "missing.txt")
    assert reply_of(document).exists()


def test_stamp_by_something_else_than_a_tsa(authority: Authority, document: Path) -> None:
    """A URL that answers, but not with time-stamps."""
    assert_one_sentence(tsa("stamp", document, "--url", authority.server.url + "healthz"))
    assert not reply_of(document).exists()


def test_stamp_as_an_unknown_application(authority: Authority, document: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("SOMEKEY\n")
    done = tsa("stamp", document, "--url", authority.server.url, "--key-file", key)
    assert_one_sentence(done)
    assert "SOMEKEY" not in done.stderr + done.stdout
    assert not reply_of(document).exists()


def test_stamp_with_an_unknown_hash(authority: Authority, document: Path) -> None:
    done = tsa("stamp", document, "--url", authority.server.url, "--hash", "sha1")
    assert done.returncode != 0
    assert "sha256" in done.stderr, "says what can be chosen"


@pytest.fixture
def exchange(authority: Authority, tmp_path: Path) -> tuple[Query, Path, Path]:
    """A request and its reply, in files."""
    query = Query(imprint=imprint("sha384"), nonce=b"\x12\x34\x56\x78", policy="2.999.3161.2")
    asked, replied = tmp_path / "one.tsq", tmp_path / "one.tsr"
    asked.write_bytes(query.encode())
    with authority.connect() as connection:
        replied.write_bytes(connection.post(query.encode()).body)
    return query, asked, replied


@pytest.mark.parametrize("which", ["tsq", "tsr", "token"])
def test_inspect(exchange: tuple[Query, Path, Path], which: str, tmp_path: Path) -> None:
    query, asked, replied = exchange
    file = {"tsq": asked, "tsr": replied, "token": tmp_path / "token.der"}[which]
    if which == "token":
        file.write_bytes(der.read(replied.read_bytes()).children()[1].raw)
    text, as_json = tsa("inspect", file), tsa("inspect", file, "--json")
    assert (text.returncode, as_json.returncode) == (0, 0), text.stderr + as_json.stderr
    assert isinstance(json.loads(as_json.stdout), dict)
    hashed = der.read(query.imprint).children()[1].contents.hex()
    for printed in (text.stdout, as_json.stdout):
        flat = "".join(printed.split()).lower().replace(":", "")
        assert hashed in flat, printed
        assert "2.999.3161.2" in flat
        assert "12345678" in flat or str(0x12345678) in flat
        assert "sha384" in flat.replace("-", "")


def test_inspect_shows_what_a_token_holds(authority: Authority, exchange: tuple[Query, Path, Path]) -> None:
    _, _, replied = exchange
    info = read_token(der.read(replied.read_bytes()).children()[1].raw, authority.certificate).info
    printed = tsa("inspect", replied, "--json").stdout
    assert f"{info.serial:x}" in printed.lower().replace(":", "") or str(info.serial) in printed
    assert info.moment.strftime("%Y-%m-%d") in printed or info.gen_time in printed


def test_inspect_a_refusal(authority: Authority, tmp_path: Path) -> None:
    replied = tmp_path / "refused.tsr"
    with authority.connect() as connection:
        replied.write_bytes(connection.post(Query(imprint=imprint("sha1")).encode()).body)
    for done in (tsa("inspect", replied), tsa("inspect", replied, "--json")):
        assert done.returncode == 0, done.stderr
        assert "badAlg" in done.stdout


@pytest.mark.parametrize("content", [b"", b"not DER", bytes(100), b"\x30\x80\x00\x00", b"\x30\x03\x02\x01\x00"])
def test_inspect_something_else(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "odd.tsr"
    file.write_bytes(content)
    assert_one_sentence(tsa("inspect", file), "odd.tsr")


def test_inspect_a_missing_file(tmp_path: Path) -> None:
    assert_one_sentence(tsa("inspect", tmp_path / "missing.tsr"), "missing.tsr")
