"""Which application a request comes from: networks, proxies, TLS client certificates; and a policy of its own."""

import asyncio
import json
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.conftest import Fleet
from tests.support import applications
from tests.support.applications import bearer
from tests.support.http import Connection, post_bytes
from tests.support.processes import States, events, wait_until
from tests.support.query import Query
from tests.support.raw_client import BOTH_SIDES, ask, by_way_of, register
from tests.support.server import Server, start_server
from tests.support.stamping import Authority
from tests.support.token import refusal
from tsa.protocol.errors import UnknownApplication
from tsa.server.callers import Callers
from tsa.state.config import Config

PROXY, OTHER_PROXY, STRANGER = "127.0.0.2", "127.0.0.3", "127.0.0.4"
INSIDE, OUTSIDE = "10.1.2.3", "192.0.2.1"


# Where requests come from.


@pytest.fixture(scope="module")
def proxied(fleet: Fleet) -> Authority:
    """A server that believes two proxies, for registered applications alone."""
    options = {
        ("server", "trusted_proxies"): [f"{PROXY}/32", f"{OTHER_PROXY}/32", "2001:db8:ffff::/48"],
        ("anonymous", "enabled"): False,
    }
    return Authority(fleet.get("proxied", options=options))


@pytest.fixture(scope="module")
def restricted(proxied: Authority) -> str:
    """The key of an application that may call from two networks."""
    return register(proxied.server, "restricted", networks=["10.1.0.0/16", "2001:db8:1::/48", f"{STRANGER}/32"])


class From(Connection):
    """A connection from an address of ours."""

    def __init__(self, address: tuple[str, int], source: str) -> None:
        super().__init__(address)
        self.socket.close()
        self.socket = socket.create_connection(address, 20, (source, 0))


CALLS = {
    "from-the-network": (STRANGER, (), 200),
    "from-elsewhere": ("127.0.0.1", (), 403),
    "forged-by-a-stranger": ("127.0.0.1", (INSIDE,), 403),
    "forged-by-a-stranger-inside": (STRANGER, (OUTSIDE,), 200),
    "from-the-proxy-itself": (PROXY, (), 403),
    "by-proxy": (PROXY, (INSIDE,), 200),
    "by-proxy-from-elsewhere": (PROXY, (OUTSIDE,), 403),
    "by-two-proxies": (PROXY, (f"{INSIDE}, {OTHER_PROXY}",), 200),
    "by-two-proxies-one-of-ipv6": (PROXY, (f"{INSIDE},2001:db8:ffff::1",), 200),
    "forged-before-the-proxy": (PROXY, (f"{INSIDE}, {OUTSIDE}",), 403),
    "forged-in-a-header-of-its-own": (PROXY, (INSIDE, OUTSIDE), 403),
    "in-two-headers": (PROXY, (OUTSIDE, INSIDE), 200),
    "ipv6": (PROXY, ("2001:db8:1::5",), 200),
    "ipv6-from-elsewhere": (PROXY, ("2001:db8:2::5",), 403),
    "ipv4-in-ipv6": (PROXY, (f"::ffff:{INSIDE}",), 200),
    "no-address": (PROXY, ("unknown",), 403),
    "empty": (PROXY, ("",), 403),
}


@BOTH_SIDES
@pytest.mark.parametrize(("source", "forwarded", "status"), CALLS.values(), ids=CALLS.keys())
def test_networks(
    proxied: Authority, restricted: str, via: str, source: str, forwarded: tuple[str, ...], status: int
) -> None:
    headers = [f"X-Forwarded-For: {value}" for value in forwarded]
    with by_way_of(via, From(proxied.server.address, source)) as connection:
        for _ in range(2):
            query = Query()
            answer = connection.ask(post_bytes(query.encode(), headers=(bearer(restricted), *headers)))
            if status == 200:
                proxied.judge(answer, query)
            else:
                refusal(answer, "badRequest", status=403)
    assert usage_from(proxied.server, source, bearer(restricted), *headers) == status


def usage_from(server: Server, source: str, *headers: str) -> int:
    """The status of GET /api/v1/usage from an address of ours."""
    with From(server.address, source) as connection:
        return connection.get("/api/v1/usage", *headers).status


class Peer(asyncio.BaseTransport):
    """A transport that knows its peer's address."""

    def __init__(self, address: str) -> None:
        super().__init__({"peername": (address, 1)})


