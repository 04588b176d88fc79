"""Load on a server that may die at any moment: what each client has received whole is kept, the rest is tried again."""

from __future__ import annotations

import threading
import time

from tests.support.http import Connection, GoneError, post_bytes
from tests.support.processes import wait_until
from tests.support.query import Query

GRANTED = b"\x30\x03\x02\x01\x00"
SYSTEM_FAILURE = bytes.fromhex("0305 06 00000040")  # failInfo: a BIT STRING of 26 bits, the last of them set


class Load:
    """Clients, each on its connection, one request at a time; `paths` are shared out among them."""

    def __init__(self, address: tuple[str, int], paths: tuple[str, ...], clients: int = 6) -> None:
        self.tokens: list[tuple[str, bytes]] = []  # (path, TimeStampResp), as they came
        self.refused: list[bytes] = []
        self.wrong: list[str] = []  # answers that are neither
        self.broken = 0  # connections that ended in the middle of an answer, or before one
        self._address = address
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=self._client, args=(paths[number % len(paths)],)) for number in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def wait_for(self, count: int, seconds: float = 20.0) -> None:
        """Until so many more tokens have been received."""
        wanted = len(self.tokens) + count
        wait_until(lambda: len(self.tokens) >= wanted, f"{count} further tokens", seconds)

    def end(self) -> None:
        """Ask for no more, and wait for what is outstanding."""
        self._ending.set()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()
        assert self.wrong == []

    def _client(self, path: str) -> None:
        number = 0
        while not self._ending.is_set():
            try:
                with Connection(self._address, 10) as connection:
                    while not self._ending.is_set():
                        number += 1
                        self._ask(connection, path, number)
            except (GoneError, OSError):
                self.broken += 1
                time.sleep(0.005)

    def _ask(self, connection: Connection, path: str, number: int) -> None:
        query = Query(cert_req=b"\xff" if number % 2 else None)
        answer = connection.ask(post_bytes(query.encode(), path))
        if GRANTED in answer.body[:9] and query.imprint in answer.body:
            self.tokens.append((path, answer.body))
        elif answer.status == 200 and answer.body.endswith(SYSTEM_FAILURE):
            self.refused.append(answer.body)
        else:
            self.wrong.append(str(answer))
