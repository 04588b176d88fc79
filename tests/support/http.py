"""A plain HTTP client on a raw socket: it sends exactly what the test wrote and reads strictly what comes back."""

import contextlib
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Self

QUERY_TYPE = "application/timestamp-query"
REPLY_TYPE = "application/timestamp-reply"


class GoneError(Exception):
    """The server closed the connection where an answer was expected."""


@dataclass(frozen=True)
class Answer:
    """One HTTP response."""

    version: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of the only header of that name, None when absent."""
        values = [value for key, value in self.headers if key == name.lower()]
        assert len(values) <= 1, f"{name} given {len(values)} times"
        return values[0] if values else None


def post_bytes(
    body: bytes,
    path: str = "/",
    *,
    content_type: str | None = QUERY_TYPE,
    headers: tuple[str, ...] = (),
    version: str = "HTTP/1.1",
    framing: str | None = None,
) -> bytes:
    """The octets of a POST; *framing* replaces the Content-Length line, "" leaves it out."""
    lines = [f"POST {path} {version}", "Host: tsa.test"]
    lines += [f"Content-Type: {content_type}"] if content_type is not None else []
    framing = f"Content-Length: {len(body)}" if framing is None else framing
    lines += [line for line in (framing, *headers) if line]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(*chunks: bytes, trailer: bytes = b"") -> bytes:
    """A body in the chunked coding (RFC 9112 7.1)."""
    framed = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks)
    return framed + b"0\r\n" + trailer + b"\r\n"


class Connection:
    """One TCP connection to the server; *timeout* (seconds) bounds every wait on it."""

    def __init__(self, address: tuple[str, int], timeout: float = 20.0) -> None:
        self.socket = socket.create_connection(address, timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""
        self.interim: list[int] = []  # statuses of the 1xx answers seen so far

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Write all of *data*."""
        self.socket.sendall(data)

    def ask(self, request: bytes) -> Answer:
        """Write *request*, read its answer."""
        self.send(request)
        return self.answer()

    def post(self, body: bytes, path: str = "/") -> Answer:
        """POST a TimeStampReq."""
        return self.ask(post_bytes(body, path))

    def get(self, path: str, *headers: str) -> Answer:
        """GET *path*, with further header lines."""
        return self.ask("\r\n".join([f"GET {path} HTTP/1.1", "Host: tsa.test", *headers, "", ""]).encode())

    def answer(self) -> Answer:
        """The next final answer; interim ones go to `interim`. Raises `GoneError` at the end of the stream."""
        while True:
            answer = self._one_answer()
            if answer.status >= 200:
                return answer
            self.interim.append(answer.status)

    def wait_for_interim(self) -> int:
        """The status of the next answer, which must be an interim one."""
        answer = self._one_answer()
        assert 100 <= answer.status < 200, answer
        return answer.status

    def rest(self) -> bytes:
        """Everything that comes until the server closes; a reset counts as closing."""
        with contextlib.suppress(ConnectionResetError):
            while self._more():
                pass
        data, self._unread = self._unread, b""
        return data

    def assert_closed(self) -> None:
        """The server ends the connection without another octet."""
        assert self.rest() == b""

    def _one_answer(self) -> Answer:
        head = self._until(b"\r\n\r\n").decode("latin-1")
        status_line, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        version, status, _ = (status_line + " ").split(" ", 2)
        headers = [(key.lower(), value.strip()) for key, value in (line.split(":", 1) for line in lines)]
        answer = Answer(version, int(status), headers, b"")
        return Answer(version, int(status), headers, self._body(answer))

    def _body(self, answer: Answer) -> bytes:
        if answer.status < 200 or answer.status in (204, 304):
            return b""
        if answer.header("transfer-encoding") == "chunked":
            return self._chunks()
        count = answer.header("content-length")
        return self.rest() if count is None else self._exactly(int(count))

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            body += self._exactly(size)
            assert self._exactly(2) == b"\r\n"
        assert self._until(b"\r\n") == b"\r\n"
        return body

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._unread:
            if not self._more():
                raise GoneError(f"closed after {self._unread!r}")
        found, _, self._unread = self._unread.partition(mark)
        return found + mark

    def _exactly(self, count: int) -> bytes:
        while len(self._unread) < count:
            if not self._more():
                raise GoneError(f"closed after {len(self._unread)} of {count} octets of a body")
        data, self._unread = self._unread[:count], self._unread[count:]
        return data

    def _more(self) -> bool:
        data = self.socket.recv(65536)
        self._unread += data
        return bool(data)
