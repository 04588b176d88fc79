"""`openssl ts -verify` and our verifier judge every vector alike, but for those that docs/divergences.md explains."""

from pathlib import Path

import pytest

from tests.support.judging import openssl_proves, openssl_version
from tests.vectors.make import MAKERS
from tests.vectors.vector import Maker

DIVERGENCES = Path(__file__).parents[2] / "docs" / "divergences.md"
# Where openssl 3.0 says otherwise: the words that begin the explanation in docs/divergences.md → the vectors.
DIFFERENCES = {
    "DER": {
        "attributes-out-of-order",
        "content-trailing-octets",
        "indefinite-with-a-trailing-octet",
        "long-length",
        "padded-and-more",
        "trailing-octet",
        "two-megabytes",
        "two-responses",
    },
    "Signed attributes": {
        "content-type-attribute-data",
        "content-type-missing",
        "content-type-of-two-values",
        "content-type-twice",
        "message-digest-of-two-values",
        "message-digest-repeated",
        "message-digest-twice",
        "signing-certificate-of-two-values",
    },
    "genTime and accuracy": {name for name in MAKERS if name.startswith(("gen-time-", "accuracy-"))}
    - {
        "accuracy-absent",
        "accuracy-in-full",
        "gen-time-as-utc-time",
        "gen-time-with-a-fraction",
    },
    "Extensions of a TSTInfo": {"unknown-critical-extension"},
    "MD5": {"certificate-md5", "imprint-md5", "issuer-md5"},
    "The query": {"certificates-left-out", "certificates-not-asked-for", "nonce-added"},
    "Limits": {"names-without-end"},
    "signatureAlgorithm": {
        "ecdsa-named-for-another-digest",
        "ed25519-named-for-an-elliptic-key",
        "rsa-digest-of-another",
        "rsa-named-for-an-elliptic-key",
        "rsa-pkcs1-named-pss",
    },
    "Revocation": {name for name, maker in MAKERS.items() if maker.verdict == "not proved, step 12"}
    - {"ocsp-in-the-token-revokes"}  # a token that openssl cannot even read
    | {"list-of-version-6", "list-unreadable", "ocsp-unreadable"},
    "Encodings": {"bare-token-in-base64", "bare-token-in-pem", "indefinite-throughout", "response-in-base64"},
    "Newer forms of SignedData": {"attribute-certificate", "other-certificate-format", "subject-key-identifier"},
    "Newer signatures": {"ed25519", "rsa-pss"},
    "digestAlgorithms": {"digest-algorithms-without-the-signers"},
    "Anchors": {"anchor-is-the-issuer", "anchor-is-the-tsu"},
    "An unreadable certificate": {"certificate-unreadable"},
    "A lookalike": {"lookalike-first"},
}


@pytest.fixture(scope="module")
def differing(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The vectors that openssl judges otherwise than INDEX.md, to which tests/verify/test_vectors.py holds us."""
    made = tmp_path_factory.mktemp("vectors")
    return {maker.name for maker in MAKERS.values() if _is_otherwise(maker, made)}


def _is_otherwise(maker: Maker, made: Path) -> bool:
    vector, folder = maker.make(), made / maker.name
    vector.store(folder)
    return openssl_proves(folder, vector) != maker.verdict.startswith("proved")


def test_openssl_agrees_but_for_the_differences(differing: set[str]) -> None:
    explained = {name for names in DIFFERENCES.values() for name in names}
    assert differing <= explained
    if openssl_version().startswith("OpenSSL 3.0."):  # a later one may have come nearer
        assert differing == explained


def test_every_difference_is_explained() -> None:
    text = DIVERGENCES.read_text()
    assert [title for title in DIFFERENCES if f"- *{title}.*" not in text] == []


def test_no_vector_is_in_two_groups() -> None:
    names = [name for names in DIFFERENCES.values() for name in names]
    assert len(names) == len(set(names))
    assert set(names) <= MAKERS.keys()
