"""POST /verify: does a token prove what it is held against? Nothing is fetched from anywhere, and nothing is kept.

Who stamps comes first: one verification runs at a time, and after each the worker has nine times as long for the rest.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from aiohttp import web

from tsa.server.body import read_body, refuse_unread, send_continue
from tsa.server.heads import MAX_HEAD
from tsa.server.service import Service
from tsa.server.web_connection import MALFORMED
from tsa.verify import material
from tsa.verify.datum import Datum, DigestDatum, OctetsDatum
from tsa.verify.proof import NotJudged
from tsa.verify.report import Report, not_judged, verify_to_report
from tsa.verify.verifier import Verifier

BODY_LIMIT = 1 << 20
MAX_PARTS = 16
MAX_ROOTS = 16
PLACES = 16
"""Requests whose body is being read or that wait for their turn: each may hold a body in memory."""
REST = 9

_ONCE = ("token", "digest", "data", "query")
_FIELDS = (*_ONCE, "ca", "crl")
_DISPOSITION = re.compile(
    rb'^content-disposition:[ \t]*form-data\b.*?[; \t]name=(?:"([^"\r\n]*)"|([^\s;"]+))', re.IGNORECASE | re.MULTILINE
)
_UNCHOSEN = re.compile(rb'[; \t]filename=""', re.IGNORECASE)

Parts = Mapping[str, Sequence[bytes]]


def verification_routes(service: Service) -> list[web.RouteDef]:
    """The route of /verify."""
    desk = _Desk(service)
    return [web.post("/verify", desk.answer, expect_handler=desk.expect)]


class _Fault(Exception):
    """A request that cannot be judged; the text says what to change."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class _Desk:
    """Where the requests of one worker wait for their turn."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._inside = 0
        self._turn = asyncio.Semaphore(1)

    async def expect(self, request: web.Request) -> web.StreamResponse | None:
        """`100 Continue`, unless the head alone is enough to refuse."""
        if self._head_fault(request) is None:
            await send_continue(request)
        return None

    def _head_fault(self, request: web.Request) -> _Fault | None:
        """What is wrong with a request by its head alone, or with the time it comes at."""
        if request.content_type not in ("application/json", "multipart/form-data"):
            return _Fault(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send application/json or multipart/form-data.")
        if (request.content_length or 0) > BODY_LIMIT:
            return _TOO_LARGE
        if self._inside >= PLACES:
            return _Fault(HTTPStatus.SERVICE_UNAVAILABLE, "Too many verifications wait here: try again later.")
        return None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The Report of a verification, or why there is none, in JSON."""
        fault = self._head_fault(request)
        if fault is not None:
            return await refuse_unread(request, _error(fault, close=True))
        self._inside += 1
        try:
            body = await read_body(request, BODY_LIMIT)
            if body is None:
                return await refuse_unread(request, _error(_TOO_LARGE, close=True))
            return web.json_response(await self._in_turn(request.content_type, request.headers["Content-Type"], body))
        except TimeoutError:
            return _error(_Fault(HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive in time."), close=True)
        except web.RequestPayloadError:
            return _error(_Fault(HTTPStatus.BAD_REQUEST, MALFORMED), close=True)
        except _Fault as wrong:
            return _error(wrong)
        finally:
            self._inside -= 1

    async def _in_turn(self, kind: str, content_type: str, body: bytes) -> Report:
        """Judge in a thread; who comes next waits until this worker has had time for other things."""
        await self._turn.acquire()
        started = time.monotonic()
        try:
            return await asyncio.to_thread(self._judge, kind, content_type, body)
        finally:
            rest_s = REST * (time.monotonic() - started)
            asyncio.get_running_loop().call_later(rest_s, self._turn.release)

    def _judge(self, kind: str, content_type: str, body: bytes) -> Report:
        """Raises _Fault."""
        parts = _json_parts(body) if kind == "application/json" else _form_parts(body, content_type)
        token, datum = _one(parts, "token"), _datum(parts)
        if token is None:
            raise _bad("There is no token: send the time-stamp as token.")
        try:
            return verify_to_report(self._verifier(parts), token, datum, _one(parts, "query"))
        except NotJudged as fault:
            return not_judged(str(fault))

    def _verifier(self, parts: Parts) -> Verifier:
        """Trusts our own root, and those of the request; kept for no other, as strangers would fill what it remembers.

        Raises NotJudged, _Fault.
        """
        chain = self._service.intake.authority.tsu.chain
        known = (chain.certificate, *chain.intermediates)
        roots = [root for octets in parts.get("ca", ()) for root in material.certificates(octets)]
        crls = [crl for octets in parts.get("crl", ()) for crl in material.crls(octets)]
        if len(roots) > MAX_ROOTS or len(crls) > MAX_PARTS:
            raise _bad(f"Send at most {MAX_ROOTS} roots and {MAX_PARTS} CRLs.")
        return Verifier([chain.anchor, *roots], certificates=known, crls=crls)


def _datum(parts: Parts) -> Datum:
    data, digest = _one(parts, "data"), _one(parts, "digest")
    if (data is None) == (digest is None):
        raise _bad("Send either the data or its digest: one of the two.")
    if data is not None:
        return OctetsDatum(data)
    try:
        return DigestDatum(bytes.fromhex((digest or b"").decode("ascii")))
    except ValueError:
        raise _bad("The digest is not hexadecimal.") from None


def _one(parts: Parts, name: str) -> bytes | None:
    return parts[name][0] if name in parts else None


def _json_parts(body: bytes) -> Parts:
    """The fields of a JSON object: octets in base64, digest and ca as text. Raises _Fault."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise _bad("The body is not JSON.") from None
    if not isinstance(found, dict):
        raise _bad("The body is not a JSON object.")
    rows = [
        (name, each)
        for name, value in found.items()
        if value is not None
        for each in (value if isinstance(value, list) else [value])
    ]
    return _collected([(name, _decoded(name, value)) for name, value in rows[: MAX_PARTS + 1]])


def _decoded(name: str, value: object) -> bytes:
    if not isinstance(value, str):
        raise _bad(f"The field {name[:20]!r} is not text.")
    if name in ("digest", "ca"):
        return value.encode(errors="replace")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise _bad(f"The field {name[:20]!r} is not base64.") from None


def _form_parts(body: bytes, content_type: str) -> Parts:
    """The fields of multipart/form-data (RFC 7578), each in its own octets. Raises _Fault."""
    boundary = re.search(r';\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', content_type, re.IGNORECASE)
    if boundary is None:
        raise _bad("The Content-Type names no boundary.")
    delimiter = b"\r\n--" + (boundary[1] or boundary[2]).encode(errors="replace")
    _, *pieces = (b"\r\n" + body).split(delimiter, MAX_PARTS + 2)
    if not pieces or not pieces[-1].startswith(b"--"):
        raise _bad(f"The form is cut short, or has more than {MAX_PARTS} parts.")
    return _collected([part for piece in pieces[:-1] if (part := _form_part(piece)) is not None])


def _form_part(piece: bytes) -> tuple[str, bytes] | None:
    """The name and content of a part; None of a file that a browser's user has not chosen."""
    head, found, content = piece.partition(b"\r\n\r\n")
    named = _DISPOSITION.search(head[:MAX_HEAD])
    if not found or named is None or len(head) > MAX_HEAD:
        raise _bad("A part of the form has no name.")
    if not content and _UNCHOSEN.search(head):
        return None
    return (named[1] or named[2] or b"").decode(errors="replace"), content


def _collected(rows: Sequence[tuple[str, bytes]]) -> Parts:
    """The values by their names. Raises _Fault on names that are not known, and on too many."""
    parts: dict[str, list[bytes]] = {}
    for name, value in rows:
        if name not in _FIELDS:
            raise _bad(f"The field {name[:20]!r} is not known here: send {', '.join(_FIELDS)}.")
        parts.setdefault(name, []).append(value)
    if len(rows) > MAX_PARTS or any(len(parts.get(name, ())) > 1 for name in _ONCE):
        raise _bad(f"Send each field once, ca and crl as often as needed, {MAX_PARTS} in all.")
    return parts


def _bad(sentence: str) -> _Fault:
    return _Fault(HTTPStatus.BAD_REQUEST, sentence)


_TOO_LARGE = _Fault(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body may have {BODY_LIMIT} octets here: send a digest in place of data."
)


def _error(fault: _Fault, *, close: bool = False) -> web.Response:
    """A full desk's Retry-After is jittered, so that those refused do not come back together."""
    busy = fault.status == HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Retry-After": str(1 + secrets.randbelow(5))} if busy else None
    response = web.json_response({"error": str(fault)}, status=fault.status, headers=headers)
    if close:
        response.force_close()
    return response
