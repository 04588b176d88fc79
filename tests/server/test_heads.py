"""Which requests the lane takes, and the key and the proxies' word that it finds in their heads."""

import base64
from collections.abc import Sequence

import pytest

from tests.support.applications import basic, bearer
from tests.support.http import post_bytes
from tests.support.query import Query
from tsa.licensing.applications import key_hash, new_key
from tsa.server.heads import PlainHead, key_of, plain_head

LIMIT = 16_384
KEY = "an-APP_KEY-of-43-characters-as-they-are-made"
BODY = Query().encode()


def head(path: str = "/", *headers: str, **options: str) -> PlainHead | None:
    """What is found in the head of a good request with these headers."""
    message = post_bytes(BODY, path, headers=headers, **options)
    return plain_head(message[: -len(BODY)], LIMIT)


def encoded(credentials: bytes) -> str:
    return base64.b64encode(credentials).decode()


# The Authorization header, and the key that it shows.
CREDENTIALS = {
    "none": (None, None),
    "bearer": (f"Bearer {KEY}", KEY),
    "bearer in capitals": (f"BEARER {KEY}", KEY),
    "bearer with more spaces": (f"bearer   {KEY}  ", KEY),
    "bearer of nothing": ("Bearer", ""),
    "basic": (f"Basic {encoded(f'user:{KEY}'.encode())}", KEY),
    "basic with more spaces": (f"Basic  {encoded(f'user:{KEY}'.encode())} ", KEY),
    "basic without a user": (f"basic {encoded(f':{KEY}'.encode())}", KEY),
    "basic with colons in the password": (f"Basic {encoded(b'user:a:b:c')}", "a:b:c"),
    "basic with a user in UTF-8": (f"Basic {encoded(f'né:{KEY}'.encode())}", KEY),
    # What cannot be read is a key that nobody has: it is not taken for no credentials at all.
    "basic without a colon": (f"Basic {encoded(KEY.encode())}", ""),
    "basic of nothing": ("Basic", ""),
    "basic that is no base64": ("Basic user:password", ""),
    "basic that is cut": (f"Basic {encoded(b'user:password')[:-1]}", ""),
    "basic that is no UTF-8": (f"Basic {encoded(b'user:' + bytes([255]))}", ""),
    "basic beyond ASCII": ("Basic caf\xe9", ""),
    "basic beyond ASCII as aiohttp reads it": ("Basic caf\udce9", ""),
    "digest": ('Digest username="a"', ""),
    "key alone": (KEY, ""),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("authorization", "key"), CREDENTIALS.values(), ids=CREDENTIALS.keys())
def test_the_key_is_bearer_token_or_basic_password(authorization: str | None, key: str | None) -> None:
    assert key_of(None, authorization) == key


@pytest.mark.parametrize("authorization", [None, "Bearer another-APP_KEY-of-43-characters-as-made", "Basic ?", ""])
def test_a_key_in_the_path_comes_first(authorization: str | None) -> None:
    assert key_of(KEY, authorization) == KEY


@pytest.mark.parametrize(
    "octets", [b"Bearer caf\xe9", b"Bearer caf\xc3\xa9", b"Basic \xff", b"\xff \xff", b"Bearer \xed\xb3\xbf"]
)
@pytest.mark.parametrize("read", [("latin-1", "strict"), ("utf-8", "surrogateescape")], ids=["lane", "aiohttp"])
def test_whatever_octets_are_sent_as_credentials_are_looked_up_and_not_found(
    octets: bytes, read: tuple[str, str]
) -> None:
    """RFC 9110 5.5: a header may have octets beyond ASCII; both readers of it hand them on, each in its way."""
    key = key_of(None, octets.decode(*read))
    assert key is not None
    assert key_hash(key) != key_hash(KEY)


@pytest.mark.parametrize(
    ("path", "headers", "key"),
    [
        ("/", (), None),
        ("/tsa", (), None),
        (f"/tsa/{KEY}", (), KEY),
        ("/tsa/short", (), "short"),
        ("/tsa/_-", (), "_-"),
        ("/", (bearer(KEY),), KEY),
        ("/tsa", (basic(KEY),), KEY),
        (f"/tsa/{KEY}", (bearer("another"),), KEY),
        ("/", ("authorization: bearer x",), "x"),
        ("/", ("AUTHORIZATION: Basic",), ""),
    ],
)
def test_the_lane_finds_the_key(path: str, headers: Sequence[str], key: str | None) -> None:
    found = head(path, *headers)
    assert found == PlainHead(len(BODY), close=False, key=key, forwarded_for=None)


def test_every_fresh_key_fits_into_a_path() -> None:
    for _ in range(1_000):
        key = new_key()
        found = head(f"/tsa/{key}")
        assert found is not None
        assert found.key == key


@pytest.mark.parametrize("octets", [b"Authorization: Basic caf\xe9", b"Authorization: Bearer \xff", b"X-Other: \xff"])
def test_octets_beyond_ascii_in_a_header_are_no_fault(octets: bytes) -> None:
    message = post_bytes(BODY, headers=("X-Here: 1",)).replace(b"X-Here: 1", octets)
    found = plain_head(message[: -len(BODY)], LIMIT)
    assert found is not None
    assert found.length == len(BODY)


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        ((), None),
        (("X-Forwarded-For: 192.0.2.1",), "192.0.2.1"),
        (("x-forwarded-for:192.0.2.1, 2001:db8::1",), "192.0.2.1, 2001:db8::1"),
        (("X-Forwarded-For:",), ""),
        (("Forwarded: for=192.0.2.1",), None),
        (("X-Real-IP: 192.0.2.1",), None),
    ],
)
def test_the_lane_finds_what_proxies_say(headers: Sequence[str], value: str | None) -> None:
    found = head("/", *headers)
    assert found is not None
    assert found.forwarded_for == value


@pytest.mark.parametrize(
    "path",
    [
        "/tsa/",
        "/tsa//",
        f"/tsa/{KEY}/",
        f"/tsa/{KEY}/more",
        f"/tsa/{KEY}?query",
        f"/tsa/{KEY}#part",
        f"/TSA/{KEY}",
        f"//tsa/{KEY}",
        "/tsa/%41%42",
        "/tsa/a.b",
        "/tsa/a+b",
        "/tsax",
        "/api/v1/usage",
        f"http://tsa.test/tsa/{KEY}",
    ],
)
def test_other_paths_are_for_aiohttp_to_judge(path: str) -> None:
    assert head(path) is None


@pytest.mark.parametrize(
    "headers",
    [
        (bearer("one"), bearer("two")),
        (bearer("one"), "authorization: Bearer one"),
        ("X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 192.0.2.1"),
        ("Content-Length: 5",),
        ("Expect: 100-continue",),
        ("Transfer-Encoding: chunked",),
        ("Upgrade: h2c",),
    ],
)
def test_a_head_that_two_may_read_differently_is_for_aiohttp_to_judge(headers: Sequence[str]) -> None:
    assert head("/", *headers) is None


def test_a_body_over_the_limit_is_for_aiohttp_to_judge() -> None:
    octets = post_bytes(BODY, f"/tsa/{KEY}")[: -len(BODY)]
    assert plain_head(octets, len(BODY)) is not None
    assert plain_head(octets, len(BODY) - 1) is None


def test_the_connection_ends_where_the_client_says_so() -> None:
    found = head(f"/tsa/{KEY}", "Connection: close")
    assert found is not None
    assert (found.close, found.key) == (True, KEY)
