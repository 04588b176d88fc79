"""/api/v1: what a registered application may ask about itself. Answers are JSON, but for tokens, which are DER."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus

import structlog
from aiohttp import web

from tsa.ledger.archive import Archive
from tsa.ledger.segment import LedgerFault
from tsa.licensing.applications import ANONYMOUS, Application
from tsa.licensing.usage import Window, read_windows
from tsa.protocol import der
from tsa.protocol.errors import NoCredentials, Refusal
from tsa.server.answers import REPLY_TYPE, refusal_headers
from tsa.server.service import Service
from tsa.state import layout
from tsa.state.control import ControlFault

USAGE_ROWS = 1000

_SERIAL = re.compile("[0-9A-Fa-f]{1,40}")  # 159 bits

log = structlog.get_logger()


def api_routes(service: Service) -> list[web.RouteDef]:
    """The routes below /api/v1."""
    api = _Api(service)
    return [
        web.get("/api/v1/stamps/{serial}", api.answer(api.stamp)),
        web.get("/api/v1/usage", api.answer(api.usage)),
    ]


class _Fault(Exception):
    """A request that cannot be answered; the text says why."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class _Api:
    def __init__(self, service: Service) -> None:
        self._service = service

    def answer(
        self, work: Callable[[web.Request, Application], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """A handler that does `work` for the application behind a request, and says in JSON why it does not."""

        async def handler(request: web.Request) -> web.Response:
            try:
                return await work(request, self._application(request))
            except Refusal as refusal:
                return _error(refusal.status, str(refusal), refusal_headers(refusal))
            except _Fault as fault:
                return _error(fault.status, str(fault))
            except (LedgerFault, ControlFault) as fault:
                log.error("api cannot read", reason=str(fault))
                return _error(HTTPStatus.SERVICE_UNAVAILABLE, "The records cannot be read now: try again later.")

        return handler

    def _application(self, request: web.Request) -> Application:
        """Raises NoCredentials or UnknownApplication; anybody may be anonymous, so that one is told nothing."""
        application = self._service.callers.of(request)
        if application.name == ANONYMOUS:
            raise NoCredentials("Only a registered application is told this: send its APP_KEY as Bearer credentials.")
        return application

    async def stamp(self, request: web.Request, application: Application) -> web.Response:
        """The TimeStampResp with a serialNumber, as it was sent; another's looks like one that never was."""
        serial = request.match_info["serial"]
        if not _SERIAL.fullmatch(serial):
            raise _Fault(HTTPStatus.BAD_REQUEST, "A serialNumber is written as 1 to 40 hexadecimal digits here.")
        archive = Archive(layout.ledger(self._service.intake.authority.config.dir))
        record = await asyncio.to_thread(archive.find_serial, der.content(der.integer(int(serial, 16))))
        if record is None or record.application != application.id:
            raise _Fault(HTTPStatus.NOT_FOUND, "No stamp of this application has that serialNumber.")
        return web.Response(body=record.token, content_type=REPLY_TYPE)

    async def usage(self, request: web.Request, application: Application) -> web.Response:
        """The application's windows, newest first: what it could have, what it had, what it was refused."""
        since = _since(request.query.get("since", ""))
        length = self._service.books.quota.window_s
        state = self._service.intake.authority.config.dir
        kept = await asyncio.to_thread(read_windows, state, application.id, since, USAGE_ROWS)
        windows = {window.start: window for window in kept}
        windows |= {window.start: window for window in self._counted(application) if window.start >= since}
        newest = sorted(windows.values(), reverse=True)[:USAGE_ROWS]
        return web.json_response([_described(window, length) for window in newest])

    def _counted(self, application: Application) -> list[Window]:
        """The running window, and the one before where it is remembered: more recent than what is written down.

        In the event loop, as all that takes the counters' lock: it is one of the process, not of a thread.
        """
        quota = self._service.books.quota
        window = quota.window(time.time_ns() // 1_000)
        starts = {each: each * quota.window_s for each in (window, window - 1)}
        counted = [
            Window(start, application.capacity(start), *quota.used(application.id, each))
            for each, start in starts.items()
        ]
        return [each for each in counted if each.start == starts[window] or each.stamps or each.refusals]


def _since(text: str) -> int:
    """Seconds since the epoch; UTC where the text names no zone."""
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _Fault(HTTPStatus.BAD_REQUEST, "Write since as ISO 8601, such as 2025-11-01T00:00Z.") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _described(window: Window, length: int) -> dict[str, object]:
    start, capacity, stamps, refusals = window
    return {
        "start": f"{datetime.fromtimestamp(start, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "window_s": length,
        "capacity": capacity,
        "stamps": stamps,
        "refusals": refusals,
        "used_percent": round(100 * stamps / capacity, 1) if capacity else 0.0,
    }


def _error(status: HTTPStatus, sentence: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": sentence}, status=status, headers=headers)
