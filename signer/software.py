"""Private keys in memory, kept in PKCS#8 files that only their owner can read."""

import hashlib
import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from signer.algorithms import HASHES, Algorithm
from signer.files import sync_folder
from signer.key import KeyFault, PrivateKey, PublicKey, algorithm_for

_GENERATORS: dict[str, Callable[[], PrivateKey]] = {
    "p256": partial(ec.generate_private_key, ec.SECP256R1()),
    "p384": partial(ec.generate_private_key, ec.SECP384R1()),
    "p521": partial(ec.generate_private_key, ec.SECP521R1()),
    "rsa2048": partial(rsa.generate_private_key, 65537, 2048),
    "rsa3072": partial(rsa.generate_private_key, 65537, 3072),
    "rsa4096": partial(rsa.generate_private_key, 65537, 4096),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}
KEY_TYPES = tuple(_GENERATORS)


def generate(key_type: str) -> PrivateKey:
    """A new private key of one of KEY_TYPES; raises KeyFault for any other."""
    if key_type not in _GENERATORS:
        raise KeyFault(f"There is no key type {key_type!r}: choose one of {', '.join(KEY_TYPES)}.")
    return _GENERATORS[key_type]()


class SoftwareKey:
    """A SigningKey in this process's memory; store() is the only way out.

    Raises KeyFault when the key is of a type, curve or size that is not supported.
    """

    __slots__ = ("_private_key", "algorithm", "public_key", "sign")

    public_key: PublicKey
    algorithm: Algorithm
    sign: Callable[[bytes], bytes]

    def __init__(self, private_key: PrivateKey) -> None:
        self._private_key = private_key
        self.public_key = private_key.public_key()
        self.algorithm = algorithm_for(self.public_key)
        self.sign = _signer(private_key, HASHES[self.algorithm.digest].algorithm)

    def store(self, path: Path, passphrase: bytes | None = None) -> None:
        """Write the key as store() does. Raises KeyFault."""
        store(path, self._private_key, passphrase)


def _signer(private_key: PrivateKey, digest: hashes.HashAlgorithm) -> Callable[[bytes], bytes]:
    """A function that signs data with the key: everything but the data is looked up here, once."""
    match private_key:
        case ec.EllipticCurvePrivateKey():
            # hashlib's digest is 0.4 µs cheaper than the one that the signature would make itself.
            sign_ec, ecdsa, hasher = private_key.sign, ec.ECDSA(Prehashed(digest)), getattr(hashlib, digest.name)
            return lambda data: sign_ec(hasher(data).digest(), ecdsa)
        case rsa.RSAPrivateKey():
            sign_rsa, pkcs1 = private_key.sign, padding.PKCS1v15()
            return lambda data: sign_rsa(data, pkcs1, digest)
        case ed25519.Ed25519PrivateKey():
            return private_key.sign


def store(path: Path, key: PrivateKey, passphrase: bytes | None = None) -> None:
    """Write a private key as PKCS#8 PEM, encrypted when a passphrase is given; durable when this returns.

    The file has mode 0600 whatever the umask. Raises KeyFault when it exists already or cannot be written.
    """
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, _encryption(passphrase))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFault(f"{path} exists already, and a key is never overwritten: move it away first.") from None
    except OSError as fault:
        raise KeyFault(f"{path} cannot be created ({fault.strerror}): check the folder and its permissions.") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except OSError as fault:
        path.unlink(missing_ok=True)
        raise KeyFault(f"{path} cannot be written ({fault.strerror}): check the disk, then try again.") from None


def _encryption(passphrase: bytes | None) -> KeySerializationEncryption:
    if passphrase is None:
        return NoEncryption()
    # OpenSSL reads at most 1023 octets of a passphrase.
    if not 1 <= len(passphrase) <= 1023:
        raise KeyFault("The passphrase of a key has from 1 to 1023 octets: choose another.")
    return BestAvailableEncryption(passphrase)


def load(path: Path, passphrase: bytes | None = None) -> SoftwareKey:
    """Read the PKCS#8 PEM private key of a file that only its owner may access.

    Raises KeyFault, which never quotes the file or the passphrase: the file is missing, open to others, or holds no
    PKCS#8 key; the passphrase is missing, wrong, or given for a key that is not encrypted; the type is not supported.
    """
    pem = _read_private(path)
    _check_encryption(path, pem, passphrase)
    # The causes are not chained: they may quote octets of the file.
    try:
        key = load_pem_private_key(pem, passphrase)
    except ValueError:
        if passphrase is None:
            raise KeyFault(f"The key in {path} is damaged: restore an intact copy.") from None
        raise KeyFault(
            f"The key in {path} cannot be decrypted: the passphrase is wrong, or else the file is damaged."
        ) from None
    except UnsupportedAlgorithm:
        raise KeyFault(
            f"The key in {path} is of a type, or encrypted in a way, that is not supported: "
            "write it anew with `openssl pkcs8 -topk8 -v2 aes256`."
        ) from None
    try:
        return SoftwareKey(key)  # type: ignore[arg-type]  # any other type is refused by algorithm_for
    except KeyFault as fault:
        raise KeyFault(f"The key in {path} cannot be used. {fault}") from None


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise KeyFault(f"The key file {path} is open to others (mode {mode:04o}): run `chmod 600 {path}`.")
            return file.read()
    except FileNotFoundError:
        raise KeyFault(f"There is no key file {path}: create one with `tsa init`, or correct the path.") from None
    except OSError as fault:
        raise KeyFault(f"The key file {path} cannot be read ({fault.strerror}): correct its path or owner.") from None


def _check_encryption(path: Path, pem: bytes, passphrase: bytes | None) -> None:
    encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in pem
    if not encrypted and b"-----BEGIN PRIVATE KEY-----" not in pem:
        raise KeyFault(f"{path} holds no PKCS#8 private key in PEM: convert the key with `openssl pkcs8 -topk8`.")
    if encrypted and not passphrase:
        raise KeyFault(f"The key in {path} is encrypted: give its passphrase in a file or in the environment.")
    # An operator who gives a passphrase takes the key for encrypted, and would never learn that it is not.
    if not encrypted and passphrase is not None:
        raise KeyFault(f"The key in {path} is not encrypted though a passphrase is given: encrypt it, or give none.")
