"""Every request that is not a plain POST of a TimeStampReq, and that one too on a connection that aiohttp has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

import structlog
from aiohttp import HttpVersion10, web

from tsa.protocol.errors import Refusal
from tsa.protocol.tsp import encode_refusal
from tsa.server.answers import REPLY_TYPE, SERVER, refusal_headers
from tsa.server.api import api_routes
from tsa.server.body import read_body, refuse_unread, send_continue
from tsa.server.heads import is_query_type
from tsa.server.metrics import render
from tsa.server.service import Service
from tsa.server.site import site_routes
from tsa.server.verification import verification_routes
from tsa.server.web_connection import MALFORMED
from tsa.stamping.intake import Job
from tsa.state.meter import Meter

SERVICE = web.AppKey("service", Service)
METERS = web.AppKey[Sequence[Meter]]("meters")

log = structlog.get_logger()


def build_app(service: Service, meters: list[Meter]) -> web.Application:
    """The routes of docs/operations.md."""
    app = web.Application(middlewares=[_conduct])
    app[SERVICE], app[METERS] = service, meters
    app.on_response_prepare.append(_sign_off)
    for path in ("/", "/tsa", "/tsa/{app_key}"):
        app.router.add_post(path, _stamp, expect_handler=_expect)
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/metrics", _metrics)
    app.router.add_routes([*api_routes(service), *site_routes(service), *verification_routes(service)])
    return app


@web.middleware
async def _conduct(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        if request.version < HttpVersion10:
            raise web.HTTPBadRequest(text=f"{MALFORMED}\n", headers={"Connection": "close"})
        response = await handler(request)
    except web.HTTPException as refused:
        response = refused
    if request.app[SERVICE].log_requests:
        log.info("request", method=request.method, status=response.status)
    if isinstance(response, web.HTTPException):
        raise response
    return response


async def _sign_off(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER
    response.headers["X-Content-Type-Options"] = "nosniff"


class _Awaited(Job):
    """A request whose answer a coroutine waits for."""

    __slots__ = ("answer",)

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes | Refusal] = asyncio.get_running_loop().create_future()

    def deliver(self, answer: bytes | Refusal) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


async def _stamp(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    if fault := _head_fault(request, service.connections.limits.body_limit):
        return await refuse_unread(request, fault) if fault.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else fault
    job = _Awaited()
    try:
        application = service.callers.of(request)
        body = await read_body(request, service.connections.limits.body_limit)
        if body is None:
            return await refuse_unread(request, _too_large(service.connections.limits.body_limit))
        service.intake.submit(body, job, application)
    except TimeoutError:
        return _closing(HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive in time.")
    except web.RequestPayloadError:
        return _closing(HTTPStatus.BAD_REQUEST, MALFORMED)
    except Refusal as refusal:
        service.intake.refuse(job, refusal)
    answer = await job.answer
    if isinstance(answer, bytes):
        return web.Response(body=answer, content_type=REPLY_TYPE)
    return web.Response(
        body=encode_refusal(answer),
        status=answer.status,
        headers=refusal_headers(answer),
        content_type=REPLY_TYPE,
    )


def _head_fault(request: web.Request, body_limit: int) -> web.Response | None:
    """What HTTP itself finds wrong with a stamping request, from its head alone."""
    if not is_query_type(request.headers.get("Content-Type", "")):
        return _sentence(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send a TimeStampReq as Content-Type: application/timestamp-query."
        )
    if request.content_length is None and "Transfer-Encoding" not in request.headers:
        return _sentence(
            HTTPStatus.LENGTH_REQUIRED, "Say how long the body is with Content-Length, or send it chunked."
        )
    if (request.content_length or 0) > body_limit:
        return _too_large(body_limit)
    return None


def _too_large(body_limit: int) -> web.Response:
    return _closing(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request body may have {body_limit} octets here.")


def _sentence(status: HTTPStatus, sentence: str) -> web.Response:
    return web.Response(status=status, text=f"{sentence}\n")


def _closing(status: HTTPStatus, sentence: str) -> web.Response:
    response = _sentence(status, sentence)
    response.force_close()
    return response


async def _expect(request: web.Request) -> web.StreamResponse | None:
    """`100 Continue`, unless the head alone is enough for _stamp() to refuse."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        return _closing(HTTPStatus.EXPECTATION_FAILED, "The only expectation met here is 100-continue.")
    if _head_fault(request, request.app[SERVICE].connections.limits.body_limit) is None:
        await send_continue(request)
    return None


async def _healthz(_request: web.Request) -> web.Response:
    return web.json_response({"status": "alive"})


async def _readyz(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    reasons = []
    if why := service.books.clock.why_closed():
        reasons.append(why)
    else:
        try:
            service.intake.authority.untrusted_moment()
        except Refusal as refusal:
            reasons.append(str(refusal))
    if service.books.ledger.fault is not None:
        reasons.append(service.books.ledger.fault)
    elif any(meter.ledger_fault for meter in request.app[METERS]):
        reasons.append("The ledger of another worker cannot be written.")
    if service.intake.full:
        reasons.append("The signing queue is full.")
    if service.connections.draining:
        reasons.append("This process is stopping.")
    return web.json_response(
        {
            "status": "not ready" if reasons else "ready",
            "reasons": reasons,
            "clock": service.books.clock.gate.read().text,
        },
        status=HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK,
    )


async def _metrics(request: web.Request) -> web.Response:
    body, content_type = render(request.app[SERVICE], request.app[METERS])
    return web.Response(body=body, headers={"Content-Type": content_type})
