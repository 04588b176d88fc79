"""State folders: for a first run, for a request to a real CA, and with the certificate that it issued."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.chain import CertificateFault, read_certificates, write_pem
from signer.key import KeyFault, PublicKey
from signer.software import KEY_TYPES, generate, load, store
from tests.support.real_ca import RealCa, issue, make_ca
from tests.support.units import books
from tsa.operate import initialise
from tsa.operate.initialise import StateFault
from tsa.stamping.opening import open_authority
from tsa.stamping.tsu import PASSPHRASE_VARIABLE, UnusableTsu
from tsa.state.config import load as load_config
from tsa.state.control import Control

PASSPHRASE = b"correct horse"


@pytest.fixture(autouse=True)
def open_umask(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The least careful umask there is, and no passphrase in the environment."""
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def proved(state: Path) -> x509.Certificate:
    """The certificate of the authority that opens with this folder, which signs and verifies a token for it."""
    authority = await open_authority(load_config(state), books())
    authority.pool.close()
    return authority.tsu.chain.certificate


def key_in(request: Path) -> PublicKey:
    """The public key that a certificate is requested for."""
    key = x509.load_pem_x509_csr(request.read_bytes()).public_key()
    assert isinstance(key, PublicKey)
    return key


def everything_in(state: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in state.rglob("*") if path.is_file()}


def journal(state: Path) -> dict[str, dict[str, object]]:
    """What was journalled, each kind of event once, with its details."""
    with closing(Control(state)) as control:
        events = list(control.connection.execute("SELECT what, detail FROM event ORDER BY id"))
    assert len({what for what, _ in events}) == len(events)
    return {what: json.loads(detail) for what, detail in events}


def fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


@pytest.fixture(scope="module")
def real_ca() -> RealCa:
    return make_ca()


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    file = tmp_path / "passphrase"
    file.write_bytes(PASSPHRASE + b"\n")
    return file


@pytest.mark.parametrize("key_type", KEY_TYPES)
async def test_a_development_folder_opens_and_its_key_is_its_owners_alone(tmp_path: Path, key_type: str) -> None:
    state = tmp_path / "deep" / "state"
    initialise.development(state, key_type, 2)
    assert key_type in load(state / "keys/tsa.key").algorithm.name
    assert (mode(state / "keys"), mode(state / "keys/tsa.key")) == (0o700, 0o600)
    [certificate] = read_certificates(state / "certs/tsa.pem")
    [root] = read_certificates(state / "certs/ca.pem")
    certificate.verify_directly_issued_by(root)
    assert await proved(state) == certificate
    assert {path.name for path in (state / "keys").iterdir()} == {"tsa.key"}  # the CA's key is not kept
    assert journal(state)["development key and certificate made"] == {"sha256": fingerprint(certificate)}


def test_a_key_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    initialise.development(tmp_path, "p256", 2)
    before = everything_in(tmp_path)
    with pytest.raises(StateFault, match="never overwritten: move it away first"):
        initialise.development(tmp_path, "p256", 2)
    assert everything_in(tmp_path) == before


def test_settings_that_are_there_stay(tmp_path: Path) -> None:
    (tmp_path / "tsa.toml").write_text("[log]\n")
    initialise.development(tmp_path, "ed25519", 2)
    assert (tmp_path / "tsa.toml").read_text() == "[log]\n"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateFault, match="file/state cannot be made: Not a directory"):
        initialise.development(tmp_path / "file" / "state", "p256", 2)


@pytest.mark.parametrize("key_type", KEY_TYPES)
async def test_a_request_is_signed_by_a_ca_and_its_certificate_comes_in(
    tmp_path: Path, key_type: str, real_ca: RealCa
) -> None:
    file = initialise.request(tmp_path, key_type, "CN=TSA 1,O=Example,C=KR", None)
    assert (mode(tmp_path / "keys"), mode(tmp_path / "keys/tsa.key")) == (0o700, 0o600)
    request = x509.load_pem_x509_csr(file.read_bytes())
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=TSA 1,O=Example,C=KR"
    usage = request.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert (usage.critical, list(usage.value)) == (True, [ExtendedKeyUsageOID.TIME_STAMPING])

    certificate = real_ca.issue(key_in(file))
    write_pem(tmp_path / "chain.pem", [certificate, real_ca.issuing])
    write_pem(tmp_path / "root.pem", [real_ca.root])
    initialise.import_chain(tmp_path, tmp_path / "chain.pem", tmp_path / "root.pem", None, None)
    assert await proved(tmp_path) == certificate
    assert read_certificates(tmp_path / "certs/tsa.pem") == [certificate, real_ca.issuing]
    assert read_certificates(tmp_path / "certs/ca.pem") == [real_ca.root]
    assert journal(tmp_path) == {
        "key made": {"key_type": key_type},
        "certificate imported": {"sha256": fingerprint(certificate)},
    }


def test_a_request_that_is_made_again_is_for_the_same_key(tmp_path: Path) -> None:
    keys = set()
    for subject in ("CN=First", "CN=Second"):
        file = initialise.request(tmp_path, "p256", subject, None)
        request = x509.load_pem_x509_csr(file.read_bytes())
        assert request.subject.rfc4514_string() == subject
        keys.add(request.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    assert len(keys) == 1
    assert list(journal(tmp_path)) == ["key made"], "once"


def test_a_bad_subject_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(CertificateFault):
        initialise.request(tmp_path / "state", "p256", "Example", None)
    assert not (tmp_path / "state").exists()


async def test_a_key_for_a_request_can_be_encrypted(
    tmp_path: Path, passphrase_file: Path, monkeypatch: pytest.MonkeyPatch, real_ca: RealCa
) -> None:
    state = tmp_path / "state"
    file = initialise.request(state, "p256", "CN=TSA", passphrase_file)
    assert b"ENCRYPTED" in (state / "keys/tsa.key").read_bytes()
    with pytest.raises(KeyFault, match="encrypted"):
        initialise.request(state, "p256", "CN=TSA", None)
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE.decode())
    assert initialise.request(state, "p256", "CN=TSA", None) == file

    # tsa.toml names the passphrase file, so that the server needs no variable.
    monkeypatch.delenv(PASSPHRASE_VARIABLE)
    certificate = real_ca.issue(key_in(file))
    write_pem(tmp_path / "chain.pem", [certificate, real_ca.issuing, real_ca.root])
    initialise.import_chain(state, tmp_path / "chain.pem", None, None, passphrase_file)
    assert await proved(state) == certificate


