"""Heads and bodies of HTTP answers, in every framing that RFC 9112 knows."""

import pytest

from bench.cost.constant import HEAD
from bench.cost.framing import CHUNKED, UNTIL_CLOSED, Head, chunks, read_head


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (HEAD, Head(200, 600, closes=False)),
        (b"HTTP/1.1 429 Too Many\r\ncontent-length:7\r\nRetry-After: 3\r\n\r\n", Head(429, 7, closes=False)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Head(204, 0, closes=False)),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 9\r\n\r\n", Head(200, 9, closes=True)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n", Head(200, 9, closes=True)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\nConnection: keep-alive\r\n\r\n", Head(200, 9, closes=False)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Head(200, CHUNKED, closes=False)),
        (b"HTTP/1.1 200 OK\r\n\r\n", Head(200, UNTIL_CLOSED, closes=True)),
        (b"nonsense\r\n\r\n", Head(0, UNTIL_CLOSED, closes=True)),
    ],
)
def test_response_head(head: bytes, found: Head) -> None:
    assert read_head(head) == found


CHUNKS = b"5\r\nhello\r\n7;note=1\r\n, world\r\n0\r\n\r\n"


def test_chunks_are_joined_when_the_last_is_there() -> None:
    assert chunks(CHUNKS, 0) == b"hello, world"
    assert chunks(CHUNKS[:-2] + b"Trailer: 1\r\n\r\n", 0) == b"hello, world"
    assert {chunks(CHUNKS[:size], 0) for size in range(len(CHUNKS))} == {None}
    with pytest.raises(ValueError, match="invalid literal"):
        chunks(b"no size\r\n", 0)
