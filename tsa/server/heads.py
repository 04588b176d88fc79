"""Is this request head that of a plain POST of a TimeStampReq? httptools parses it; here it is judged."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

import httptools

from tsa.server.answers import QUERY_TYPE

MAX_HEAD = 16_384

_PATH = re.compile(r"/|/tsa(/(?P<key>[A-Za-z0-9_-]+))?")

_HANDED_ON = {b"transfer-encoding", b"expect", b"upgrade"}


class PlainHead(NamedTuple):
    """What the lane needs to know of a plain POST.

    The octets of its body, whether the connection ends after it, and its origin by its own account: an APP_KEY, and
    the value of X-Forwarded-For.
    """

    length: int
    close: bool
    key: str | None
    forwarded_for: str | None


class _Parsed:
    """Collects what httptools calls out."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False
        self.more = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.complete = True

    def on_body(self, _body: bytes) -> None:
        self.more = True


def plain_head(octets: bytes, body_limit: int) -> PlainHead | None:
    """The head in `octets`, which end with its empty line; None for whatever is not a plain POST of a TimeStampReq.

    None is no judgement: aiohttp then reads the same octets and answers, also for what is malformed.
    """
    parsed = _Parsed()
    parser = httptools.HttpRequestParser(parsed)
    try:
        parser.feed_data(octets)
        if not parsed.complete or parsed.more or parser.get_method() != b"POST" or parser.get_http_version() != "1.1":
            return None
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    headers = {name: value.decode("latin-1") for name, value in parsed.headers}
    if len(headers) != len(parsed.headers) or not headers.keys().isdisjoint(_HANDED_ON):
        return None
    path, length = _PATH.fullmatch(parsed.url.decode("latin-1")), headers.get(b"content-length", "")
    if path is None or not is_query_type(headers.get(b"content-type", "")):
        return None
    if not length.isdigit() or not 0 < int(length) <= body_limit:
        return None
    return PlainHead(
        int(length),
        close=not parser.should_keep_alive(),
        key=key_of(path["key"], headers.get(b"authorization")),
        forwarded_for=headers.get(b"x-forwarded-for"),
    )


def key_of(in_path: str | None, authorization: str | None) -> str | None:
    """The APP_KEY that a request shows: in its path, as Bearer token or as Basic password; None where it shows none.

    Credentials that cannot be read are an APP_KEY that nobody has.
    """
    if in_path is not None or authorization is None:
        return in_path
    scheme, _, credentials = authorization.partition(" ")
    credentials = credentials.strip()
    if not credentials.isascii() or scheme.lower() not in ("bearer", "basic"):
        return ""
    if scheme.lower() == "bearer":
        return credentials
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def is_query_type(content_type: str) -> bool:
    """Whether a Content-Type is that of a TimeStampReq, with or without parameters, in any case (RFC 9110 8.3)."""
    return content_type.partition(";")[0].strip().lower() == QUERY_TYPE
