"""Which application a request comes from: what a request shows, against what control.db says four times a second."""

from __future__ import annotations

import asyncio
import ssl
from ipaddress import ip_address, ip_network

import structlog
from aiohttp import web
from cryptography import x509

from tsa.licensing.applications import Application, Applications, MissingCredentials, UnknownCaller, read
from tsa.licensing.store import SqliteApplications
from tsa.protocol.errors import NoCredentials, UnknownApplication
from tsa.server.heads import key_of
from tsa.state.config import Config
from tsa.state.control import Control, ControlFault

log = structlog.get_logger()


class Callers:
    """The applications of one process; `applications` is replaced as a whole when anything about them changes."""

    def __init__(self, config: Config) -> None:
        """Raises ControlFault."""
        self._control = Control(config.dir)
        self._store = SqliteApplications(self._control)
        self._revision = -1
        self.use(config)

    def use(self, config: Config) -> None:
        """Take the settings of `config`. Raises ControlFault."""
        self.applications = self._read(config)
        self._config = config
        self._proxies = [ip_network(network) for network in config.server.trusted_proxies]

    def refresh(self) -> bool:
        """Read control.db again if another process has changed it; returns whether it was read."""
        try:
            revision = self._control.revision()
            if revision == self._revision:
                return False
            self.applications = self._read(self._config)
        except ControlFault as fault:
            log.error("applications not refreshed, those known stay", reason=str(fault))
            return False
        self._revision = revision
        return True

    def find(self, key: str | None, forwarded_for: str | None, transport: asyncio.BaseTransport) -> Application:
        """The application behind a request. Raises NoCredentials or UnknownApplication."""
        peer = transport.get_extra_info("peername")
        address = self._address(peer[0] if peer else "", forwarded_for)
        try:
            return self.applications.find(key, _subject(transport), address)
        except MissingCredentials as fault:
            raise NoCredentials(str(fault)) from fault
        except UnknownCaller as fault:
            raise UnknownApplication(str(fault)) from fault

    def of(self, request: web.Request) -> Application:
        """The application behind a request that aiohttp has. Raises NoCredentials or UnknownApplication."""
        key = key_of(request.match_info.get("app_key"), request.headers.get("Authorization"))
        if request.transport is None:
            raise NoCredentials("The connection has ended.")
        # Several headers are one list (RFC 9110 5.3): a client's own comes before the one that its proxy added.
        claims = request.headers.getall("X-Forwarded-For", [])
        return self.find(key, ",".join(claims) if claims else None, request.transport)

    def _read(self, config: Config) -> Applications:
        everyone = read(self._store, config.licence.stamps_per_licence_hour, config.licence.issuer_key)
        return Applications(everyone, anonymous=config.anonymous.enabled)

    def _address(self, peer: str, forwarded_for: str | None) -> str:
        """The address behind the trusted proxies: the last address that is not a proxy's."""
        hops = [peer] if forwarded_for is None else [*map(str.strip, forwarded_for.split(",")), peer]
        while len(hops) > 1 and self._is_proxy(hops[-1]):
            hops.pop()
        return hops[-1]

    def _is_proxy(self, address: str) -> bool:
        try:
            caller = ip_address(address)
        except ValueError:
            return False
        caller = getattr(caller, "ipv4_mapped", None) or caller  # so IPv4 callers look to a socket on [::]
        return any(caller.version == proxy.version and caller in proxy for proxy in self._proxies)


def _subject(transport: asyncio.BaseTransport) -> str | None:
    """The subject, RFC 4514, of the certificate that a TLS client showed."""
    connection: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    octets = connection.getpeercert(binary_form=True) if connection else None
    return x509.load_der_x509_certificate(octets).subject.rfc4514_string() if octets else None
