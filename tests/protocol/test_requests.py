"""TimeStampReq: what is encoded is decoded, as another encoder writes it, and anything else is a refusal."""

import pytest
from asn1crypto import core
from asn1crypto import tsp as asn1_tsp
from hypothesis import given

from tests.support import der as by_hand
from tests.support.query import NULL, Query, extension, imprint, imprint_of
from tests.support.shapes import octets, requests
from tsa.protocol import der, tsp
from tsa.protocol.errors import Refusal
from tsa.protocol.oids import HASHES, HashAlgorithm
from tsa.protocol.tsp import TimeStampReq, decode_request, encode_request, request_for


@given(requests())
def test_decode_is_the_inverse_of_encode(request_: TimeStampReq) -> None:
    assert decode_request(encode_request(request_)) == request_


@pytest.mark.parametrize(("nonce", "cert_req"), [(None, False), (1 << 62, True)])
def test_a_request_for_a_digest_is_read_as_it_was_made(nonce: int | None, cert_req: bool) -> None:
    made = request_for(HASHES["sha384"], bytes(48), nonce=nonce, cert_req=cert_req)
    assert decode_request(encode_request(made)) == made
    assert (made.nonce, made.cert_req) == (b"" if nonce is None else der.integer(nonce), cert_req)


@given(requests())
def test_another_encoder_writes_the_same_octets(request_: TimeStampReq) -> None:
    ours = encode_request(request_)
    theirs = asn1_tsp.TimeStampReq.load(ours, strict=True)
    assert theirs["version"].native == "v1"
    assert theirs["message_imprint"]["hash_algorithm"]["algorithm"].dotted == request_.hash_algorithm.oid
    assert theirs["message_imprint"].dump() == request_.message_imprint
    assert theirs["req_policy"].dump() == request_.req_policy
    assert theirs["nonce"].dump() == request_.nonce
    assert theirs["cert_req"].native is request_.cert_req
    assert tuple(each["extn_id"].dotted for each in theirs["extensions"] or ()) == request_.extensions

    rebuilt = asn1_tsp.TimeStampReq(
        {
            "version": "v1",
            "message_imprint": asn1_tsp.MessageImprint.load(theirs["message_imprint"].dump(force=True)),
            "cert_req": request_.cert_req,
        }
    )
    if request_.req_policy:
        rebuilt["req_policy"] = der.dotted(_content(request_.req_policy))
    if request_.nonce:
        rebuilt["nonce"] = int.from_bytes(_content(request_.nonce), "big", signed=True)
    if request_.extensions:
        rebuilt["extensions"] = [{"extn_id": oid, "extn_value": core.OctetString(b"")} for oid in request_.extensions]
    assert rebuilt.dump() == ours


def _content(element: bytes) -> bytes:
    return by_hand.read(element).contents


@pytest.mark.parametrize("algorithm", HASHES.values(), ids=HASHES)
@pytest.mark.parametrize("null_parameters", [True, False])
def test_imprints_are_those_of_another_encoder(algorithm: HashAlgorithm, null_parameters: bool) -> None:
    digest = bytes(range(algorithm.digest_size))
    identifier = by_hand.sequence(by_hand.oid(algorithm.oid), NULL if null_parameters else b"")
    expected = imprint_of(identifier, digest)
    assert tsp.message_imprint(algorithm, digest, null_parameters=null_parameters) == expected
    assert decode_request(by_hand.sequence(by_hand.integer(1), expected)) == TimeStampReq(expected, algorithm)


@given(octets)
def test_any_octets_are_a_request_or_a_refusal(data: bytes) -> None:
    try:
        request_ = decode_request(data)
    except Refusal as refusal:
        sentence = str(refusal)
        assert sentence.endswith((".", "?"))
    else:
        # The one liberty that is taken with DER is the content octet of certReq, and FALSE written out.
        assert len(encode_request(request_)) <= len(data)
        assert request_.message_imprint in data


@given(requests())
def test_no_octet_may_be_missing_and_none_may_follow(request_: TimeStampReq) -> None:
    data = encode_request(request_)
    for end in range(len(data)):
        with pytest.raises(Refusal):
            decode_request(data[:end])
    with pytest.raises(Refusal):
        decode_request(data + b"\0")


@pytest.mark.parametrize(
    ("content", "cert_req"), [(b"\0", False), (b"\xff", True), (b"\x01", True), (b"\x80", True), (None, False)]
)
def test_cert_req_is_true_for_any_octet_but_zero(content: bytes | None, cert_req: bool) -> None:
    assert decode_request(Query(cert_req=content).encode()).cert_req is cert_req


POLICY, NONCE, CERT_REQ = der.oid("2.999"), der.integer(7), der.tlv(der.BOOLEAN, b"\xff")
EXTENSIONS = extension("2.999.1", critical=False)


@pytest.mark.parametrize(
    "fields",
    [
        (NONCE, POLICY),
        (CERT_REQ, NONCE),
        (EXTENSIONS, CERT_REQ),
        (EXTENSIONS, POLICY),
        (NONCE, NONCE),
        (CERT_REQ, CERT_REQ),
        (EXTENSIONS, EXTENSIONS),
        (POLICY, POLICY),
        (der.NULL,),
        (NONCE, der.NULL),
    ],
)
def test_fields_out_of_order_or_twice_are_refused(fields: tuple[bytes, ...]) -> None:
    with pytest.raises(Refusal, match="belongs to no field"):
        decode_request(by_hand.sequence(by_hand.integer(1), imprint(), *fields))


def test_an_extension_is_named_though_its_value_is_not_read() -> None:
    data = Query(extensions=extension("2.999.77", critical=True)).encode()
    assert decode_request(data).extensions == ("2.999.77",)