@pytest.fixture
def existing(tmp_path: Path, real_ca: RealCa) -> tuple[Path, Path, x509.Certificate]:
    """A chain of three levels and its key, encrypted as OpenSSL does it, outside of any state folder."""
    key = generate("p384")
    store(tmp_path / "plain.key", key)
    encrypted = tmp_path / "encrypted.key"
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-passout", "stdin", "-in", tmp_path / "plain.key", "-out", encrypted],
        input=PASSPHRASE + b"\n",
        check=True,
    )
    encrypted.chmod(0o600)
    certificate = real_ca.issue(key.public_key())
    # In no order at all, as CAs hand them out.
    write_pem(tmp_path / "chain.pem", [real_ca.root, certificate, real_ca.issuing])
    return tmp_path / "chain.pem", encrypted, certificate


@pytest.mark.parametrize("way", ["file", "variable"])
async def test_an_encrypted_key_comes_in_with_its_chain(
    tmp_path: Path,
    passphrase_file: Path,
    existing: tuple[Path, Path, x509.Certificate],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    chain, key, certificate = existing
    state = tmp_path / "state"
    if way == "variable":
        monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE.decode())
    initialise.import_chain(state, chain, None, key, passphrase_file if way == "file" else None)
    kept = (state / "keys/tsa.key").read_bytes()
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in kept
    assert (mode(state / "keys"), mode(state / "keys/tsa.key")) == (0o700, 0o600)
    assert await proved(state) == certificate
    assert PASSPHRASE not in b"".join(everything_in(state).values())

    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)
    if way == "variable":
        with pytest.raises(UnusableTsu, match="encrypted"):
            await proved(state)


def test_a_key_is_imported_by_its_path_even_with_a_colon(
    tmp_path: Path,
    passphrase_file: Path,
    existing: tuple[Path, Path, x509.Certificate],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chain, key, _ = existing
    monkeypatch.chdir(key.rename(key.with_name("unit:1.pem")).parent)
    initialise.import_chain(tmp_path / "state", chain, None, Path("unit:1.pem"), passphrase_file)
    assert (tmp_path / "state/keys/tsa.key").exists()


@pytest.mark.parametrize("passphrase", [b"wrong", None])
def test_a_passphrase_that_is_wrong_or_missing_brings_nothing_in(
    tmp_path: Path, existing: tuple[Path, Path, x509.Certificate], passphrase: bytes | None
) -> None:
    chain, key, _ = existing
    file = tmp_path / "wrong"
    file.write_bytes(passphrase or b"")
    with pytest.raises(KeyFault, match="passphrase"):
        initialise.import_chain(tmp_path / "state", chain, None, key, file if passphrase else None)
    assert not (tmp_path / "state").exists()


def test_a_passphrase_file_that_is_missing_is_named(
    tmp_path: Path, existing: tuple[Path, Path, x509.Certificate]
) -> None:
    chain, key, _ = existing
    with pytest.raises(UnusableTsu, match="nowhere cannot be read"):
        initialise.import_chain(tmp_path / "state", chain, None, key, tmp_path / "nowhere")


def test_an_import_never_overwrites_a_key(
    tmp_path: Path, passphrase_file: Path, existing: tuple[Path, Path, x509.Certificate]
) -> None:
    chain, key, _ = existing
    state = tmp_path / "state"
    initialise.development(state, "p256", 2)
    before = everything_in(state)
    with pytest.raises(StateFault, match="never overwritten"):
        initialise.import_chain(state, chain, None, key, passphrase_file)
    assert everything_in(state) == before


def test_a_chain_for_another_key_changes_nothing(tmp_path: Path, existing: tuple[Path, Path, x509.Certificate]) -> None:
    state = tmp_path / "state"
    initialise.development(state, "p256", 2)
    before = everything_in(state)
    with pytest.raises(CertificateFault, match="for this key"):
        initialise.import_chain(state, existing[0], None, None, None)
    assert everything_in(state) == before


def test_a_certificate_that_is_no_tsas_changes_nothing(tmp_path: Path, real_ca: RealCa) -> None:
    state = tmp_path / "state"
    file = initialise.request(state, "p256", "CN=TSA", None)
    unfit = issue("CN=TSA", key_in(file), "CN=Issuing CA", real_ca.issuing_key, [])
    write_pem(tmp_path / "chain.pem", [unfit, real_ca.issuing, real_ca.root])
    with pytest.raises(CertificateFault, match="timeStamping"):
        initialise.import_chain(state, tmp_path / "chain.pem", None, None, None)
    assert not (state / "certs/tsa.pem").exists()


def test_a_chain_without_its_root_asks_for_it(
    tmp_path: Path, existing: tuple[Path, Path, x509.Certificate], passphrase_file: Path, real_ca: RealCa
) -> None:
    chain, key, certificate = existing
    write_pem(chain, [certificate, real_ca.issuing])
    with pytest.raises(CertificateFault, match="--ca"):
        initialise.import_chain(tmp_path / "state", chain, None, key, passphrase_file)
