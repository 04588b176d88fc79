"""What the connections of one worker process share, on the lane and on aiohttp's side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tsa.server.answers import Replies
from tsa.server.callers import Callers
from tsa.server.connections import Connections
from tsa.stamping.books import Books
from tsa.stamping.intake import Intake


class Service:
    """The intake of requests, who may send them, the books of the process, its connections and their settings.

    `successor` makes the protocol that takes a connection over from a lane.
    """

    def __init__(self, intake: Intake, callers: Callers, books: Books, connections: Connections) -> None:
        self.intake = intake
        self.callers = callers
        self.books = books
        self.connections = connections
        self.replies = Replies()
        self.log_requests = False
        self.successor: Callable[[], asyncio.Protocol]
