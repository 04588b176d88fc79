"""Keys are opened by path or URI and kept in files; a kind of key that there is not is named."""

import re
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from signer.algorithms import Algorithm
from signer.custody import keep_key, new_key, open_key
from signer.key import KeyFault, PublicKey
from signer.software import KEY_TYPES


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The file of a P-256 key."""
    file = tmp_path / "keys" / "a key, 100 % mine?.pem"
    file.parent.mkdir()
    keep_key(new_key("p256"), file)
    return file


def test_a_path_is_relative_to_the_folder_and_an_absolute_one_is_not(kept: Path, tmp_path: Path) -> None:
    expected = open_key(str(kept)).public_key
    assert open_key(f"keys/{kept.name}", folder=tmp_path).public_key == expected
    assert open_key(str(kept), folder=tmp_path / "elsewhere").public_key == expected


def test_a_file_uri_names_a_file(kept: Path) -> None:
    expected = open_key(str(kept)).public_key
    uri = kept.as_uri()
    for same in (uri, uri.replace("file:///", "file:/"), uri.replace("file://", "FILE://localhost")):
        assert open_key(same).public_key == expected


def test_a_key_that_was_opened_signs(kept: Path) -> None:
    key = open_key(str(kept))
    assert isinstance(key.public_key, ec.EllipticCurvePublicKey)
    key.public_key.verify(key.sign(b"data"), b"data", ec.ECDSA(SHA256()))


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("pkcs11:token=tsa;object=key?pin-value=1234", "no kind of key pkcs11: here: give a file: URI, or the path"),
        ("https://example.org/key", "no kind of key https: "),
        ("C:\\keys\\tsa.key", "no kind of key C: here"),
        ("file://elsewhere/tsa.key", "file://elsewhere/tsa.key names no file of this machine"),
        ("file:keys/tsa.key", "names no file of this machine: write it like file:///etc"),
        ("file:///tsa.key?part=1", "names no file"),
        ("file:///tsa.key#1", "names no file"),
        ("file:////server/share/tsa.key", "names no file"),
        ("file://[tsa/tsa.key", "names no file"),
        ("file:///keys/tsa.key%00", "names no file"),
        ("file:///none/a%0Akey", "no key file /none/a\nkey"),
        ("file:///none/tsa.key", "no key file /none/tsa.key"),
        ("none/tsa.key", "no key file none/tsa.key"),
    ],
)
def test_a_uri_that_names_no_key_is_explained(uri: str, sentence: str) -> None:
    with pytest.raises(KeyFault, match=re.escape(sentence)) as explained:
        open_key(uri)
    assert "1234" not in str(explained.value), "a PIN is not repeated"


def test_a_name_with_a_colon_is_a_path_after_a_dot(tmp_path: Path) -> None:
    keep_key(new_key("p256"), tmp_path / "tsa:1.key")
    with pytest.raises(KeyFault, match=r"with \./ before a name that begins with tsa:\.$"):
        open_key("tsa:1.key", folder=tmp_path)
    assert open_key("./tsa:1.key", folder=tmp_path).algorithm.key_type == "p256"
    assert open_key(Path("tsa:1.key"), folder=tmp_path).algorithm.key_type == "p256"


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_key_is_kept_with_a_passphrase(tmp_path: Path, key_type: str) -> None:
    key, file = new_key(key_type), tmp_path / "tsa.key"
    keep_key(key, file, b"correct horse")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in file.read_bytes()
    opened = open_key(str(file), b"correct horse")
    assert (opened.public_key, opened.algorithm) == (key.public_key, key.algorithm)
    with pytest.raises(KeyFault, match="is encrypted"):
        open_key(str(file))
    with pytest.raises(KeyFault, match="exists already"):
        keep_key(key, file)


class Elsewhere:
    """A key that is kept in another place than this process."""

    def __init__(self) -> None:
        key = new_key("p256")
        self.public_key: PublicKey = key.public_key
        self.algorithm: Algorithm = key.algorithm

    def sign(self, data: bytes, /) -> bytes:
        return data


def test_a_key_that_is_kept_elsewhere_is_not_copied(tmp_path: Path) -> None:
    with pytest.raises(KeyFault, match="kind Elsewhere cannot be copied"):
        keep_key(Elsewhere(), tmp_path / "tsa.key")
    assert list(tmp_path.iterdir()) == []
