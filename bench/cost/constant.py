"""A server that gives a constant reply at once: the ceiling of the load generator is measured against it.

Run as `python -m bench.cost.constant [--close]`; it prints its port on the first line, and serves until it is ended.
With `--close` it closes each connection after one answer.
"""

import asyncio
import sys
from typing import cast

import uvloop

TAIL_OCTETS = 32 + 2 + 8
"""The end of a request of the load generator: hashed message, head of the INTEGER, nonce."""

BODY = bytes.fromhex("30820254 3003 020100 3082024b").ljust(600 - TAIL_OCTETS, b"\0")
"""As long as a P-256 TimeStampResp, and granted; the end of the request, which the generator looks for, follows."""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\nContent-Length: 600\r\n\r\n"


class Constant(asyncio.Protocol):
    """Takes every segment that comes in for one whole request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(self.answer(data[-TAIL_OCTETS:]))

    def answer(self, tail: bytes) -> bytes:
        """The whole HTTP response to a request that ends so."""
        return HEAD + BODY + tail


class Closing(Constant):
    """The same, with a connection for each request."""

    def answer(self, tail: bytes) -> bytes:
        return super().answer(tail).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.close()


async def serve(protocol: type[Constant]) -> None:
    """Serve on a free port of 127.0.0.1, and print its number."""
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Closing if "--close" in sys.argv else Constant))
