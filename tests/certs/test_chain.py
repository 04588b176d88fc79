"""Certificates in files, and the chain found among them."""

import itertools
import os
import stat
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.chain import CertificateFault, build_chain, read_certificates, write_pem
from certs.profile import signature_hash
from signer.key import PrivateKey
from signer.software import generate

NOW = datetime.now(UTC)
KEYS = {name: generate("p256") for name in ("root", "upper", "lower", "tsa", "other")}
RSA_KEY = generate("rsa2048")


def issue(subject: str, key: PrivateKey, issuer: str, issuer_key: PrivateKey, *, age_days: int = 1) -> x509.Certificate:
    """A certificate with nothing in it but the names and the signature, which is all that a chain is found by."""
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(f"CN={subject}"))
        .issuer_name(x509.Name.from_rfc4514_string(f"CN={issuer}"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=age_days))
        .not_valid_after(NOW + timedelta(days=30))
        .sign(issuer_key, signature_hash(issuer_key))
    )


ROOT = issue("root", KEYS["root"], "root", KEYS["root"])
UPPER = issue("upper", KEYS["upper"], "root", KEYS["root"])
LOWER = issue("lower", KEYS["lower"], "upper", KEYS["upper"])
TSA = issue("tsa", KEYS["tsa"], "lower", KEYS["lower"])
STRANGER = issue("stranger", KEYS["other"], "stranger", KEYS["other"])
KEY = KEYS["tsa"].public_key()


@pytest.mark.parametrize("files", list(itertools.permutations([ROOT, UPPER, LOWER, TSA])))
def test_three_levels_are_found_in_any_order(files: Sequence[x509.Certificate]) -> None:
    chain = build_chain(KEY, files, [])
    assert (chain.certificate, chain.intermediates, chain.anchor) == (TSA, (LOWER, UPPER), ROOT)


def test_certificates_that_have_no_part_in_it_are_left_out() -> None:
    chain = build_chain(KEY, [STRANGER, UPPER, TSA, LOWER, TSA], [STRANGER, ROOT])
    assert (chain.certificate, chain.intermediates, chain.anchor) == (TSA, (LOWER, UPPER), ROOT)


def test_an_anchor_need_not_be_self_signed() -> None:
    chain = build_chain(KEY, [TSA, LOWER, UPPER, ROOT], [UPPER])
    assert (chain.certificate, chain.intermediates, chain.anchor) == (TSA, (LOWER,), UPPER)


def test_a_cross_signed_issuer_is_followed_on_the_way_that_ends_at_the_anchor() -> None:
    crossed = issue("upper", KEYS["upper"], "nowhere", KEYS["other"])
    for files in ([crossed, UPPER], [UPPER, crossed]):
        assert build_chain(KEY, [TSA, LOWER, *files], [ROOT]).intermediates == (LOWER, UPPER)


def test_certificates_that_sign_each_other_end_in_a_fault_not_in_a_loop() -> None:
    lower = issue("lower", KEYS["lower"], "upper", KEYS["upper"])
    upper = issue("upper", KEYS["upper"], "lower", KEYS["lower"])
    with pytest.raises(CertificateFault, match="CN=upper is issued by CN=lower, which is in none"):
        build_chain(KEY, [TSA, lower, upper], [ROOT])


def test_the_renewed_certificate_of_a_key_counts() -> None:
    older = issue("tsa", KEYS["tsa"], "lower", KEYS["lower"], age_days=20)
    for files in ([older, TSA], [TSA, older]):
        assert build_chain(KEY, [*files, LOWER, UPPER], [ROOT]).certificate == TSA


SAME_NAME = issue("lower", KEYS["other"], "upper", KEYS["upper"])
SELF_ISSUED = issue("tsa", KEYS["tsa"], "tsa", KEYS["tsa"])


@pytest.mark.parametrize(
    ("files", "anchors", "sentence"),
    [
        ([ROOT, LOWER], [], "None of the certificates given is for this key"),
        ([], [ROOT], "None of the certificates given is for this key"),
        ([TSA], [ROOT], "CN=tsa is issued by CN=lower, which is in none of the files: give its certificate with --ca"),
        ([TSA, LOWER], [ROOT], "CN=lower is issued by CN=upper, which is in none of the files"),
        ([TSA, LOWER, UPPER], [], "CN=upper is issued by CN=root, which is in none of the files"),
        ([TSA, LOWER, UPPER, ROOT], [STRANGER], "ends at CN=root, which is not among the trusted: give it with --ca"),
        ([TSA, SAME_NAME], [ROOT], "issued by CN=lower, but with another key than that of the certificate given"),
        ([SELF_ISSUED, ROOT], [], "CN=tsa is signed with its own key: have a CA issue one"),
    ],
)
def test_what_is_missing_is_named(
    files: list[x509.Certificate], anchors: list[x509.Certificate], sentence: str
) -> None:
    with pytest.raises(CertificateFault, match=sentence):
        build_chain(KEY, files, anchors)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_pem_file_is_replaced_whole_and_readable_by_all(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "chain.pem"
    before = os.umask(umask)
    try:
        write_pem(path, [ROOT])
        write_pem(path, [TSA, LOWER])
    finally:
        os.umask(before)
    assert read_certificates(path) == [TSA, LOWER]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_pem_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "chain.pem"
    write_pem(path, [ROOT])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CertificateFault, match=r"cannot be written .No space left on device"):
        write_pem(path, [TSA])
    assert read_certificates(path) == [ROOT]
    assert list(tmp_path.iterdir()) == [path]


def test_a_single_der_certificate_is_read(tmp_path: Path) -> None:
    (tmp_path / "tsa.der").write_bytes(TSA.public_bytes(Encoding.DER))
    assert read_certificates(tmp_path / "tsa.der") == [TSA]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no certificate",
        TSA.public_bytes(Encoding.DER) + b"\0",
        TSA.public_bytes(Encoding.PEM)[:300],
        TSA.public_bytes(Encoding.PEM).replace(b"CERTIFICATE", b"PUBLIC KEY"),
    ],
)
def test_a_file_without_a_certificate_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tsa.pem"
    path.write_bytes(content)
    with pytest.raises(CertificateFault, match=f"{path} holds no readable certificate: give X.509"):
        read_certificates(path)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CertificateFault, match=r"none cannot be read .No such file"):
        read_certificates(tmp_path / "none")
