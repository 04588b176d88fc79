"""Responses, TSTInfos, queries and SignedData with parts that few have, and what they are refused for."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from certs.der import MAX_ELEMENTS, Malformed, Reader
from tests.support import der
from tests.support.query import Query as Asked
from tests.support.query import imprint
from tests.vectors.parties import ISSUING, TSU
from tests.vectors.revocation_data import CRLS, ocsp
from tests.vectors.tokens import Token, TstInfo, accuracy, response, status_string
from tsa.verify.message import Query, Response
from tsa.verify.message import TstInfo as ReadInfo
from tsa.verify.signed_data import SignedData, content_info

GOOD = Token()


def signed_data(token: Token) -> SignedData:
    return SignedData.read(Reader(token.signed_data()))


def test_a_response_has_its_status_and_texts() -> None:
    texts = der.sequence(der.tlv(der.UTF8_STRING, b"No."), der.tlv(der.UTF8_STRING, b"\x1b Not\xff today."))
    read = Response.read(response(b"", 2, texts))
    assert (read.status, read.texts, read.token) == (2, ("No.", "\\1b Not\ufffd today."), b"")
    assert Response.read(response(GOOD.encode(), 0, status_string("Fine."))).token == GOOD.encode()
    assert Response.read(GOOD.encode()) == Response(None, (), GOOD.encode())


def test_gen_time_keeps_microseconds() -> None:
    for text, microsecond in (("59.1234567Z", 123456), ("59.5Z", 500_000), ("59Z", 0)):
        read = ReadInfo.read(TstInfo(gen_time=f"202602282359{text}").encode())
        assert read.gen_time == datetime(2026, 2, 28, 23, 59, 59, microsecond, UTC)


@pytest.mark.parametrize("text", ["00000101000000Z", "20260631000000Z", "20260101000060Z", "20260101000000.Z", "", "é"])
def test_gen_time_must_be_a_time(text: str) -> None:
    with pytest.raises(Malformed, match="Expected genTime such as"):
        ReadInfo.read(TstInfo(gen_time=text).encode())


@pytest.mark.parametrize(
    ("encoded", "microseconds"),
    [
        (accuracy(0), 0),
        (accuracy(None), 0),
        (accuracy(2, 500, 7), 2_500_007),
        (accuracy(None, None, 999), 999),
        (b"", None),
    ],
)
def test_accuracy_is_in_microseconds(encoded: bytes, microseconds: int | None) -> None:
    assert ReadInfo.read(TstInfo(accuracy=encoded).encode()).accuracy_us == microseconds


def extensions(*critical: bytes) -> bytes:
    value = der.tlv(der.OCTET_STRING, b"x")
    return der.tlv(0xA1, *(der.sequence(der.oid(f"2.999.{at}"), each, value) for at, each in enumerate(critical)))


def test_only_critical_extensions_are_told() -> None:
    encoded = extensions(b"", der.tlv(der.BOOLEAN, b"\x00"), der.tlv(der.BOOLEAN, b"\xff"))
    assert ReadInfo.read(TstInfo(extensions=encoded).encode()).critical == ("2.999.2",)
    assert ReadInfo.read(TstInfo().encode()).critical == ()


def test_a_query_has_its_fields() -> None:
    asked = Asked(nonce=b"\x12", policy="2.999.7", cert_req=b"\x01")
    read = Query.read(asked.encode())
    assert (read.policy, read.nonce, read.cert_req) == ("2.999.7", 0x12, True)
    bare = Query.read(der.sequence(der.integer(1), imprint()))
    assert (bare.policy, bare.nonce, bare.cert_req) == (None, None, False)
    written = (der.tlv(der.BOOLEAN, b"\x00"), der.tlv(0xA0, b"anything"))
    assert Query.read(der.sequence(der.integer(1), imprint(), *written)).cert_req is False
    with pytest.raises(Malformed, match="version 1 of TimeStampReq, found 2"):
        Query.read(der.sequence(der.integer(2), imprint()))


def test_certificates_of_all_kinds_are_told_apart() -> None:
    attribute_certificate, other = der.tlv(0xA2, der.integer(1)), der.tlv(0xA3, der.oid("2.999"))
    read = signed_data(replace(GOOD, certificates=(attribute_certificate, TSU.certificate, other, ISSUING.certificate)))
    assert read.certificates == (TSU.certificate, ISSUING.certificate)
    assert read.attribute_certificates[0] == der.sequence(der.integer(1))


def test_there_are_not_too_many_certificates() -> None:
    assert len(signed_data(replace(GOOD, certificates=(der.sequence(),) * MAX_ELEMENTS)).certificates) == MAX_ELEMENTS
    with pytest.raises(Malformed, match=f"at most {MAX_ELEMENTS} of certificates"):
        signed_data(replace(GOOD, certificates=(der.sequence(),) * (MAX_ELEMENTS + 1)))


def test_revocation_information_of_all_kinds_is_told_apart() -> None:
    answer = ocsp(TSU, ISSUING)
    embedded = der.tlv(0xA1, der.oid("1.3.6.1.5.5.7.16.2"), answer)
    others = (der.tlv(0xA1, der.oid("2.999"), answer), der.tlv(0xA2), der.tlv(0xA1, der.integer(1)))
    read = signed_data(replace(GOOD, crls=(others[0], CRLS[0], embedded, *others[1:])))
    assert (read.crls, read.ocsps) == ((CRLS[0],), (answer,))


def test_a_content_info_is_alone() -> None:
    assert content_info(GOOD.encode())[0] == "1.2.840.113549.1.7.2"
    with pytest.raises(Malformed, match="the end of the ContentInfo"):
        content_info(GOOD.encode() + b"\0")
    with pytest.raises(Malformed, match="the end of ContentInfo"):
        content_info(der.sequence(der.oid("2.999"), der.tlv(0xA0), der.integer(1)))
