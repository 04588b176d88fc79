"""docs/conformance.md, "The token". `Authority.stamp` judges every token whole; here is what takes several tokens."""

import datetime as dt
import re

import pytest

from tests.conftest import Fleet
from tests.support import der
from tests.support.query import Query
from tests.support.stamping import Authority
from tests.support.token import SIGNING_TIME, Token, encodes_again

DIGESTS = {
    "p256": "sha256",
    "p384": "sha384",
    "p521": "sha512",
    "rsa2048": "sha256",
    "rsa3072": "sha256",
    "rsa4096": "sha256",
    "ed25519": "sha512",
}


def stamp(authority: Authority, via: str, query: Query | None = None) -> Token:
    """A judged token, on a connection of its own."""
    with authority.connect(via) as connection:
        return authority.stamp(connection, query)


def test_digest_pairs_with_the_key(any_key: Authority, request: pytest.FixtureRequest, via: str) -> None:
    """The judge checks that the signature uses that digest with that key, and that it verifies."""
    key_type = request.node.callspec.params["any_key"]
    assert stamp(any_key, via).digest == DIGESTS[key_type]


@pytest.mark.parametrize("query", [Query(), Query(nonce=None, cert_req=None)], ids=["whole", "least"])
def test_another_encoder_makes_the_same_octets(any_key: Authority, query: Query) -> None:
    encodes_again(stamp(any_key, "lane", query))


def test_development_ca_signs_with_the_same_digest(any_key: Authority, request: pytest.FixtureRequest) -> None:
    """CSBR 6.8; Ed25519 certificates name no digest apart from the signature."""
    key_type = request.node.callspec.params["any_key"]
    algorithm = any_key.certificate.signature_hash_algorithm
    assert (algorithm.name if algorithm else None) == (None if key_type == "ed25519" else DIGESTS[key_type])


def test_gen_time_never_goes_back_and_serials_differ(authority: Authority, via: str) -> None:
    with authority.connect(via) as connection:
        infos = [authority.stamp(connection).info for _ in range(200)]
    assert infos == sorted(infos, key=lambda info: info.moment)
    assert len({info.serial for info in infos}) == len(infos)


def test_fraction_has_at_most_three_digits(authority: Authority, via: str) -> None:
    with authority.connect(via) as connection:
        times = [authority.stamp(connection).info.gen_time for _ in range(50)]
    assert all(re.fullmatch(r"\d{14}(\.\d{0,2}[1-9])?Z", each) for each in times), times
    assert any("." in each for each in times)


@pytest.fixture(scope="module")
def talkative(fleet: Fleet) -> Authority:
    """Everything optional that a token may hold."""
    options = {("token", "include_tsa_name"): True, ("token", "signing_time"): True, ("token", "fraction_digits"): 6}
    return Authority(fleet.get("talkative", options=options))


@pytest.fixture(scope="module")
def terse(fleet: Fleet) -> Authority:
    """Nothing optional."""
    options = {
        ("token", "include_tsa_name"): False,
        ("token", "signing_time"): False,
        ("token", "fraction_digits"): 0,
        ("clock", "max_accuracy_ms"): 3000,
    }
    return Authority(fleet.get("terse", options=options))


@pytest.mark.parametrize("server_name", ["authority", "talkative", "terse"])
def test_gen_time_is_the_time_of_the_request(request: pytest.FixtureRequest, server_name: str, via: str) -> None:
    """Within the accuracy that the token claims, which must cover a fraction that was cut off."""
    authority = request.getfixturevalue(server_name)
    with authority.connect(via) as connection:
        for _ in range(20):
            before = dt.datetime.now(dt.UTC)
            info = authority.stamp(connection).info
            after = dt.datetime.now(dt.UTC)
            error = dt.timedelta(microseconds=info.accuracy_us)
            assert before - error <= info.moment <= after + error


def test_tsa_name_and_signing_time_on(talkative: Authority, via: str) -> None:
    token = stamp(talkative, via)
    assert token.info.tsa == der.tlv(0xA4, talkative.certificate.subject.public_bytes())
    signing_time = token.attributes[SIGNING_TIME].expect(der.UTC_TIME).contents.decode()
    assert signing_time == token.info.gen_time[2:14] + "Z", "signingTime is genTime, whole seconds (RFC 5652 11.3)"
    encodes_again(token)


def test_tsa_name_and_signing_time_off(terse: Authority, via: str) -> None:
    token = stamp(terse, via)
    assert token.info.tsa is None
    assert SIGNING_TIME not in token.attributes


def test_fraction_digits_six(talkative: Authority, via: str) -> None:
    with talkative.connect(via) as connection:
        times = [talkative.stamp(connection).info.gen_time for _ in range(20)]
    assert any(re.fullmatch(r"\d{14}\.\d{3,5}[1-9]Z", each) for each in times), times
    assert all(len(each) <= len("20000101000000.123456Z") for each in times)


def test_fraction_digits_none(terse: Authority, via: str) -> None:
    info = stamp(terse, via).info
    assert re.fullmatch(r"\d{14}Z", info.gen_time)
    assert info.accuracy_us >= 1, "rounded up, never 0"


def test_signing_time_is_left_out_unless_set(authority: Authority, via: str) -> None:
    assert SIGNING_TIME not in stamp(authority, via).attributes


def test_the_two_sides_build_the_same_token(authority: Authority) -> None:
    """The lane's token and aiohttp's differ in what must differ, and in nothing else."""
    lane, aiohttp = (stamp(authority, via, Query(nonce=b"\x05")) for via in ("lane", "aiohttp"))
    assert lane.attributes.keys() == aiohttp.attributes.keys()
    assert lane.certificates == aiohttp.certificates
    assert (lane.info.policy, lane.info.tsa, lane.digest) == (aiohttp.info.policy, aiohttp.info.tsa, aiohttp.digest)
