"""The corpus against the real server: each request gets the answer that it expects; and wrong answers are seen."""

from collections import Counter

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from bench import api
from bench.capacity import authority
from bench.capacity.corpus import BAD, Asked, Corpus, read
from bench.capacity.record import EXHAUSTED, GOOD, GRANTED, NO_ANSWER
from tests.support.server import Server
from tsa.protocol import der, tsp
from tsa.protocol.errors import PKIFailureInfo
from tsa.verify.token import check_token

CORPUS = Corpus(b"salt of the tests")
ROUND = 40


@pytest.fixture(scope="module")
def good(server: Server) -> tuple[Asked, bytes]:
    """A good request, and the real server's answer to it."""
    asked = CORPUS.request(GOOD, "answered", 0)
    status, body = api.post(server.url, "", asked.request)
    assert status == 200
    return asked, body


def test_every_good_request_is_granted_and_proved(server: Server) -> None:
    check = authority.verifier(server.url)
    serials = set()
    for number in range(ROUND):
        asked = CORPUS.request(GOOD, "granted", number)
        status, body = api.post(server.url, "", asked.request)
        answer = read(status, body, "", asked)
        assert (answer.got, answer.fault) == (asked.expected, "")
        assert check(asked.request, body) == ""
        assert answer.gen_time is not None
        serials.add(answer.serial)
    assert len(serials) == ROUND


def test_good_requests_are_a_mix() -> None:
    requests = [tsp.decode_request(CORPUS.request(GOOD, "mix", number).request) for number in range(200)]
    assert {request.hash_algorithm.name for request in requests} == {"sha256", "sha384", "sha512", "sha3-256"}
    assert {request.cert_req for request in requests} == {True, False}
    assert min(Counter(der.NULL in request.message_imprint[:20] for request in requests).values()) > 20


@pytest.mark.parametrize("kind", BAD)
def test_every_bad_request_is_refused_as_it_expects(server: Server, kind: str) -> None:
    for number in range(8):
        asked = CORPUS.request(kind, "refused", number)
        assert asked.expected in PKIFailureInfo.__members__
        assert read(*api.post(server.url, "", asked.request), "", asked).got == asked.expected


def test_no_two_requests_are_alike() -> None:
    asked = [
        Corpus(salt).request(kind, part, number)
        for salt in (b"one", b"two")
        for kind in (GOOD, "extension")
        for part in ("steady", "burst")
        for number in range(50)
    ]
    for values in ([each.request for each in asked], [each.imprint for each in asked], [each.nonce for each in asked]):
        assert len(set(values)) == len(asked)


def test_where_the_licence_is_exhausted_a_good_request_is_to_be_refused() -> None:
    assert CORPUS.request(GOOD, "edge", 0, exhausted=True).expected == EXHAUSTED
    assert CORPUS.request("SHA-1", "edge", 0, exhausted=True).expected == "badAlg"


def test_gen_time_is_read_with_its_fraction(good: tuple[Asked, bytes], server: Server) -> None:
    asked, body = good
    certificates = tuple(x509.load_pem_x509_certificates(server.tsa_pem.read_bytes()))
    token = check_token(body, asked.request, certificates)
    assert read(200, body, "", asked).gen_time == pytest.approx(token.gen_time.timestamp(), abs=1e-6)
    assert read(200, body, "", asked).serial == der.integer(token.serial_number)[2:]


def test_a_token_for_something_else_is_seen(good: tuple[Asked, bytes]) -> None:
    asked, body = good
    other = CORPUS.request(GOOD, "answered", 1)
    assert read(200, body, "", other).fault == "imprint"
    assert read(200, body, "", asked._replace(nonce=other.nonce)).fault == "nonce"
    assert read(200, body.replace(asked.nonce, b"\x04" + asked.nonce[1:]), "", asked).fault == "nonce"


@pytest.mark.parametrize(
    ("status", "body", "got"),
    [
        (503, b"", "HTTP 503"),
        (429, b"anything", EXHAUSTED),
        (0, None, f"{NO_ANSWER}: reset"),
        (200, None, f"{NO_ANSWER}: the body is no TimeStampResp"),
        (200, b"<html>", f"{NO_ANSWER}: the body is no TimeStampResp"),
        (200, bytes.fromhex("30053003020102"), "PKIStatus 2 without failInfo"),
        (200, bytes.fromhex("3009300702010203020780"), "badAlg"),
        (200, bytes.fromhex("30093007020102030205a0"), "badAlg and badRequest"),
        (200, bytes.fromhex("3009300702010203020640"), "failInfo bit 1"),
        (200, bytes.fromhex("3009300702010203020700"), "failInfo without a bit"),
        (200, bytes.fromhex("300d300b020102030600ffffffffff"), f"{NO_ANSWER}: the body is no TimeStampResp"),
        (200, bytes.fromhex("300a3008020601ffffffffff"), f"{NO_ANSWER}: the body is no TimeStampResp"),
    ],
)
def test_what_is_no_token_is_named(status: int, body: bytes | None, got: str) -> None:
    answer = read(status, body, "reset", CORPUS.request(GOOD, "named", 0))
    assert answer.got.startswith(got)
    assert answer.fault == ""


def test_what_went_wrong_is_told_in_one_short_line() -> None:
    got = read(0, None, "\x1b]0;title\x07" + "long " * 100, CORPUS.request(GOOD, "told", 0)).got
    assert got.isprintable()
    assert len(got) < 250


@given(st.binary(max_size=200))
def test_no_body_makes_it_raise(body: bytes) -> None:
    assert read(200, body, "", CORPUS.request(GOOD, "any", 0)).got


@given(st.data())
def test_no_cut_or_changed_token_makes_it_raise(good: tuple[Asked, bytes], data: st.DataObject) -> None:
    asked, body = good
    at = data.draw(st.integers(0, len(body) - 1))
    changed = body[:at] + bytes([data.draw(st.integers(0, 255))]) + body[at + 1 :]
    assert read(200, changed, "", asked).got
    assert read(200, body[:at], "", asked).got
    assert read(200, body, "", asked).got == GRANTED
