"""A signature is judged by an algorithm that fits its key and its digest; parameters that are odd are told."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, padding

from certs.der import Malformed, Reader
from certs.signatures import MAX_OCTETS, AlgorithmIdentifier, check_signature
from tests.support import der
from tests.support.query import DIGEST_OIDS, NULL
from tests.vectors.keys import ec_key, ed25519_key, rsa_key

RSA, EC, EDWARDS = rsa_key("algorithms"), ec_key("algorithms"), ed25519_key("algorithms")
DATA = b"signed attributes"
PSS, MGF1 = "1.2.840.113549.1.1.10", "1.2.840.113549.1.1.8"


def identifier(name: str) -> bytes:
    return der.sequence(der.oid(DIGEST_OIDS[name]))


def pss(*fields: tuple[int, bytes]) -> AlgorithmIdentifier:
    return AlgorithmIdentifier(PSS, der.sequence(*(der.tlv(0xA0 | number, each) for number, each in fields)))


def mask(name: str, dotted: str = MGF1) -> bytes:
    return der.sequence(der.oid(dotted), identifier(name))


def signed_pss(name: hashes.HashAlgorithm, masked: hashes.HashAlgorithm, salt: int) -> bytes:
    return RSA.sign(DATA, padding.PSS(padding.MGF1(masked), salt), name)


@pytest.mark.parametrize(
    ("algorithm", "digest", "signature"),
    [
        (pss(), "sha1", signed_pss(hashes.SHA1(), hashes.SHA1(), 20)),  # noqa: S303 - the defaults of RFC 4055
        (
            pss((0, identifier("sha512")), (1, mask("sha256")), (2, der.integer(0)), (3, der.integer(1))),
            "sha512",
            signed_pss(hashes.SHA512(), hashes.SHA256(), 0),
        ),
        (
            AlgorithmIdentifier("2.16.840.1.101.3.4.3.14", NULL),
            "sha3-256",
            RSA.sign(DATA, padding.PKCS1v15(), hashes.SHA3_256()),
        ),
        (AlgorithmIdentifier("1.2.840.113549.1.1.1"), "sha224", RSA.sign(DATA, padding.PKCS1v15(), hashes.SHA224())),
    ],
)
def test_rsa_by_its_parameters(algorithm: AlgorithmIdentifier, digest: str, signature: bytes) -> None:
    check_signature(RSA.public_key(), algorithm, digest, signature, DATA)
    with pytest.raises(InvalidSignature):
        check_signature(RSA.public_key(), algorithm, digest, signature, DATA + b".")


@pytest.mark.parametrize(
    ("algorithm", "sentence"),
    [
        (AlgorithmIdentifier(PSS), "RSASSA-PSS-params"),
        (pss((0, der.sequence(der.oid("2.999")))), "Expected the hash to be one of sha1, .* found 2.999"),
        (pss((0, der.sequence(der.oid(DIGEST_OIDS["sha256"]), b"\x02\x01\x05"))), "sha256 with parameters 020105"),
        (pss((1, mask("sha256", "2.999"))), "Expected MGF1"),
        (pss((2, der.integer(-1))), "saltLength of at most 512, found -1"),
        (pss((2, der.integer(513))), "saltLength of at most 512, found 513"),
        (pss((3, der.integer(2))), "the trailerField 1, found 2"),
        (pss((4, der.integer(2))), "the end of RSASSA-PSS-params"),
        (pss((0, identifier("sha256"))), r"the digestAlgorithm sha1, found .* \(sha256\)"),
        (AlgorithmIdentifier("1.2.840.10045.4.3.2"), "which is of the kind RSA, found 1.2.840.10045.4.3.2"),
        (AlgorithmIdentifier("2.999"), "which is of the kind RSA, found 2.999"),
    ],
)
def test_what_does_not_fit_is_told(algorithm: AlgorithmIdentifier, sentence: str) -> None:
    with pytest.raises(Malformed, match=sentence):
        check_signature(RSA.public_key(), algorithm, "sha1", b"", DATA)


def test_other_keys_by_their_algorithms() -> None:
    p256 = EC.sign(DATA, ec.ECDSA(hashes.SHA3_256()))
    check_signature(EC.public_key(), AlgorithmIdentifier("2.16.840.1.101.3.4.3.10"), "sha3-256", p256, DATA)
    edwards, dotted = EDWARDS.sign(DATA), AlgorithmIdentifier("1.3.101.112")
    check_signature(EDWARDS.public_key(), dotted, "sha512", edwards, DATA)
    with pytest.raises(Malformed, match="the digestAlgorithm sha256"):
        check_signature(EDWARDS.public_key(), dotted, "sha256", edwards, DATA)
    for key, kind in ((None, "NoneType"), (ed448.Ed448PrivateKey.generate().public_key(), "Ed448PublicKey")):
        with pytest.raises(Malformed, match=f"of the kind {kind}"):
            check_signature(key, dotted, "sha512", edwards, DATA)


def test_without_a_digest_beside_it_the_algorithm_must_name_one() -> None:
    signature = RSA.sign(DATA, padding.PKCS1v15(), hashes.SHA256())
    check_signature(RSA.public_key(), AlgorithmIdentifier("1.2.840.113549.1.1.11"), None, signature, DATA)
    with pytest.raises(Malformed, match="the digestAlgorithm None"):
        check_signature(RSA.public_key(), AlgorithmIdentifier("1.2.840.113549.1.1.1"), None, signature, DATA)


def test_an_identifier_is_not_too_large() -> None:
    with pytest.raises(Malformed, match=f"it of at most {MAX_OCTETS} octets"):
        AlgorithmIdentifier.read(Reader(der.sequence(der.oid("2.999"), bytes(MAX_OCTETS))), "it")


def test_null_parameters_are_as_good_as_none() -> None:
    read = AlgorithmIdentifier.read(Reader(der.sequence(der.oid(DIGEST_OIDS["sha256"]), NULL)), "it")
    assert read.without_null() == AlgorithmIdentifier(DIGEST_OIDS["sha256"]) == read.without_null().without_null()
    assert read.hash_name("it") == "sha256"