def test_ipv4_callers_of_a_socket_for_ipv6(tmp_path: Path) -> None:
    """Where [::] is listened on they are ::ffff:a.b.c.d, proxies among them (RFC 4291 2.5.5.2)."""
    key = applications.add(tmp_path, "restricted", networks=["10.1.0.0/16"])
    tables = {"server": {"trusted_proxies": [f"{PROXY}/32"]}, "anonymous": {"enabled": False}}
    callers = Callers(Config.model_validate({"dir": tmp_path, **tables}))
    assert callers.find(key, None, Peer(f"::ffff:{INSIDE}")).name == "restricted"
    assert callers.find(key, INSIDE, Peer(f"::ffff:{PROXY}")).name == "restricted"
    with pytest.raises(UnknownApplication):
        callers.find(key, INSIDE, Peer(f"::ffff:{STRANGER}"))


# A policy of its own.


@BOTH_SIDES
def test_own_policy(fleet: Fleet, authority: Authority, via: str) -> None:
    """Its own is its default, which it may also ask for, and nobody else."""
    own, server = "2.999.77.1", authority.server
    key = register(server, f"own policy {via}", policy=own)
    with authority.connect(via) as connection:
        unasked, by_name, default = Query(), Query(policy=own), Query(policy="2.999.3161.1")
        answer = connection.ask(post_bytes(unasked.encode(), headers=(bearer(key),)))
        authority.judge(answer, Query(**{**vars(unasked), "policy": own}))
        for query in (by_name, default):
            authority.judge(connection.ask(post_bytes(query.encode(), headers=(bearer(key),))), query)
        refusal(connection.post(Query(policy=own).encode()), "unacceptedPolicy")
        authority.stamp(connection)


# TLS client certificates.


class Certificates:
    """A CA of the test's own, and keys with certificates of it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name.from_rfc4514_string("CN=Test CA")
        self.ca = root / "clients.pem"
        self.ca.write_bytes(self._issue("CN=Test CA", self._key, ca=True))

    def make(self, name: str, subject: str) -> tuple[Path, Path]:
        """Files with a certificate for `subject`, RFC 4514, and its key."""
        key, files = ec.generate_private_key(ec.SECP256R1()), (self._root / f"{name}.pem", self._root / f"{name}.key")
        files[0].write_bytes(self._issue(subject, key, ca=False))
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        files[1].chmod(0o600)
        return files

    def _issue(self, subject: str, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> bytes:
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name.from_rfc4514_string(subject))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(Encoding.PEM)


SUBJECT = "CN=invoices,O=Example\\, Ltd,C=KR"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def mutual(
    states: States, tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """A server, not for anonymous callers, that asks for a client certificate; one application is known by its."""
    directory = states.copy(tmp_path / "mutual")
    certificate, key = certificates.make("server", "CN=127.0.0.1")
    options = {
        ("tls", "certificate"): str(certificate),
        ("tls", "key"): str(key),
        ("tls", "client_ca"): str(certificates.ca),
        ("anonymous", "enabled"): False,
    }
    applications.add(directory, "invoices", certificate_subject=SUBJECT, networks=["127.0.0.0/8"])
    monkeypatch.setattr(Server, "readiness", lambda server: (200 if events(server, "worker serves") else 0, {}))
    server = start_server(directory, options=options)
    yield server
    server.stop()


def shown(server: Server, certificates: Certificates, client: tuple[Path, Path]) -> Connection:
    """A TLS connection on which the client has shown a certificate."""
    context = ssl.create_default_context(cafile=str(certificates.ca))
    context.check_hostname = False
    context.load_cert_chain(*client)
    connection = server.connect()
    connection.socket = context.wrap_socket(connection.socket)
    return connection


@BOTH_SIDES
def test_client_certificate(mutual: Server, certificates: Certificates, via: str) -> None:
    """Its subject names the application, unless the request shows a key."""
    authority = Authority(mutual)
    key = applications.add(mutual.directory, "by key")
    stranger = certificates.make("stranger", "CN=stranger,O=Example\\, Ltd,C=KR")
    with by_way_of(via, shown(mutual, certificates, stranger)) as connection:
        refusal(ask(connection), "badRequest", status=401)
        wait_until(lambda: ask(connection, bearer(key)).status == 200, "the key is known")
        refusal(ask(connection), "badRequest", status=401)
    known_client = certificates.make("client", SUBJECT)
    with by_way_of(via, shown(mutual, certificates, known_client)) as connection:
        authority.stamp(connection)
        refusal(ask(connection, bearer("x" * 43)), "badRequest", status=403)
        authority.stamp(connection)
        usage = connection.get("/api/v1/usage")
        assert json.loads(usage.body)[0]["stamps"] == 2
        applications.disable(mutual.directory, "invoices")
        wait_until(lambda: ask(connection).status == 403, "the application is disabled")
        refusal(ask(connection), "badRequest", status=403)
