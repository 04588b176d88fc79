"""Code signers: jarsigner with a JAR, osslsigncode with a PowerShell script."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.conftest import Fleet
from tests.support.stamping import Authority

PASSWORD = "not-a-secret"  # noqa: S105 - of a key store that lives as long as the test


def run(*command: str | Path) -> str:
    """The output of a command that must succeed; in English, whatever the machine speaks."""
    done = subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, timeout=120, check=False, env=ENGLISH
    )
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


ENGLISH = {**os.environ, "LC_ALL": "C.UTF-8", "JAVA_TOOL_OPTIONS": "-Duser.language=en"}

needs_jdk = pytest.mark.skipif(
    not (shutil.which("jarsigner") and shutil.which("keytool")), reason="no JDK here: jarsigner and keytool are missing"
)
needs_osslsigncode = pytest.mark.skipif(not shutil.which("osslsigncode"), reason="osslsigncode is not installed here")


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key store with one self-signed code-signing key, "signer"."""
    store = tmp_path_factory.mktemp("jdk") / "keystore.p12"
    run(
        *("keytool", "-genkeypair", "-alias", "signer", "-keystore", store, "-storepass", PASSWORD),
        *("-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=A signer of JARs", "-ext", "KU=digitalSignature"),
    )
    return store


@needs_jdk
@pytest.mark.parametrize("key_type", ["p256", "rsa3072", "p384"])
def test_jarsigner(fleet: Fleet, keystore: Path, tmp_path: Path, key_type: str) -> None:
    tsa = fleet.of_key(key_type)
    jar, trust = tmp_path / "one.jar", tmp_path / "trust.p12"
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("hello.txt", "hello")
    run("jarsigner", "-keystore", keystore, "-storepass", PASSWORD, "-tsa", tsa.url, jar, "signer")
    shutil.copy(keystore, trust)
    run(
        *("keytool", "-importcert", "-noprompt", "-alias", "tsa-root", "-file", tsa.ca_pem),
        *("-keystore", trust, "-storepass", PASSWORD),
    )
    told = run("jarsigner", "-verify", "-strict", "-verbose", "-certs", "-keystore", trust, "-storepass", PASSWORD, jar)
    assert "jar verified." in told
    assert "Timestamped by" in told


SCRIPT = 'Write-Output "hello"\r\n'


@pytest.fixture(scope="module")
def code_signer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed code-signing certificate and its key."""
    folder = tmp_path_factory.mktemp("signcode")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2", "-subj", "/CN=A signer of scripts"),
        *("-addext", "extendedKeyUsage=codeSigning", "-keyout", key, "-out", certificate),
    )
    return certificate, key


@needs_osslsigncode
def test_osslsigncode_sign(authority: Authority, code_signer: tuple[Path, Path], tmp_path: Path) -> None:
    certificate, key = code_signer
    script, signed = tmp_path / "plain.ps1", tmp_path / "signed.ps1"
    script.write_text(SCRIPT)
    run(
        *("osslsigncode", "sign", "-certs", certificate, "-key", key, "-h", "sha256", "-ts", authority.server.url),
        *("-in", script, "-out", signed),
    )
    assert_time_stamped(authority, certificate, signed)


@needs_osslsigncode
def test_osslsigncode_add(authority: Authority, code_signer: tuple[Path, Path], tmp_path: Path) -> None:
    """A time-stamp for a file that was signed before."""
    certificate, key = code_signer
    script, signed, stamped = (tmp_path / f"{name}.ps1" for name in ("plain", "signed", "stamped"))
    script.write_text(SCRIPT)
    run("osslsigncode", "sign", "-certs", certificate, "-key", key, "-h", "sha256", "-in", script, "-out", signed)
    run("osslsigncode", "add", "-ts", authority.server.url, "-h", "sha256", "-in", signed, "-out", stamped)
    assert_time_stamped(authority, certificate, stamped)


def assert_time_stamped(authority: Authority, certificate: Path, signed: Path) -> None:
    """osslsigncode verifies the signature and, against the server's root, the time-stamp."""
    told = run(
        *("osslsigncode", "verify", "-CAfile", certificate, "-TSA-CAfile", authority.server.ca_pem, "-in", signed),
    )
    assert "Timestamp Server Signature verification: ok" in told, told
