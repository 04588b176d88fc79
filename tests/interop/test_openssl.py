"""`openssl ts`: asks with a query it wrote and verifies the reply, for each key type and each hash."""

import subprocess
from pathlib import Path

import pytest

from tests.support import der
from tests.support.http import REPLY_TYPE, post_bytes
from tests.support.query import digest
from tests.support.stamping import Authority
from tests.support.token import read_token

HASHES = ["sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512"]


def openssl(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run openssl; the caller judges the exit code."""
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def stamped(authority: Authority, folder: Path, name: str, *options: str) -> tuple[Path, Path, Path]:
    """A file, openssl's query for it and the server's reply."""
    data, query, reply = (folder / each for each in ("data.txt", "query.tsq", "reply.tsr"))
    data.write_bytes(b"The quick brown fox.\n" * 100)
    asked = openssl("ts", "-query", "-data", data, f"-{name}", *options, "-out", query)
    assert asked.returncode == 0, asked.stderr
    with authority.connect() as connection:
        answer = connection.ask(post_bytes(query.read_bytes()))
    assert (answer.status, answer.header("content-type")) == (200, REPLY_TYPE)
    reply.write_bytes(answer.body)
    return data, query, reply


def verify(authority: Authority, reply: Path, *what: str | Path) -> "subprocess.CompletedProcess[str]":
    """`openssl ts -verify` against the server's root."""
    return openssl("ts", "-verify", *what, "-in", reply, "-CAfile", authority.server.ca_pem)


@pytest.mark.parametrize("name", HASHES)
def test_query_and_verify(any_key: Authority, tmp_path: Path, name: str, request: pytest.FixtureRequest) -> None:
    data, query, reply = stamped(any_key, tmp_path, name, "-cert")
    done = verify(any_key, reply, "-queryfile", query)
    if request.node.callspec.params["any_key"] == "ed25519" and done.returncode:
        assert_only_the_key_type_is_beyond_openssl(any_key, done.stderr)
        assert_proved_without_openssl(any_key, reply, name, data)
        return
    assert done.returncode == 0, done.stderr
    assert "Verification: OK" in done.stdout
    assert verify(any_key, reply, "-data", data).returncode == 0


def assert_only_the_key_type_is_beyond_openssl(authority: Authority, stderr: str) -> None:
    """`openssl ts` verifies by its PKCS7 code, which hashes first and signs the digest; Ed25519 has no such form.

    OpenSSL says so ("operation not supported for this keytype" in 3.0), and has no other complaint: it had found
    status, policy, imprint, nonce and the certificate chain good, or those would stand here in its place.
    """
    errors = [line.split(":")[3:6] for line in stderr.splitlines() if ":error:" in line]
    assert errors[1:] == [
        ["PKCS7 routines", "PKCS7_signatureVerify", "signature failure"],
        ["time stamp routines", "TS_RESP_verify_signature", "signature failure"],
    ], stderr
    assert errors[0][2] in ("operation not supported for this keytype", "invalid digest"), stderr
    chain = openssl(
        *("verify", "-purpose", "timestampsign", "-CAfile", authority.server.ca_pem, authority.server.tsa_pem)
    )
    assert chain.returncode == 0, chain.stderr


def assert_proved_without_openssl(authority: Authority, reply: Path, name: str, data: Path) -> None:
    """The signature, verified by `cryptography`, and the imprint of the data in the TSTInfo."""
    _, token = der.read(reply.read_bytes()).of(der.SEQUENCE)
    info = read_token(token.raw, authority.certificate).info
    assert der.read(info.imprint).children()[1].contents == digest(name, data.read_bytes())


def test_reply_for_another_file_is_not_verified(authority: Authority, tmp_path: Path) -> None:
    """The proof that `openssl ts -verify` looks: it refuses the reply for other data, and a reply that was altered."""
    data, query, reply = stamped(authority, tmp_path, "sha256", "-cert")
    data.write_bytes(b"something else")
    assert "message imprint mismatch" in verify(authority, reply, "-data", data).stderr
    reply.write_bytes(reply.read_bytes()[:-1] + bytes([reply.read_bytes()[-1] ^ 1]))
    assert verify(authority, reply, "-queryfile", query).returncode != 0


def test_reply_without_certificates(authority: Authority, tmp_path: Path) -> None:
    """Without `-cert` the token is smaller, and verifies with the certificate given apart."""
    _, query, reply = stamped(authority, tmp_path, "sha256")
    done = verify(authority, reply, "-queryfile", query, "-untrusted", authority.server.tsa_pem)
    assert "Verification: OK" in done.stdout, done.stderr


def test_policy_and_no_nonce(authority: Authority, tmp_path: Path) -> None:
    _, query, reply = stamped(authority, tmp_path, "sha512", "-cert", "-no_nonce", "-tspolicy", "2.999.3161.1")
    assert "Verification: OK" in verify(authority, reply, "-queryfile", query).stdout


def test_text_of_a_grant(authority: Authority, tmp_path: Path) -> None:
    _, _, reply = stamped(authority, tmp_path, "sha256", "-cert")
    text = openssl("ts", "-reply", "-in", reply, "-text").stdout
    assert "Status: Granted." in text
    assert "Policy OID: 2.999.3161.1" in text
    assert "Ordering: no" in text
    assert "Accuracy: " in text


def test_text_of_a_refusal(authority: Authority, tmp_path: Path) -> None:
    _, _, reply = stamped(authority, tmp_path, "sha1", "-cert")
    text = openssl("ts", "-reply", "-in", reply, "-text").stdout
    assert "Status: Rejected." in text
    assert "unrecognized or unsupported algorithm identifier" in text
