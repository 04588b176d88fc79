"""Certificates, CRLs, OCSP responses and files, as people hand them over."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support import der
from tests.vectors.parties import ISSUING, ROOT, TSU
from tests.vectors.revocation_data import CRLS, ocsp
from tests.vectors.vector import armoured
from tsa.verify import material
from tsa.verify.datum import DigestDatum, FileDatum, OctetsDatum
from tsa.verify.proof import NotJudged

ANSWER = ocsp(TSU, ISSUING)


def certificates(octets: bytes) -> list[bytes]:
    return [each.public_bytes(Encoding.DER) for each in material.certificates(octets)]


@pytest.mark.parametrize(
    ("read", "label", "elements"),
    [
        (certificates, "CERTIFICATE", [ROOT.certificate, TSU.certificate]),
        (material.crls, "X509 CRL", list(CRLS)),
        (material.ocsps, "OCSP RESPONSE", [ANSWER]),
    ],
)
def test_pem_or_der(read: Callable[[bytes], list[bytes]], label: str, elements: list[bytes]) -> None:
    bundle = b"".join(b"A note.\n" + armoured(each, label) for each in elements)
    assert read(bundle) == read(bundle.replace(b"\n", b"\r\n")) == elements
    assert read(armoured(b"x", "SOMETHING ELSE") + bundle) == elements
    assert read(elements[0]) == elements[:1]
    for wrong in (b"", b"text", elements[0][:-1], bundle.replace(b"\nMI", b"\nM\xff"), armoured(b"x", label)):
        with pytest.raises(NotJudged, match=r"^What was given is not an? .* give one in PEM or DER\.$"):
            read(wrong)
    for other in (armoured(elements[0], "SOMETHING ELSE"), armoured(elements[0], label)[:-9]):
        with pytest.raises(NotJudged, match=f"nothing under BEGIN {label}: give an?"):
            read(other)


def test_a_certificate_of_no_version_is_not_readable() -> None:
    with pytest.raises(NotJudged):
        material.certificates(TSU.certificate.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07"))


def test_a_list_of_an_issuer_without_a_readable_name_is_not_readable() -> None:
    odd = CRLS[0].replace(der.oid("2.5.4.6"), der.tlv(der.INTEGER, b"\2\5\4"), 1)
    with pytest.raises(NotJudged):
        material.crls(odd)


def test_long_armour_that_does_not_end_is_soon_refused() -> None:
    with pytest.raises(NotJudged):
        material.certificates(b"-----BEGIN CERTIFICATE-----" + b" " * 1_000_000)


def test_a_file_is_read_once_a_hash(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"one")
    datum = FileDatum(file)
    assert datum.digest("sha256") == OctetsDatum(b"one").digest("sha256") == hashlib.sha256(b"one").digest()
    file.write_bytes(b"two")
    assert datum.digest("sha256") == hashlib.sha256(b"one").digest()
    assert datum.digest("sha3-512") == hashlib.sha3_512(b"two").digest()


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotJudged, match=r"missing cannot be read \(No such file or directory\): correct the path"):
        FileDatum(tmp_path / "missing").digest("sha256")


def test_a_digest_is_what_it_is() -> None:
    assert DigestDatum(b"x").digest("sha1") == DigestDatum(b"x").digest("sha512") == b"x"
