"""What an answer looks like in HTTP: RFC 3161 3.4, and the statuses that carry a refusal (decision 1)."""

from __future__ import annotations

import secrets
from email.utils import formatdate
from http import HTTPStatus

from tsa.protocol.errors import LicenceExhausted, NoCredentials, QueueFull, Refusal
from tsa.protocol.tsp import encode_refusal

QUERY_TYPE = "application/timestamp-query"
REPLY_TYPE = "application/timestamp-reply"
SERVER = "tsa"


def refusal_headers(refusal: Refusal) -> dict[str, str]:
    """Headers of its own. A full queue's Retry-After is jittered, so that those refused do not come back together."""
    match refusal:
        case QueueFull():
            return {"Retry-After": str(1 + secrets.randbelow(5))}
        case LicenceExhausted():
            return {"Retry-After": str(refusal.retry_after_s)}
        case NoCredentials():
            return {"WWW-Authenticate": 'Basic realm="tsa"'}
    return {}


class Replies:
    """Writes the lane's HTTP responses; the heads of grants differ only in their length and are kept for a second."""

    def __init__(self) -> None:
        self.tick()

    def tick(self) -> None:
        """Take the Date anew; to be called once a second."""
        self._date = f"Server: {SERVER}\r\nDate: {formatdate(usegmt=True)}\r\n"
        self._granted: dict[int, bytes] = {}

    def octets(self, answer: bytes | Refusal, *, close: bool) -> bytes:
        """The whole response for an answer; the connection ends with it when `close`."""
        if close or not isinstance(answer, bytes):
            return self._whole(answer, close)
        head = self._granted.get(len(answer))
        if head is None:
            head = self._granted[len(answer)] = self._head(HTTPStatus.OK, {"Content-Type": REPLY_TYPE}, len(answer))
        return head + answer

    def sentence(self, status: HTTPStatus, text: str) -> bytes:
        """A whole response in text/plain, after which the connection closes."""
        body = f"{text}\n".encode()
        return (
            self._head(status, {"Content-Type": "text/plain; charset=utf-8", "Connection": "close"}, len(body)) + body
        )

    def _whole(self, answer: bytes | Refusal, close: bool) -> bytes:
        status, headers = HTTPStatus.OK, {"Content-Type": REPLY_TYPE}
        if isinstance(answer, Refusal):
            status, headers, answer = answer.status, headers | refusal_headers(answer), encode_refusal(answer)
        if close:
            headers["Connection"] = "close"
        return self._head(status, headers, len(answer)) + answer

    def _head(self, status: HTTPStatus, headers: dict[str, str], size: int) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {status} {status.phrase}\r\n{self._date}{lines}Content-Length: {size}\r\n\r\n".encode()
