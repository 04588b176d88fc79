"""A time-stamp authority that is honest but for one thing, in a thread of this process: what the judge is tried on."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.units import unit
from tsa.protocol import cms, der, tsp
from tsa.protocol.errors import LicenceExhausted, Refusal, UnacceptedExtension, UnacceptedPolicy

POLICY = der.oid("2.999.3161.1")


class Honest:
    """Grants `capacity` stamps in each window of `window_s`, all of them right. A liar changes one of its methods."""

    def __init__(self, capacity: int, window_s: int = 3600) -> None:
        self.capacity, self.window_s = capacity, window_s
        self.stamps: Counter[int] = Counter()  # by window
        self._serials = count(1 << 100)
        self._template = cms.TokenTemplate(unit().signer)

    async def answer(self, number: int, octets: bytes) -> bytes | None:
        """The TimeStampResp to request `number`; None drops the connection. Raises Refusal."""
        request = tsp.decode_request(octets)
        if request.req_policy:
            raise UnacceptedPolicy("no such policy")
        if request.extensions:
            raise UnacceptedExtension("no such extension")
        now = time.time_ns() // 1000
        if self.stamps[now // 1_000_000 // self.window_s] >= self.grants():
            raise LicenceExhausted("no stamp is left", retry_after_s=self.window_s)
        self.stamps[now // 1_000_000 // self.window_s] += 1
        return self.token(request, now)

    def token(self, request: tsp.TimeStampReq, now: int) -> bytes:
        """The granted TimeStampResp; `now` in µs since the epoch."""
        moment = tsp.generalized_time(now, 3) + tsp.accuracy(1_000_000)
        info = tsp.tst_info(POLICY, request.message_imprint, self.serial(), moment, self.nonce(request), b"")
        signed = self._template.signed_attributes(self._template.before_digest(now), info)
        return self._template.response(info, signed, self.sign(signed), request.cert_req)

    def grants(self) -> int:
        """How many stamps a window really has."""
        return self.capacity

    def serial(self) -> bytes:
        """The next serialNumber, as an INTEGER."""
        return der.integer(next(self._serials))

    def nonce(self, request: tsp.TimeStampReq) -> bytes:
        """The nonce of the token, as an INTEGER."""
        return request.nonce

    def sign(self, signed: bytes) -> bytes:
        """The signature over signed attributes."""
        return unit().key.sign(signed)

    def started(self) -> float:
        """When the process says that it started, seconds since the epoch."""
        return 1e9


@contextmanager
def serving(authority: Honest) -> Iterator[str]:
    """The URL under which it stamps, until the block ends."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    ports: list[int] = []

    async def serve() -> None:
        runner = web.AppRunner(_application(authority), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports.append(runner.addresses[0][1])
        stopped = asyncio.get_running_loop().create_future()
        ends.append(stopped)
        ready.set()
        await stopped
        await runner.cleanup()

    ends: list[asyncio.Future[None]] = []
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield f"http://127.0.0.1:{ports[0]}/"
    finally:
        loop.call_soon_threadsafe(ends[0].set_result, None)
        thread.join()
        loop.close()


def _application(authority: Honest) -> web.Application:
    numbers = count()

    async def stamp(request: web.Request) -> web.Response:
        status = 200
        try:
            body = await authority.answer(next(numbers), await request.read())
        except Refusal as refusal:
            body, status = tsp.encode_refusal(refusal), 429 if isinstance(refusal, LicenceExhausted) else 200
        if body is None:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(body=body, status=status, content_type="application/timestamp-reply")

    async def usage(_: web.Request) -> web.Response:
        window = int(time.time()) // authority.window_s
        told = {"window_s": authority.window_s, "capacity": authority.capacity, "stamps": authority.stamps[window]}
        return web.Response(text=json.dumps([told]), content_type="application/json")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=f"process_start_time_seconds {authority.started()}\n", content_type="text/plain")

    async def chain(_: web.Request) -> web.Response:
        return web.Response(body=unit().chain.certificate.public_bytes(Encoding.PEM))

    application = web.Application()
    application.add_routes([web.post("/", stamp), web.get("/api/v1/usage", usage)])
    application.add_routes([web.get("/metrics", metrics), web.get("/chain.pem", chain)])
    return application
