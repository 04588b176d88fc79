"""`tsa stamp`: an honest answer is kept, a lie is not, and no token that is there is ever lost."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support import der
from tests.support.query import Query
from tests.support.token import FAILURES
from tests.support.units import answer, authority
from tsa import client
from tsa.client import Stamped, StampFault, stamp_file
from tsa.protocol.errors import QueueFull, Refusal, UnacceptedHash
from tsa.protocol.oids import HASHES
from tsa.protocol.tsp import decode_request, encode_refusal
from tsa.stamping.issue import Authority
from tsa.verify.token import check_token

Act = Callable[[bytes], Awaitable[web.Response]]
CONTENT = b"what was known then"


def reply(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/timestamp-reply")


def body_of(response: web.Response) -> bytes:
    assert isinstance(response.body, bytes)
    return response.body


class Tsa:
    """An HTTP server that does what a test wants with each request."""

    def __init__(self) -> None:
        self.authority: Authority = authority()
        self.act: Act = self.honest
        self.requests: list[bytes] = []
        self.headers: list[str | None] = []

    async def honest(self, octets: bytes) -> web.Response:
        answered = await answer(self.authority, octets)
        return reply(answered if isinstance(answered, bytes) else encode_refusal(answered))

    async def handle(self, request: web.Request) -> web.Response:
        octets = await request.read()
        self.requests.append(octets)
        self.headers.append(request.headers.get("Content-Type"))
        return await self.act(octets)


@pytest.fixture
async def tsa() -> AsyncIterator[tuple[Tsa, str]]:
    double = Tsa()
    app = web.Application()
    app.router.add_post("/", double.handle)
    async with TestServer(app) as server:
        yield double, str(server.make_url("/"))


@pytest.fixture
def document(tmp_path: Path) -> Path:
    file = tmp_path / "a document.pdf"
    file.write_bytes(CONTENT)
    return file


async def stamp(url: str, file: Path, hash_name: str = "sha256") -> Stamped:
    async with aiohttp.ClientSession() as session:
        return await stamp_file(session, url, file, hash_name)


@pytest.mark.parametrize("hash_name", HASHES)
async def test_a_file_is_stamped_by_its_digest_alone(tsa: tuple[Tsa, str], document: Path, hash_name: str) -> None:
    double, url = tsa
    stamped = await stamp(url, document, hash_name)
    [octets] = double.requests
    request = decode_request(octets)
    digest = hashlib.new(hash_name, CONTENT).digest()
    assert request.hash_algorithm.name == hash_name
    assert request.message_imprint.endswith(digest)
    assert request.cert_req
    assert request.nonce
    assert CONTENT not in octets
    assert double.headers == ["application/timestamp-query"]
    assert stamped.file == document.with_name("a document.pdf.tsr")
    assert stamped.token == check_token(stamped.file.read_bytes(), octets)
    assert stamped.moved is None


async def test_every_request_has_a_nonce_of_its_own(tsa: tuple[Tsa, str], document: Path) -> None:
    double, url = tsa
    for _ in range(5):
        await stamp(url, document)
    assert len({decode_request(octets).nonce for octets in double.requests}) == 5


async def test_an_earlier_token_is_moved_and_never_overwritten(tsa: tuple[Tsa, str], document: Path) -> None:
    _, url = tsa
    stamps = [await stamp(url, document) for _ in range(3)]
    names = [each.moved.name if each.moved else None for each in stamps]
    assert names == [None, "a document.pdf.tsr.1", "a document.pdf.tsr.2"]
    files = sorted(document.parent.glob("*.tsr*"), key=lambda path: path.stat().st_mtime_ns)
    assert [path.name for path in files] == ["a document.pdf.tsr.1", "a document.pdf.tsr.2", "a document.pdf.tsr"]
    assert len({path.read_bytes() for path in files}) == 3
    assert {path.name for path in document.parent.iterdir()} == {document.name, *(path.name for path in files)}


async def test_an_answer_in_pieces_is_read_to_its_end(document: Path) -> None:
    double = Tsa()

    async def in_pieces(request: web.Request) -> web.StreamResponse:
        body = (await double.honest(await request.read())).body
        assert isinstance(body, bytes)
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        for piece in (body[:100], body[100:]):
            await response.write(piece)
            await asyncio.sleep(0.05)  # so that the pieces travel apart
        return response

    app = web.Application()
    app.router.add_post("/", in_pieces)
    async with TestServer(app) as server:
        stamped = await stamp(str(server.make_url("/")), document)
    assert stamped.token.serial_number


async def other_imprint(double: Tsa, _octets: bytes) -> web.Response:
    return await double.honest(Query().encode())


async def other_nonce(double: Tsa, octets: bytes) -> web.Response:
    request = decode_request(octets)
    return await double.honest(Query(imprint=request.message_imprint, nonce=b"\x01").encode())


async def no_certificates(double: Tsa, octets: bytes) -> web.Response:
    request = decode_request(octets)
    nonce = der.read(request.nonce).contents
    return await double.honest(Query(imprint=request.message_imprint, nonce=nonce, cert_req=None).encode())


async def twisted(double: Tsa, octets: bytes) -> web.Response:
    body = bytearray(body_of(await double.honest(octets)))
    body[-1] ^= 1
    return reply(bytes(body))


async def cut(double: Tsa, octets: bytes) -> web.Response:
    return reply(body_of(await double.honest(octets))[:-1])


async def web_page(_double: Tsa, _octets: bytes) -> web.Response:
    return web.Response(text="<!doctype html>")


async def endless(double: Tsa, octets: bytes) -> web.Response:
    return reply(body_of(await double.honest(octets)) + bytes(client.REPLY_LIMIT))


def refusing(refusal: Refusal, status: int) -> Callable[[Tsa, bytes], Awaitable[web.Response]]:
    async def act(_double: Tsa, _octets: bytes) -> web.Response:
        return reply(encode_refusal(refusal), status)

    return act


async def not_found(_double: Tsa, _octets: bytes) -> web.Response:
    raise web.HTTPNotFound


@pytest.mark.parametrize(
    ("lie", "sentence"),
    [
        (other_imprint, "did not give a token for .*messageImprint differs"),
        (other_nonce, "nonce differs"),
        (no_certificates, "neither in the token nor among those given"),
        (twisted, "Expected the signature of"),
        (cut, "neither a TimeStampResp nor a TimeStampToken"),
        (web_page, "neither a TimeStampResp nor a TimeStampToken"),
        (endless, "answered with more than"),
        (refusing(UnacceptedHash("Use SHA-256."), 200), r"It says: Use SHA-256\. \(badAlg\)"),
        (
            refusing(QueueFull("Try again."), 503),
            r"answered 503 Service Unavailable\. It says: Try again\. \(systemFailure\)",
        ),
        (not_found, r"answered 404 Not Found\.$"),
    ],
)
async def test_what_is_not_the_token_asked_for_is_not_kept(
    tsa: tuple[Tsa, str], document: Path, lie: Callable[[Tsa, bytes], Awaitable[web.Response]], sentence: str
) -> None:
    double, url = tsa
    await stamp(url, document)
    kept = document.with_name("a document.pdf.tsr").read_bytes()
    double.act = lambda octets: lie(double, octets)
    with pytest.raises(StampFault, match=sentence):
        await stamp(url, document)
    assert {path.name for path in document.parent.iterdir()} == {"a document.pdf", "a document.pdf.tsr"}
    assert document.with_name("a document.pdf.tsr").read_bytes() == kept


async def test_a_server_that_never_answers_is_not_waited_for(tsa: tuple[Tsa, str], document: Path) -> None:
    double, url = tsa

    async def never(_octets: bytes) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    double.act = never
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.1)) as session:
        with pytest.raises(StampFault, match="did not answer within"):
            await stamp_file(session, url, document, "sha256")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[::1", "127.0.0.1:3161", "ftp://127.0.0.1/"])
async def test_an_address_that_does_not_lead_there_is_told(document: Path, url: str) -> None:
    with pytest.raises(StampFault, match=r"cannot be reached: .* the --url right\?"):
        await stamp(url, document)


async def test_a_file_that_cannot_be_read_is_named_and_nothing_is_sent(tsa: tuple[Tsa, str], tmp_path: Path) -> None:
    double, url = tsa
    for file, reason in ((tmp_path / "missing", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(StampFault, match=f"{file} cannot be read: {reason}"):
            await stamp(url, file)
    assert double.requests == []


async def test_a_token_that_cannot_be_kept_is_told(tsa: tuple[Tsa, str], document: Path) -> None:
    document.with_name(".a document.pdf.tsr.part").mkdir()
    with pytest.raises(StampFault, match=r"a document\.pdf\.tsr cannot be written: Is a directory"):
        await stamp(tsa[1], document)


def test_the_names_of_fail_infos_are_the_standards() -> None:
    said = client._refusal(encode_refusal(UnacceptedHash("No.")))
    assert said is not None
    assert any(name in said for name in FAILURES)
