"""Who a request comes from, behind the proxies that are believed and the addresses that anybody may claim."""

import asyncio
import ipaddress
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import structlog
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from tests.support import applications
from tests.support.units import ANYONE, config
from tsa.licensing.applications import Application, Applications
from tsa.protocol.errors import NoCredentials, UnknownApplication
from tsa.server.callers import Callers
from tsa.state.control import Control

PROXIES = ("10.0.0.0/8", "192.0.2.7", "2001:db8:ffff::/48")
NEAR, FAR, SINGLE, NEAR_6 = "10.0.0.1", "10.9.9.9", "192.0.2.7", "2001:db8:ffff::1"
CLIENT, LIAR, CLIENT_6 = "198.51.100.4", "203.0.113.66", "2001:db8:1::4"


class Socket(asyncio.BaseTransport):
    """A connection from an address; `None` where the socket has none to tell."""

    def __init__(self, peer: str | None) -> None:
        super().__init__({"peername": (peer, 50_000) if peer is not None else None})


class Addresses(Applications):
    """Takes down the addresses that requests come from."""

    def __init__(self) -> None:
        super().__init__([ANYONE], anonymous=True)
        self.last = ""

    def find(self, key: str | None, subject: str | None, address: str) -> Application:
        self.last = address
        return super().find(key, subject, address)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def callers(state: Path) -> Iterator[Callers]:
    made = Callers(config(dir=state, server={"trusted_proxies": PROXIES}))
    made.applications = Addresses()
    yield made
    made._control.close()


def address(callers: Callers, peer: str | None, forwarded_for: str | None) -> str:
    """Who is found behind a request."""
    callers.find(None, forwarded_for, Socket(peer))
    assert isinstance(callers.applications, Addresses)
    return callers.applications.last


CHAINS = {
    "no proxy": (CLIENT, None, CLIENT),
    "no proxy, IPv6": (CLIENT_6, None, CLIENT_6),
    "spoofed without a proxy": (LIAR, CLIENT, LIAR),
    "spoofed without a proxy as if by one": (LIAR, f"{CLIENT}, {NEAR}", LIAR),
    "a proxy itself": (NEAR, None, NEAR),
    "by a proxy": (NEAR, CLIENT, CLIENT),
    "by a proxy of one address": (SINGLE, CLIENT, CLIENT),
    "by its neighbour, which is none": ("192.0.2.8", CLIENT, "192.0.2.8"),
    "spoofed by a proxy's client": (NEAR, f"{LIAR}, {CLIENT}", CLIENT),
    "spoofed with a proxy's address": (NEAR, f"{FAR}, {CLIENT}", CLIENT),
    "spoofed, a proxy between": (NEAR, f"{CLIENT}, {LIAR}, {FAR}", LIAR),
    "by two proxies": (NEAR, f"{CLIENT}, {FAR}", CLIENT),
    "by three, of both versions": (NEAR_6, f"{CLIENT},{FAR} ,  {SINGLE}", CLIENT),
    "a stranger between two proxies": (NEAR, f"{CLIENT}, {FAR}, {LIAR}", LIAR),
    "proxies all the way": (NEAR, f"{FAR}, {SINGLE}", FAR),
    "IPv6 by an IPv4 proxy": (NEAR, CLIENT_6, CLIENT_6),
    "IPv4 by an IPv6 proxy": (NEAR_6, CLIENT, CLIENT),
    "IPv6 written otherwise": (NEAR, f"{CLIENT}, 2001:DB8:FFFF:0::0001", CLIENT),
    "an IPv6 stranger beside the proxies' network": ("2001:db8:fffe::1", CLIENT, "2001:db8:fffe::1"),
    "a proxy as a socket on [::] sees it": (f"::ffff:{NEAR}", CLIENT, CLIENT),
    "a stranger as a socket on [::] sees it": (f"::ffff:{LIAR}", CLIENT, f"::ffff:{LIAR}"),
    "a proxy that another names so": (NEAR, f"{CLIENT}, ::ffff:{FAR}", CLIENT),
    # Somebody who has no address is nobody's proxy.
    "unknown": (NEAR, "unknown", "unknown"),
    "obfuscated": (NEAR, f"{CLIENT}, _hidden", "_hidden"),
    "with a port": (NEAR, f"{CLIENT}, {FAR}:443", f"{FAR}:443"),
    "empty": (NEAR, "", ""),
    "an empty end": (NEAR, f"{CLIENT},", ""),
    "a number that is no address": (NEAR, f"{CLIENT}, 167772161", "167772161"),
    "octets in octal": (NEAR, f"{CLIENT}, 010.0.0.1", "010.0.0.1"),
    "a socket without an address": (None, CLIENT, ""),
}


@pytest.mark.parametrize(("peer", "forwarded_for", "found"), CHAINS.values(), ids=CHAINS.keys())
def test_the_caller_is_the_last_that_is_no_proxy(
    callers: Callers, peer: str | None, forwarded_for: str | None, found: str
) -> None:
    assert address(callers, peer, forwarded_for) == found


proxies = st.sampled_from([NEAR, FAR, SINGLE, NEAR_6])
addresses = st.ip_addresses().map(str)
strangers = addresses.filter(
    lambda text: (
        not any(
            (mapped := getattr(caller := ipaddress.ip_address(text), "ipv4_mapped", None) or caller).version
            == (network := ipaddress.ip_network(proxy)).version
            and mapped in network
            for proxy in PROXIES
        )
    )
)
claims = st.lists(st.one_of(addresses, proxies, st.text("abc:.-0123456789", max_size=12)), max_size=4)


