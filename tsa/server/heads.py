"""Is this request head that of a plain POST of a TimeStampReq? httptools parses it; here it is judged."""

from __future__ import annotations

from typing import NamedTuple

import httptools

from tsa.server.answers import QUERY_TYPE

PATHS = ("/", "/tsa")

_HANDED_ON = {b"transfer-encoding", b"expect", b"upgrade", b"authorization"}


class PlainHead(NamedTuple):
    """What is left to know of a plain POST: the octets of its body, and whether the connection ends after it."""

    length: int
    close: bool


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
    headers = dict(parsed.headers)
    length = headers.get(b"content-length", b"")
    if len(headers) != len(parsed.headers) or not headers.keys().isdisjoint(_HANDED_ON):
        return None
    if parsed.url.decode("latin-1") not in PATHS or not is_query_type(
        headers.get(b"content-type", b"").decode("latin-1")
    ):
        return None
    if not length.isdigit() or not 0 < int(length) <= body_limit:
        return None
    return PlainHead(int(length), close=not parser.should_keep_alive())


def is_query_type(content_type: str) -> bool:
    """Whether a Content-Type is that of a TimeStampReq, with or without parameters, in any case (RFC 9110 8.3)."""
    return content_type.partition(";")[0].strip().lower() == QUERY_TYPE
