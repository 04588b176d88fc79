"""Software keys: every type signs what its public key verifies, and its file is closed to everyone else."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from asn1crypto.algos import SignedDigestAlgorithm
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from signer.key import KeyFault, PrivateKey, PublicKey, algorithm_for
from signer.software import KEY_TYPES, SoftwareKey, generate, load, store

PEM, PKCS8, PLAIN = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
# The name, digest, and signatureAlgorithm of each type as asn1crypto reads it.
ALGORITHMS = {
    "p256": ("ecdsa-p256-sha256", "sha256", "sha256_ecdsa"),
    "p384": ("ecdsa-p384-sha384", "sha384", "sha384_ecdsa"),
    "p521": ("ecdsa-p521-sha512", "sha512", "sha512_ecdsa"),
    "rsa2048": ("rsa2048-sha256", "sha256", "rsassa_pkcs1v15"),
    "rsa3072": ("rsa3072-sha256", "sha256", "rsassa_pkcs1v15"),
    "rsa4096": ("rsa4096-sha256", "sha256", "rsassa_pkcs1v15"),
    "ed25519": ("ed25519-sha512", "sha512", "ed25519"),
}


@cache
def key_of(key_type: str) -> PrivateKey:
    return generate(key_type)


@pytest.fixture(params=[0o000, 0o077, 0o777], ids="umask {:03o}".format)
def any_umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    # tmp_path is asked for so that it is made under the old umask.
    before = os.umask(request.param)
    yield
    os.umask(before)


def verify(public_key: PublicKey, signature: bytes, data: bytes, digest: str) -> None:
    algorithm = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[digest]
    match public_key:
        case ec.EllipticCurvePublicKey():
            public_key.verify(signature, data, ec.ECDSA(algorithm))
        case rsa.RSAPublicKey():
            public_key.verify(signature, data, padding.PKCS1v15(), algorithm)
        case ed25519.Ed25519PublicKey():
            public_key.verify(signature, data)


def test_every_key_type_has_an_expected_algorithm() -> None:
    assert set(ALGORITHMS) == set(KEY_TYPES)


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_generated_key_signs_with_its_algorithm(key_type: str) -> None:
    key = SoftwareKey(key_of(key_type))
    name, digest, signature_algorithm = ALGORITHMS[key_type]
    assert (key.algorithm.name, key.algorithm.digest) == (name, digest)
    assert hashlib.new(key.algorithm.digest).name == digest
    identifier = SignedDigestAlgorithm.load(key.algorithm.identifier, strict=True)
    assert identifier["algorithm"].native == signature_algorithm
    # RSA has NULL, written out; ECDSA and Ed25519 have nothing (RFC 5754 3.2 and 3.3, RFC 8410 3).
    assert key.algorithm.identifier.endswith(b"\x05\x00") is key_type.startswith("rsa")
    assert key.algorithm is algorithm_for(key.public_key)

    signature = key.sign(b"to be signed")
    verify(key.public_key, signature, b"to be signed", digest)
    with pytest.raises(InvalidSignature):
        verify(key.public_key, signature, b"to be signee", digest)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ec.generate_private_key(ec.SECP256K1()), "secp256k1 is not supported: use P-256"),
        (lambda: rsa.generate_private_key(65537, 2056), "2056 bits is not supported: use one of 2048"),
        (ed448.Ed448PrivateKey.generate, "of this type are not supported: use an EC"),
    ],
)
def test_other_keys_are_refused_wherever_they_come_from(
    tmp_path: Path, make: Callable[[], PrivateKey], sentence: str
) -> None:
    key, path = make(), tmp_path / "key.pem"
    with pytest.raises(KeyFault, match=sentence):
        algorithm_for(key.public_key())
    path.touch(0o600)
    path.write_bytes(key.private_bytes(PEM, PKCS8, PLAIN))
    with pytest.raises(KeyFault, match=f"{path} cannot be used. .*{sentence}"):
        load(path)


def test_an_unknown_key_type_is_named_beside_those_there_are() -> None:
    with pytest.raises(KeyFault, match=r"no key type 'rsa1024': choose one of p256, .*, ed25519"):
        generate("rsa1024")


@pytest.mark.usefixtures("any_umask")
@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_a_stored_key_is_its_owners_alone_and_comes_back(tmp_path: Path, passphrase: bytes | None) -> None:
    path = tmp_path / "tsa.key"
    store(path, key_of("p256"), passphrase)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (b"ENCRYPTED" in path.read_bytes()) is (passphrase is not None)
    assert load(path, passphrase).public_key == key_of("p256").public_key()


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_every_key_type_survives_its_file(tmp_path: Path, key_type: str) -> None:
    store(tmp_path / "tsa.key", key_of(key_type))
    key = load(tmp_path / "tsa.key")
    verify(key_of(key_type).public_key(), key.sign(b"data"), b"data", key.algorithm.digest)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "tsa.key"
    store(path, key_of("p256"))
    before = path.read_bytes()
    with pytest.raises(KeyFault, match=f"{path} exists already"):
        store(path, key_of("ed25519"))
    assert path.read_bytes() == before


def test_a_key_is_not_written_through_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyFault, match="exists already"):
        store(tmp_path / "link", key_of("p256"))
    assert not (tmp_path / "elsewhere").exists()


def test_a_half_written_key_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(KeyFault, match="No space left on device"):
        store(tmp_path / "tsa.key", key_of("p256"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("passphrase", [b"", bytes(1024)])
def test_a_passphrase_that_cannot_be_used_is_refused_before_the_file(tmp_path: Path, passphrase: bytes) -> None:
    with pytest.raises(KeyFault, match="from 1 to 1023 octets"):
        store(tmp_path / "tsa.key", key_of("p256"), passphrase)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFault, match=r"none/tsa\.key cannot be created"):
        store(tmp_path / "none" / "tsa.key", key_of("p256"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644])
def test_a_key_file_open_to_others_is_not_used(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "tsa.key"
    store(path, key_of("p256"))
    path.chmod(mode)
    with pytest.raises(KeyFault, match=f"run `chmod 600 {path}`"):
        load(path)
    path.chmod(0o400)
    assert load(path).algorithm.digest == "sha256"


@pytest.mark.parametrize(
    ("stored_with", "loaded_with", "sentence"),
    [
        (b"hunter2", None, "is encrypted: give its passphrase"),
        (b"hunter2", b"", "is encrypted: give its passphrase"),
        (b"hunter2", b"sesame-4711", "cannot be decrypted: the passphrase is wrong"),
        (None, b"sesame-4711", "is not encrypted though a passphrase is given"),
    ],
)
def test_a_passphrase_that_does_not_fit_is_told_but_not_shown(
    tmp_path: Path, stored_with: bytes | None, loaded_with: bytes | None, sentence: str
) -> None:
    path = tmp_path / "tsa.key"
    store(path, key_of("p256"), stored_with)
    with pytest.raises(KeyFault, match=sentence) as caught:
        load(path, loaded_with)
    assert str(path) in str(caught.value)
    assert "4711" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def damaged(pem: bytes) -> bytes:
    return pem.replace(b"KEY-----\nM", b"KEY-----\n!", 1)


def traditional(_: bytes) -> bytes:
    return key_of("p256").private_bytes(PEM, serialization.PrivateFormat.TraditionalOpenSSL, PLAIN)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda _: b"", "holds no PKCS#8 private key in PEM: convert"),
        (lambda _: b"\x30\x82\x00\x01garbage", "holds no PKCS#8 private key in PEM: convert"),
        (traditional, "holds no PKCS#8 private key in PEM: convert"),
        (damaged, "is damaged"),
    ],
)
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, spoil: Callable[[bytes], bytes], sentence: str) -> None:
    path = tmp_path / "tsa.key"
    store(path, key_of("p256"))
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(KeyFault, match=sentence):
        load(path)


def test_a_key_file_that_is_missing_or_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFault, match=f"no key file {tmp_path}/none: create one"):
        load(tmp_path / "none")
    with pytest.raises(KeyFault, match="cannot be read"):
        load(tmp_path)
