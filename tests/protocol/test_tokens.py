"""TSTInfo and the token around it, octet for octet as another encoder writes them (RFC 3161 2.4.2, RFC 5652)."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import core
from asn1crypto import tsp as asn1_tsp
from asn1crypto.x509 import GeneralName, Name
from hypothesis import given
from hypothesis import strategies as st

from tests.support import der as by_hand
from tests.support.query import DEFAULT_POLICY, Query, imprint
from tests.support.shapes import nonces, oids
from tests.support.units import authority, grant, unit
from tsa.protocol import cms, der, tsp
from tsa.protocol.oids import HASHES, HashAlgorithm

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.integers(0, 4_000_000_000_000_000)  # µs, until 2096


def text_of(element: bytes) -> str:
    return by_hand.read(element).expect(by_hand.GENERALIZED_TIME).contents.decode()


@pytest.mark.parametrize("digits", range(7))
def test_fraction_digits_are_cut_not_rounded(digits: int) -> None:
    fraction = ".987654"[: digits + 1] if digits else ""
    assert text_of(tsp.generalized_time(1_000_000_000_987_654, digits)) == f"20010909014640{fraction}Z"


@pytest.mark.parametrize(
    ("microseconds", "digits", "expected"),
    [
        (0, 6, "19700101000000Z"),
        (500_000, 6, "19700101000000.5Z"),
        (500_000, 3, "19700101000000.5Z"),
        (120_000, 3, "19700101000000.12Z"),
        (1_000, 3, "19700101000000.001Z"),
        (999, 3, "19700101000000Z"),
        (100, 6, "19700101000000.0001Z"),
        (1, 6, "19700101000000.000001Z"),
        (999_999, 0, "19700101000000Z"),
        (951_782_400_000_000, 3, "20000229000000Z"),
    ],
)
def test_no_zero_ends_a_fraction(microseconds: int, digits: int, expected: str) -> None:
    """X.690 11.7.3 and 11.7.4."""
    assert text_of(tsp.generalized_time(microseconds, digits)) == expected


@given(moments)
def test_gen_time_is_that_of_another_encoder(microseconds: int) -> None:
    expected = core.GeneralizedTime(EPOCH + timedelta(microseconds=microseconds)).dump()
    assert tsp.generalized_time(microseconds, 6) == expected


@given(moments, st.integers(0, 6))
def test_the_digits_cut_off_are_all_that_gen_time_lacks(microseconds: int, digits: int) -> None:
    written = core.GeneralizedTime.load(tsp.generalized_time(microseconds, digits)).native
    unit_us = 10 ** (6 - digits)
    assert written == EPOCH + timedelta(microseconds=microseconds // unit_us * unit_us)


@given(st.integers(1, 10**12))
def test_accuracy_is_that_of_another_encoder(microseconds: int) -> None:
    seconds, rest = divmod(microseconds, 1_000_000)
    parts = {"seconds": seconds, "millis": rest // 1000, "micros": rest % 1000}
    expected = asn1_tsp.Accuracy({name: value for name, value in parts.items() if value}).dump()
    assert tsp.accuracy(microseconds) == expected


@pytest.mark.parametrize(
    ("microseconds", "parts"),
    [
        (1, {"micros": 1}),
        (999, {"micros": 999}),
        (1_000, {"millis": 1}),
        (1_001, {"millis": 1, "micros": 1}),
        (999_999, {"millis": 999, "micros": 999}),
        (1_000_000, {"seconds": 1}),
        (1_000_001, {"seconds": 1, "micros": 1}),
        (128_255_128, {"seconds": 128, "millis": 255, "micros": 128}),
    ],
)
def test_accuracy_has_no_part_that_is_zero(microseconds: int, parts: dict[str, int]) -> None:
    read = asn1_tsp.Accuracy.load(tsp.accuracy(microseconds), strict=True).native
    assert {name: value for name, value in read.items() if value is not None} == parts


@given(
    oids(),
    st.sampled_from(list(HASHES.values())),
    st.integers(1, 2**159 - 1),
    moments,
    st.integers(1, 60_000_000),
    st.none() | nonces(),
    st.booleans(),
)
def test_tst_info_is_that_of_another_encoder(
    policy: str,
    algorithm: HashAlgorithm,
    serial_number: int,
    gen_time: int,
    accuracy: int,
    nonce: int | None,
    with_name: bool,
) -> None:
    digest, subject = bytes(range(algorithm.digest_size)), unit().subject
    theirs = asn1_tsp.TSTInfo(
        {
            "version": "v1",
            "policy": policy,
            "message_imprint": {
                "hash_algorithm": {"algorithm": algorithm.oid, "parameters": core.Null()},
                "hashed_message": digest,
            },
            "serial_number": serial_number,
            "gen_time": EPOCH + timedelta(microseconds=gen_time),
            "accuracy": asn1_tsp.Accuracy.load(tsp.accuracy(accuracy)),
        }
    )
    if nonce is not None:
        theirs["nonce"] = nonce
    if with_name:
        theirs["tsa"] = GeneralName("directory_name", Name.load(subject))
    ours = tsp.tst_info(
        der.oid(policy),
        tsp.message_imprint(algorithm, digest),
        der.integer(serial_number),
        tsp.generalized_time(gen_time, 6) + tsp.accuracy(accuracy),
        b"" if nonce is None else der.integer(nonce),
        cms.tsa_name(subject) if with_name else b"",
    )
    assert ours == theirs.dump()


def redumped(response: bytes) -> bytes:
    """A TimeStampResp taken apart to the TSTInfo by another library, and written anew by it."""
    parsed = asn1_tsp.TimeStampResp.load(response, strict=True)
    content = parsed["time_stamp_token"]["content"]["encap_content_info"]["content"]
    assert content.parsed.native["version"] == "v1"
    assert parsed.native
    return bytes(parsed.dump(force=True))


@pytest.mark.parametrize("cert_req", [b"\xff", None])
@pytest.mark.parametrize("options", [{}, {"include_tsa_name": True, "signing_time": True, "fraction_digits": 6}])
@pytest.mark.parametrize("key_type", ["p256", "p384", "p521", "rsa2048", "rsa3072", "rsa4096", "ed25519"])
def test_a_whole_response_is_that_of_another_encoder(
    key_type: str, options: dict[str, bool | int], cert_req: bytes | None
) -> None:
    response = grant(authority(key_type, token=options), Query(cert_req=cert_req).encode())
    assert redumped(response) == response


# With these nonces and imprints the TSTInfo, or something around it, has 127, 128, 254, 255, 256 or 257 octets.
@pytest.mark.parametrize("size", [4, 5, 6, 8, 52, 53, 54, 55, 56, 57, 58, 65])
@pytest.mark.parametrize(("name", "policy"), [("sha256", DEFAULT_POLICY), ("sha512", f"2.999.{2**200}.{2**200}")])
def test_lengths_of_one_two_and_three_octets(size: int, name: str, policy: str) -> None:
    query = Query(imprint=imprint(name), nonce=b"\x5a" * size, policy=policy)
    response = grant(authority(policy={"default": policy}), query.encode())
    assert redumped(response) == response


SIGNER = unit().signer


@pytest.mark.parametrize("cert_req", [True, False])
@pytest.mark.parametrize("signature_size", [64, 71, 127, 128, 139, 252, 255, 256, 512])
def test_a_frame_holds_tst_info_and_signature_of_any_length(signature_size: int, cert_req: bool) -> None:
    template = cms.TokenTemplate(SIGNER)
    signature = hashlib.shake_256(b"signature").digest(signature_size)
    for size in range(60, 300):
        info = hashlib.shake_256(b"info").digest(size)
        signed = template.signed_attributes(template.before_digest(0), info)
        first = template.response(info, signed, signature, cert_req)
        assert parts(first) == (info, signed, signature, cert_req), size
        # The frame is kept: another token of these lengths differs from this one in nothing else.
        assert template.response(info[::-1], signed, signature, cert_req) == first.replace(info, info[::-1])


def parts(response: bytes) -> tuple[bytes, bytes, bytes, bool]:
    """TSTInfo, signed attributes as a SET OF, signature, and whether there are certificates; read strictly."""
    _, token = by_hand.read(response).of(by_hand.SEQUENCE)
    [signed_data] = token.of(by_hand.SEQUENCE)[1].of(0xA0)
    _, _, content, *certificates, signer_infos = signed_data.of(by_hand.SEQUENCE)
    [info] = content.of(by_hand.SEQUENCE)[1].of(0xA0)
    [signer_info] = signer_infos.of(by_hand.SET)
    *_, attributes, _, signature = signer_info.of(by_hand.SEQUENCE)
    signed = by_hand.tlv(by_hand.SET, attributes.expect(0xA0).contents)
    return info.contents, signed, signature.contents, [each.tag for each in certificates] == [0xA0]


def test_the_attributes_are_a_der_set_with_and_without_signing_time() -> None:
    for signing_time in (False, True):
        template = cms.TokenTemplate(SIGNER, signing_time=signing_time)
        before = template.before_digest(1_000_000_000_000_000)
        attributes = by_hand.read(template.signed_attributes(before, b"info")).of(by_hand.SET)
        octets = [attribute.raw for attribute in attributes]
        assert octets == sorted(octets)
        assert len(octets) == 3 + signing_time
        times = [raw for raw in octets if b"\x17\x0d010909014640Z" in raw]
        assert len(times) == signing_time


def test_the_digest_in_the_attributes_is_that_of_the_tst_info() -> None:
    template = cms.TokenTemplate(SIGNER)
    signed = template.signed_attributes(template.before_digest(0), b"info")
    assert signed.count(hashlib.sha256(b"info").digest()) == 1
