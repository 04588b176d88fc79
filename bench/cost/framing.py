"""The head and the end of an HTTP answer: Content-Length, chunks, or the end of its connection (RFC 9112 6.3)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

HEAD_END = b"\r\n\r\n"
CHUNKED, UNTIL_CLOSED = -1, -2
"""For `length`: the body comes in chunks, or ends with its connection."""

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*\bchunked", re.IGNORECASE)
_CONNECTION = re.compile(rb"\r\nconnection:[^\r]*\b(close|keep-alive)\b", re.IGNORECASE)


class Head(NamedTuple):
    """The head of an answer: its HTTP status (0: none), the length of its body, and the end of its connection."""

    status: int
    length: int
    closes: bool


@lru_cache(maxsize=256)
def read_head(head: bytes) -> Head:
    """Read a response head; cached, as heads hardly vary."""
    status = int(head[9:12]) if head[9:12].isdigit() else 0
    length, connection = _CONTENT_LENGTH.search(head), _CONNECTION.search(head)
    # RFC 9112 9.3: HTTP/1.0 closes unless it says that it does not.
    closes = connection[1].lower() == b"close" if connection else not head.startswith(b"HTTP/1.1")
    if _CHUNKED.search(head):
        return Head(status, CHUNKED, closes)
    if length:
        return Head(status, int(length[1]), closes)
    return Head(status, 0, closes) if status in (204, 304) else Head(status, UNTIL_CLOSED, closes=True)


def chunks(data: bytes, at: int) -> bytes | None:
    """The body in chunks from `at` on (RFC 9112 7.1); None while it is not whole. ValueError for a wrong chunk size."""
    body = b""
    while (end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:end].partition(b";")[0], 16)
        at = end + 2
        if size == 0:
            return body if data.startswith(b"\r\n", at) or HEAD_END in data[at:] else None
        if len(data) < at + size + 2:
            return None
        body += data[at : at + size]
        at += size + 2
    return None
