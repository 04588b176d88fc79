"""Many requests at once, cheaply: answers are counted by their status, tokens are not looked at."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable

from tests.support.http import post_bytes
from tests.support.query import Query, imprint

PATIENCE_S = 60
_HASHED = bytes(32)
_GONE = (ConnectionError, asyncio.IncompleteReadError)


class Load:
    """Requests of one application, over several connections, until it is refused or told to end.

    So many as `pipelined` are sent at once on each. `statuses` counts the answers that were read whole, at any moment.
    """

    def __init__(self, address: tuple[str, int], key: str, pipelined: int = 32) -> None:
        self.statuses: Counter[int] = Counter()
        self._address = address
        self._pipelined = pipelined
        self._before, self._after = post_bytes(
            Query(imprint=imprint(hashed=_HASHED), nonce=None).encode(), f"/tsa/{key}"
        ).split(_HASHED)

    async def run(self, connections: int, until: Callable[[], bool] | None = None) -> Counter[int]:
        """Ask on so many connections, each until it is answered 429, or `until` is true; the statuses so far."""
        done = until or (lambda: False)
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(self._ask(done))
        return self.statuses

    async def _ask(self, done: Callable[[], bool]) -> None:
        while not done():
            try:
                reader, writer = await asyncio.open_connection(*self._address)
            except ConnectionError:
                await asyncio.sleep(0.01)
                continue
            try:
                while not done():
                    if await self._some(reader, writer):
                        return
            except _GONE:
                continue  # a worker was killed: ask on another connection
            finally:
                writer.close()

    async def _some(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Ask for some tokens at once; whether the licence is exhausted."""
        writer.write(b"".join(self._before + os.urandom(32) + self._after for _ in range(self._pipelined)))
        exhausted = False
        for _ in range(self._pipelined):
            status = await read_status(reader)
            self.statuses[status] += 1
            exhausted = exhausted or status == 429
        return exhausted


async def read_status(reader: asyncio.StreamReader) -> int:
    """Read a whole answer; its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    at = head.index(b"content-length: ") + 16
    await reader.readexactly(int(head[at : head.index(b"\r", at)]))
    return int(head[9:12])
