"""What a browser, a probe and a verifier are given: /healthz, /readyz, the page, the certificates."""

import asyncio
import json
import re
import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.support.http import Answer, Connection
from tests.support.inside import get, serving
from tests.support.query import Query
from tests.support.stamping import Authority
from tests.support.token import refusal
from tests.support.units import ANYONE, FakePool
from tests.support.units import authority as authority_inside
from tsa.stamping.intake import Job


class Ignored(Job):
    """A request whose answer nobody awaits."""

    def deliver(self, answer: object) -> None:
        """Nobody is there."""


def get_here(authority: Authority, path: str) -> Answer:
    with authority.connect() as connection:
        return connection.get(path)


def test_healthz(authority: Authority) -> None:
    answer = get_here(authority, "/healthz")
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "alive"})


def test_ready(authority: Authority) -> None:
    answer = get_here(authority, "/readyz")
    said = json.loads(answer.body)
    assert (answer.status, said["status"], said["reasons"]) == (200, "ready", [])
    assert "system" in said["clock"], "what the time is trusted for is said"


YEAR_NS = 365 * 86_400 * 10**9


@pytest.mark.parametrize(
    ("shift_ns", "failure", "word"),
    [(-YEAR_NS, "timeNotAvailable", "clock"), (30 * YEAR_NS, "systemFailure", "certificate")],
    ids=["clock-set-back", "certificate-expired"],
)
async def test_not_ready_because_of_the_time(shift_ns: int, failure: str, word: str) -> None:
    """503 with the reason, for as long as it is so; who asks for a stamp meanwhile is refused."""
    shift = [0]
    authority = authority_inside(now_ns=lambda: time.time_ns() + shift[0])
    async with serving(authority) as (service, address):
        service.intake.staff(1)
        assert (await get(address, "/readyz")).status == 200
        await _post(address)
        shift[0] = shift_ns
        answer = await get(address, "/readyz")
        said = json.loads(answer.body)
        assert (answer.status, said["status"]) == (503, "not ready")
        (reason,) = said["reasons"]
        assert word in reason
        assert (await get(address, "/healthz")).status == 200, "alive all the same"
        assert word in refusal(await _post(address), failure)
        shift[0] = 0
        if shift_ns < 0:
            assert (await get(address, "/readyz")).status == 200


async def _post(address: tuple[str, int]) -> Answer:
    def ask() -> Answer:
        with Connection(address) as connection:
            return connection.post(Query().encode())

    return await asyncio.to_thread(ask)


async def test_not_ready_because_of_the_queue() -> None:
    """Nothing is signed, and all places of the queue are taken."""
    authority = authority_inside(pool=FakePool(), signing={"queue": 3})
    async with serving(authority) as (service, address):
        for _ in range(3):
            service.intake.submit(Query().encode(), Ignored(), ANYONE)
        said = json.loads((await get(address, "/readyz")).body)
        assert said["reasons"] == ["The signing queue is full."]
        refusal(await _post(address), "systemFailure", 503)


async def test_not_ready_because_it_ends() -> None:
    async with serving(authority_inside()) as (service, address):
        service.connections.draining = True
        answer = await get(address, "/readyz")
        assert answer.status == 503
        assert json.loads(answer.body)["reasons"] == ["This process is stopping."]
        assert answer.header("connection") == "close"


def test_page(authority: Authority) -> None:
    """It names the certificate; no script stands in it, and none from elsewhere may run."""
    answer = get_here(authority, "/")
    text = answer.body.decode()
    assert answer.status == 200
    assert (answer.header("content-type") or "").startswith("text/html")
    assert "default-src 'none'" in (answer.header("content-security-policy") or "")
    assert answer.header("x-content-type-options") == "nosniff"
    assert authority.certificate.fingerprint(hashes.SHA256()).hex(":") in text
    assert re.findall(r"<script[^>]*>[^<]*", text) == ['<script type="module" src="/static/page.js">']
    assert not re.search(r"<style|\b(on\w+|style)=|<img|<iframe|https?://", text)
    for link in re.findall(r'(?:href|src)="(/[^"]+)"', text):
        assert get_here(authority, link).status == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics", "/chain.pem", "/ca.pem", "/none", "/tsa/KEY"])
def test_server_header(authority: Authority, path: str) -> None:
    """No answer says which software of which version stands behind."""
    assert get_here(authority, path).header("server") == "tsa"


def test_certificates_are_of_use_to_openssl(authority: Authority, tmp_path: Path) -> None:
    """With /ca.pem and /chain.pem alone, as fetched, a token without certificates verifies."""
    for name in ("ca.pem", "chain.pem"):
        answer = get_here(authority, f"/{name}")
        assert answer.status == 200
        assert answer.header("content-type") == "application/x-pem-file"
        (tmp_path / name).write_bytes(answer.body)
    chain = x509.load_pem_x509_certificates((tmp_path / "chain.pem").read_bytes())
    assert chain == authority.chain, "the TSA certificate first, the root left out"
    (root,) = x509.load_pem_x509_certificates((tmp_path / "ca.pem").read_bytes())
    root.verify_directly_issued_by(root)
    query = Query(cert_req=None)
    (tmp_path / "request.tsq").write_bytes(query.encode())
    with authority.connect() as connection:
        (tmp_path / "reply.tsr").write_bytes(connection.post(query.encode()).body)
    command = ["openssl", "ts", "-verify", "-queryfile", "request.tsq", "-in", "reply.tsr", "-CAfile", "ca.pem"]
    done = subprocess.run(
        [*command, "-untrusted", "chain.pem"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "Verification: OK" in done.stdout + done.stderr
