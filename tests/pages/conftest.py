"""One Chromium for all tests of the page; every visit is judged for what the page must never do."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.conftest import Fleet
from tests.support.raw_client import register
from tests.support.server import Server
from tests.support.stamping import Authority
from tests.support.visits import Visit

# A host name that is no loopback name is no secure context over http: there, WebCrypto is absent.
LAN_HOST = "tsa.test"
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    f"--host-resolver-rules=MAP {LAN_HOST} 127.0.0.1",
]
PATIENCE_MS = 20_000

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; where it is not installed, the tests that need it are skipped."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser, authority: Authority) -> Iterator[Callable[..., Visit]]:
    """Opens the page as somebody new; afterwards nothing may have gone wrong in it, or to another origin."""
    visits: list[Visit] = []

    def begin(
        locale: str = "en-GB", *, server: Server | None = None, host: str = "127.0.0.1", width: int = 1280
    ) -> Visit:
        origin = f"http://{host}:{(server or authority.server).address[1]}/"
        context = browser.new_context(locale=locale, viewport={"width": width, "height": 900})
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        begun = Visit(page, origin)
        visits.append(begun)
        page.on("console", lambda message: _note(begun, message))
        page.on("pageerror", lambda error: begun.faults.append(str(error)))
        page.on("request", lambda request: begun.requests.append(request.url))
        begun.open()
        return begun

    yield begin
    for each in visits:
        each.page.context.close()
        assert each.faults == [], "the page, or the browser for it, complains"
        strangers = [url for url in each.requests if not url.startswith((each.origin, f"blob:{each.origin}"))]
        assert strangers == [], "nobody but our server is asked anything"


def _note(visit: Visit, message: ConsoleMessage) -> None:
    """Keep what is an error, but for those statuses that a test asks for."""
    if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
        visit.faults.append(message.text)


@pytest.fixture
def page(visit: Callable[..., Visit]) -> Page:
    """The page in English, on a wide screen."""
    return visit().page


@pytest.fixture(scope="session")
def closed(fleet: Fleet) -> Authority:
    """Another authority, which stamps for registered applications alone."""
    return Authority(fleet.get("closed", options={("anonymous", "enabled"): False}))


@pytest.fixture(scope="session")
def app_key(closed: Authority) -> str:
    """The APP_KEY of an application of `closed`."""
    return register(closed.server, "from-a-browser")


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    """A file to stamp."""
    file = tmp_path / "contract.txt"
    file.write_bytes(b"the contract\n")
    return file
