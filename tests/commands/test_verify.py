"""`tsa verify` as its user meets it: verdicts, exit codes, many files at once, and one sentence for what is missing."""

import base64
import json
import os
import subprocess
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Unpack

import pytest
from cryptography import x509

from tests.support import der
from tests.support.commands import run
from tests.support.elsewhere import Elsewhere
from tests.support.query import Parts, Query
from tests.support.server import TSA
from tests.support.stamping import Authority, query_for

Stamped = Callable[..., Path]


@pytest.fixture
def stamped(authority: Authority, tmp_path: Path) -> Stamped:
    """Writes a file, and its token beside it."""

    def make(name: str = "contract.txt", data: bytes = b"the contract", **parts: Unpack[Parts]) -> Path:
        file = tmp_path / name
        file.write_bytes(data)
        query = query_for(data, **parts)
        (tmp_path / f"{name}.tsq").write_bytes(query.encode())
        with authority.connect() as connection:
            (tmp_path / f"{name}.tsr").write_bytes(connection.post(query.encode()).body)
        return file

    return make


@pytest.fixture
def ca(authority: Authority) -> tuple[str, Path]:
    """The option that names our own root."""
    return "--ca", authority.server.ca_pem


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    """Another authority."""
    return Elsewhere(tmp_path_factory.mktemp("elsewhere"))


def verdict(*arguments: str | Path) -> dict[str, Any]:
    """The only report; the exit code agrees with its verdict."""
    result = run("verify", *arguments, "--json")
    report: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == ["proved", "not proved", "could not be judged"].index(report["verdict"]), result.output
    return report


def token_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.tsr")


def test_a_proof_for_people(stamped: Stamped, ca: tuple[str, Path]) -> None:
    result = run("verify", stamped(), *ca)
    assert result.exit_code == 0, result.output
    for words in (
        "contract.txt: proved",
        "13 strength of algorithms",
        "genTime",
        "UTC, ± 1 s",
        "2.999.3161.1",
        "sha256",
    ):
        assert words in result.stdout
    assert " 9 query (not asked)" in result.stdout, "there was no query"
    assert "? 12 revocation (not judged)" in result.stdout, "nor a CRL"
    assert result.stdout.count("✓") == 11
    assert result.stderr == ""


def test_a_proof_for_programs(stamped: Stamped, ca: tuple[str, Path], authority: Authority) -> None:
    file = stamped(nonce=b"\x12\x34")
    report = verdict(file, token_of(file), *ca)
    assert (report["file"], report["token"], report["reason"]) == (str(file), str(token_of(file)), None)
    assert [(step["step"], step["state"]) for step in report["steps"] if step["state"] != "passed"] == [
        (9, "not asked"),
        (12, "not judged"),
    ]
    shown = json.loads(run("inspect", token_of(file), "--json").stdout)["timeStampToken"]["TSTInfo"]
    assert report["gen_time"] == shown["genTime"]
    assert int(report["serial_number"], 16) == int(shown["serialNumber"], 16)
    assert (report["hash_algorithm"], report["imprint"]) == ("sha256", shown["messageImprint"]["hashedMessage"])
    assert (report["accuracy_us"], report["nonce"], report["policy"]) == (1_000_000, "1234", "2.999.3161.1")
    root = x509.load_pem_x509_certificate(authority.server.ca_pem.read_bytes())
    names = [each.subject.rfc4514_string() for each in (authority.certificate, root)]
    assert (report["tsa_name"], report["chain"]) == (names[0], names)
    assert any("evo" in warning for warning in report["warnings"]), "nobody has said anything of revocation"


def test_another_file(stamped: Stamped, ca: tuple[str, Path]) -> None:
    file = stamped()
    file.write_bytes(b"the contract, changed")
    report = verdict(file, *ca)
    assert (report["step"], report["clause"]) == (8, "RFC 3161 2.4.1")
    assert [step["state"] for step in report["steps"]] == ["passed"] * 7 + ["failed"] + ["not reached"] * 5
    assert report["meaning"].startswith("The token is for other data")
    result = run("verify", file, *ca)
    assert result.exit_code == 1
    for words in ("contract.txt: not proved", "✗  8 imprint", "expected", "found", "RFC 3161 2.4.1", "other data"):
        assert words in result.stdout