@given(claims, strangers, st.lists(proxies, min_size=1, max_size=4))
def test_nothing_that_a_stranger_claims_changes_who_it_is(
    callers: Callers, claimed: list[str], stranger: str, by: list[str]
) -> None:
    *between, nearest = by
    assert address(callers, nearest, ", ".join([*claimed, stranger, *between])) == stranger
    assert address(callers, stranger, ", ".join([*claimed, *by])) == stranger


def test_without_trusted_proxies_nobody_is_believed(tmp_path: Path) -> None:
    made = Callers(config(dir=tmp_path))
    made.applications = Addresses()
    assert address(made, "127.0.0.1", CLIENT) == "127.0.0.1"
    assert address(made, "::1", CLIENT) == "::1"


@pytest.mark.parametrize(
    "lines", [[], [CLIENT], [LIAR, CLIENT], [f"{LIAR}, {CLIENT}", FAR], [""], ["", CLIENT], [CLIENT, ""]], ids=repr
)
@pytest.mark.parametrize("peer", [NEAR, LIAR])
def test_aiohttp_s_requests_come_from_where_the_lane_s_do(callers: Callers, lines: Sequence[str], peer: str) -> None:
    """Several headers are one list (RFC 9110 5.3), which the lane never sees: it hands such requests on."""
    headers = [("Host", "tsa.test"), *(("X-Forwarded-For", line) for line in lines)]
    request = make_mocked_request("POST", "/", headers, transport=Socket(peer))
    callers.of(request)
    assert isinstance(callers.applications, Addresses)
    assert callers.applications.last == address(callers, peer, ",".join(lines) if lines else None)


# With applications of its own.


@pytest.fixture
def registered(tmp_path: Path) -> Iterator[tuple[Callers, str]]:
    """Callers without anonymous ones, and the key of an application that may call from two networks."""
    key = applications.add(tmp_path, "inside", networks=["198.51.100.0/24", "2001:db8:1::/48"])
    made = Callers(config(dir=tmp_path, server={"trusted_proxies": PROXIES}, anonymous={"enabled": False}))
    yield made, key
    made._control.close()


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "may"),
    [
        (CLIENT, None, True),
        (f"::ffff:{CLIENT}", None, True),
        (CLIENT_6, None, True),
        (LIAR, None, False),
        (LIAR, CLIENT, False),
        (NEAR, CLIENT, True),
        (NEAR, CLIENT_6, True),
        (NEAR, f"{CLIENT}, {LIAR}", False),
        (NEAR, None, False),
        (NEAR, "", False),
        (NEAR, "unknown", False),
        (None, None, False),
    ],
)
def test_an_application_is_served_in_its_networks_alone(
    registered: tuple[Callers, str], peer: str | None, forwarded_for: str | None, may: bool
) -> None:
    callers, key = registered
    if may:
        assert callers.find(key, forwarded_for, Socket(peer)).name == "inside"
    else:
        with pytest.raises(UnknownApplication):
            callers.find(key, forwarded_for, Socket(peer))


def test_who_shows_nothing_is_asked_for_credentials_and_who_shows_a_wrong_key_is_not(
    registered: tuple[Callers, str],
) -> None:
    callers, _ = registered
    with pytest.raises(NoCredentials):
        callers.find(None, None, Socket(CLIENT))
    with pytest.raises(UnknownApplication):
        callers.find("", None, Socket(CLIENT))


def test_other_settings_count_from_when_they_are_used(registered: tuple[Callers, str], tmp_path: Path) -> None:
    callers, key = registered
    callers.use(config(dir=tmp_path, server={"trusted_proxies": (LIAR,)}))
    assert callers.find(key, CLIENT, Socket(LIAR)).name == "inside"
    with pytest.raises(UnknownApplication):
        callers.find(key, CLIENT, Socket(NEAR))


def test_what_another_process_changes_is_seen_once(registered: tuple[Callers, str], tmp_path: Path) -> None:
    callers, _ = registered
    callers.refresh()
    before = callers.applications
    assert not callers.refresh()
    assert callers.applications is before
    key = applications.add(tmp_path, "another")
    assert callers.refresh()
    assert callers.find(key, None, Socket(LIAR)).name == "another"
    assert not callers.refresh()


def test_a_control_db_that_cannot_be_read_leaves_those_known(registered: tuple[Callers, str], tmp_path: Path) -> None:
    callers, key = registered
    callers.refresh()
    applications.change(tmp_path, _break)
    with structlog.testing.capture_logs() as logged:
        assert not callers.refresh()
    assert [event["event"] for event in logged] == ["applications not refreshed, those known stay"]
    assert callers.find(key, None, Socket(CLIENT)).name == "inside"
    applications.change(tmp_path, _mend)
    assert callers.refresh()
    assert callers.find(key, None, Socket(CLIENT)).name == "inside"


def _break(control: Control) -> None:
    control.connection.execute("ALTER TABLE licence RENAME TO mislaid")


def _mend(control: Control) -> None:
    control.connection.execute("ALTER TABLE mislaid RENAME TO licence")
