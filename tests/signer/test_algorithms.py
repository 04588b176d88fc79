"""The table of algorithms says the same as hashlib, asn1crypto and `cryptography`, and as the list of the protocol."""

import hashlib

import pytest
from asn1crypto.algos import DigestAlgorithmId, SignedDigestAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed448
from cryptography.x509.oid import PublicKeyAlgorithmOID, SignatureAlgorithmOID

from signer.algorithms import (
    ALGORITHMS,
    HASHES,
    HASHES_BY_OID,
    RSA_ENCRYPTION,
    RSASSA_PSS,
    SIGNATURES,
    Algorithm,
    KeyKind,
    kind_of,
)
from signer.software import KEY_TYPES, generate
from tsa.protocol import oids


@pytest.mark.parametrize("name", HASHES)
def test_a_hash_is_the_one_of_its_name(name: str) -> None:
    known = HASHES[name]
    assert known.name == name
    assert HASHES_BY_OID[known.oid] is known
    assert DigestAlgorithmId(known.oid).native == name.replace("-", "_")
    assert hashlib.new(name).name in (name, name.replace("-", "_"))
    assert known.algorithm.name == name
    assert known.digest_size == hashlib.new(name).digest_size


def test_the_hashes_that_a_request_may_use_are_of_the_table() -> None:
    """The protocol imports nothing of ours, so its list has names, OIDs and sizes of its own."""
    for accepted in oids.HASHES.values():
        known = HASHES[accepted.name]
        assert (accepted.oid, accepted.digest_size) == (known.oid, known.digest_size)


@pytest.mark.parametrize("oid", SIGNATURES)
def test_a_signature_algorithm_is_the_one_of_its_oid(oid: str) -> None:
    known = SIGNATURES[oid]
    assert known.oid == oid
    if known.kind is KeyKind.ED25519:
        expected = SignatureAlgorithmOID.ED25519
        assert known.digest == "sha512"
    elif known.digest is None:
        expected = {
            RSA_ENCRYPTION: PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5,
            RSASSA_PSS: SignatureAlgorithmOID.RSASSA_PSS,
        }[oid]
    else:
        kind = {KeyKind.RSA: "RSA", KeyKind.EC: "ECDSA"}[known.kind]
        expected = getattr(SignatureAlgorithmOID, f"{kind}_WITH_{known.digest.upper().replace('-', '_')}")
    assert expected.dotted_string == oid


def test_a_row_for_every_type_of_key_there_is() -> None:
    assert tuple(each.key_type for each in ALGORITHMS) == KEY_TYPES


@pytest.mark.parametrize("row", ALGORITHMS, ids=[each.key_type for each in ALGORITHMS])
def test_a_key_signs_certificates_as_it_signs_tokens(row: Algorithm) -> None:
    """RSA alone has another identifier there, which names the hash (RFC 4055 5)."""
    assert kind_of(generate(row.key_type).public_key()) == row.kind
    named = SignedDigestAlgorithm.load(row.certificate_identifier, strict=True)
    known = SIGNATURES[named["algorithm"].dotted]
    assert (known.kind, known.digest) == (row.kind, row.digest)
    assert row.certificate_identifier.endswith(b"\x05\x00") is (row.kind is KeyKind.RSA)
    assert (row.identifier == row.certificate_identifier) is (row.kind is not KeyKind.RSA)
    if row.certificate_hash is None:
        assert row.kind is KeyKind.ED25519
    else:
        assert row.certificate_hash.name == row.digest


def test_another_key_is_of_no_kind() -> None:
    assert kind_of(ed448.Ed448PrivateKey.generate().public_key()) is None
    assert kind_of(None) is None