@pytest.mark.parametrize("suffix", [".tst", ".p7s", ".b64", ".PEM"])
def test_tokens_in_every_dress(stamped: Stamped, ca: tuple[str, Path], tmp_path: Path, suffix: str) -> None:
    """The token alone, and the response, in DER and in text."""
    file = stamped()
    response = token_of(file).read_bytes()
    bare = der.read(response).children()[1].raw
    for octets in (response, bare):
        for dressed in (
            octets,
            base64.encodebytes(octets),
            b"-----BEGIN X-----\n%s-----END X-----\n" % base64.encodebytes(octets),
        ):
            token = tmp_path / f"token{suffix}"
            token.write_bytes(dressed)
            assert verdict(file, token, *ca)["verdict"] == "proved"


def test_a_digest_in_place_of_the_file(stamped: Stamped, ca: tuple[str, Path]) -> None:
    token = token_of(stamped())
    digest = json.loads(run("inspect", token, "--json").stdout)["timeStampToken"]["TSTInfo"]["messageImprint"]
    assert verdict("--digest", digest["hashedMessage"], token, *ca)["verdict"] == "proved"
    assert verdict("--digest", "00" * 32, token, *ca)["step"] == 8


def test_the_query(stamped: Stamped, ca: tuple[str, Path], tmp_path: Path) -> None:
    file = stamped()
    report = verdict(file, *ca, "--query", tmp_path / "contract.txt.tsq")
    assert [step["state"] for step in report["steps"]] == ["passed"] * 11 + ["not judged", "passed"]
    (tmp_path / "other.tsq").write_bytes(query_for(b"the contract").encode())
    assert verdict(file, *ca, "--query", tmp_path / "other.tsq")["step"] == 9


def test_a_certificate_that_the_token_lacks(stamped: Stamped, ca: tuple[str, Path], authority: Authority) -> None:
    file = stamped(cert_req=None)
    assert verdict(file, *ca)["step"] == 5
    assert verdict(file, *ca, "--cert", authority.server.tsa_pem)["verdict"] == "proved"


def test_several_roots(stamped: Stamped, ca: tuple[str, Path], elsewhere: Elsewhere) -> None:
    file = stamped()
    assert verdict(file, "--ca", elsewhere.ca)["step"] == 11
    assert verdict(file, "--ca", elsewhere.ca, *ca)["verdict"] == "proved"


def test_a_token_from_elsewhere_and_its_revocation(elsewhere: Elsewhere, tmp_path: Path) -> None:
    """RFC 3161 4: no reason, or keyCompromise, ends every token; superseded those from after it."""
    file = tmp_path / "document"
    file.write_bytes(b"text")
    elsewhere.stamp(file)
    trusted = ("--ca", elsewhere.ca)
    report = verdict(file, *trusted, "--query", tmp_path / "document.tsq")
    assert (report["policy"], report["accuracy_us"], report["tsa_name"]) == ("2.999.77", 1_500_000, "CN=Elsewhere TSA")
    superseded = x509.ReasonFlags.superseded
    soon = elsewhere.revoke(superseded, -timedelta(minutes=1))
    judged = verdict(file, *trusted, "--query", tmp_path / "document.tsq", "--crl", soon)
    assert judged["verdict"] == "proved"
    assert {step["state"] for step in judged["steps"]} == {"passed"}
    for crl in (elsewhere.revoke(), elsewhere.revoke(superseded, timedelta(hours=1))):
        report = verdict(file, *trusted, "--crl", crl)
        assert (report["step"], report["clause"]) == (12, "RFC 3161 4")


def test_many(stamped: Stamped, ca: tuple[str, Path], tmp_path: Path) -> None:
    """A line each, how many of each verdict, and the exit code of the worst."""
    good = [stamped(f"file {number}", str(number).encode()) for number in range(3)]
    result = run("verify", *good, *ca)
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.partition(": ")[0] for line in result.stdout.splitlines()[:3]] == [str(file) for file in good]
    assert result.stdout.splitlines()[-1] == "3 proved"
    missing = run("verify", *good, tmp_path / "missing", *ca)
    assert missing.exit_code == 2
    assert "missing: could not be judged: " in missing.stdout
    assert "No such file or directory." in missing.stdout
    mixed = run("verify", good[0], tmp_path / "missing", good[1], token_of(good[2]), *ca)
    assert mixed.exit_code == 1
    assert "file 1: not proved: Step 8 (imprint)" in mixed.stdout
    assert mixed.stdout.splitlines()[-1] == "1 proved, 1 not proved, 1 could not be judged"
    reports = json.loads(run("verify", *good, *ca, "--json").stdout)
    assert [report["verdict"] for report in reports] == ["proved"] * 3


@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_missing_is_told(stamped: Stamped, ca: tuple[str, Path], tmp_path: Path, as_json: bool) -> None:
    """Exit 2, and a sentence that names the file; nothing but JSON on standard output where that is asked for."""
    file, rubbish = stamped(), tmp_path / "rubbish"
    rubbish.write_bytes(b"rubbish")
    cases: list[tuple[list[str | Path], str]] = [
        ([file], "--ca"),
        ([file, "--ca", tmp_path / "none.pem"], "none.pem: No such file"),
        ([file, "--ca", rubbish], f"{rubbish}: "),
        ([file, *ca, "--crl", rubbish], f"{rubbish}: "),
        ([file, *ca, "--ocsp", rubbish], f"{rubbish}: "),
        ([file, *ca, "--cert", tmp_path], f"{tmp_path}: Is a directory"),
        ([file, *ca, "--query", tmp_path / "none.tsq"], "none.tsq: No such file"),
        ([file, *ca, "--query", rubbish], "TimeStampReq"),
        ([rubbish, *ca], "rubbish.tsr: No such file"),
        ([tmp_path / "none", token_of(file), *ca], "none cannot be read (No such file"),
        ([tmp_path, token_of(file), *ca], "(Is a directory)"),
    ]
    for arguments, words in cases:
        result = run("verify", *arguments, *(["--json"] if as_json else []))
        assert result.exit_code == 2, result.output
        said = json.loads(result.stdout)["reason"] if as_json else result.output
        assert words in said
        assert said.strip().endswith(".")
        assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing argument"),
        (["a.tsr", "b.tsr", "--digest", "00"], "--digest"),
        (["a.tsr", "--digest", "xyz"], "xyz"),
        (["a", "b", "--query", "q.tsq"], "--query"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str) -> None:
    result = run("verify", *arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_what_others_wrote_does_not_command_the_terminal(
    stamped: Stamped, ca: tuple[str, Path], tmp_path: Path
) -> None:
    """Neither the name of a file nor an authority's statusString."""
    status = der.sequence(der.integer(2), der.sequence(der.tlv(der.UTF8_STRING, b"\x1b[31mno\x1b[0m")))
    file = stamped("a\x1b[31mred")
    assert run("verify", file, *ca).exit_code == 0
    token_of(file).write_bytes(der.sequence(status))
    for more in ([], [file]):
        result = run("verify", file, *more, *ca)
        assert result.exit_code == 1
        assert "[31mno" in result.stdout
        assert r"a\x1b[31mred" in result.stdout
        assert "\x1b" not in result.output


def test_large_data_is_read_in_pieces(stamped: Stamped, ca: tuple[str, Path]) -> None:
    file = stamped()
    with file.open("wb") as large:
        large.truncate(64 << 20)
    tracemalloc.start()
    try:
        assert run("verify", file, *ca).exit_code == 1
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_progress_is_shown_to_a_terminal_alone(stamped: Stamped, ca: tuple[str, Path]) -> None:
    """The installed command, with a terminal for standard error and then without."""
    good = [stamped(f"file {number}", str(number).encode()) for number in range(2)]
    command = [str(each) for each in (TSA, "verify", *good, *ca)]
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, env={"TERM": "xterm"}, check=False)
        shown = os.read(ours, 1 << 16)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0
    assert b"Verifying" in shown
    assert b"Verifying" not in done.stdout
    plain = subprocess.run(command, capture_output=True, check=False)
    assert (plain.returncode, plain.stderr, plain.stdout) == (0, b"", done.stdout)


def test_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    shown = run("verify", "--help").output
    for words in ("--ca", "--cert", "--crl", "--ocsp", "--query", "--digest", "--json", "Exit 0", "FILE.tsr"):
        assert words in shown


def test_a_refusal_is_no_proof(ca: tuple[str, Path], authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "document"
    file.write_bytes(b"text")
    with authority.connect() as connection:
        token_of(file).write_bytes(connection.post(Query(policy="2.999.404").encode()).body)
    assert verdict(file, *ca)["step"] == 2
