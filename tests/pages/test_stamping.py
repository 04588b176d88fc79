"""Stamping in the browser: the token is good, whatever the hash, the size of the file, the language, the way there."""

import hashlib
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, Route, expect

from tests.pages.conftest import LAN_HOST
from tests.pages.test_files import WORDS
from tests.support.raw_client import register
from tests.support.server import Server
from tests.support.stamping import Authority
from tests.support.visits import Visit, drop, save, save_as, stamp

LOCALES = pytest.mark.parametrize(("locale", "words"), [("en-GB", WORDS["en"]), ("zh-CN", WORDS["zh"])])
ALGORITHMS = ["sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512"]


def check_with_openssl(server: Server, file: Path, token: Path) -> None:
    """openssl is satisfied that the token is for the file, with the certificates in it."""
    command: list[str | Path] = ["openssl", "ts", "-verify", "-data", file, "-in", token, "-CAfile", server.ca_pem]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Verification: OK" in done.stdout + done.stderr


def digest(name: str, data: bytes) -> str:
    return hashlib.new(name.replace("sha3-", "sha3_"), data).hexdigest()


def test_stamp(page: Page, authority: Authority, contract: Path, tmp_path: Path) -> None:
    words = WORDS["en"]
    card = stamp(page, contract)
    expect(card.locator("h3").last).to_have_text(words["stamped"])
    expect(card).to_contain_text(hashlib.sha256(contract.read_bytes()).hexdigest())
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? UTC", card.locator("time").inner_text())
    expect(page.locator("#announcement")).to_have_text(words["said_stamped"].format(name="contract.txt"))
    token = save(page, card, tmp_path)
    assert token.name == "contract.txt.tsr"
    check_with_openssl(authority.server, contract, token)


def test_several_files_dropped(page: Page, authority: Authority, tmp_path: Path) -> None:
    """Each gets a token of its own, in their order."""
    files = [tmp_path / f"{number}.txt" for number in range(3)]
    for file in files:
        file.write_text(file.name)
    drop(page, *files)
    expect(page.locator("#stamped .good")).to_have_count(3)
    for file, card in zip(files, page.locator("#stamped .card").all(), strict=True):
        check_with_openssl(authority.server, file, save(page, card, tmp_path))


def test_another_hash(page: Page, contract: Path) -> None:
    algorithm = "sha3-384"
    page.locator("#stamp-options summary").click()
    page.select_option("#algorithm", algorithm)
    expect(stamp(page, contract)).to_contain_text(digest(algorithm, contract.read_bytes()))


def test_every_hash(page: Page) -> None:
    """Also where a file is empty, or its last piece is one octet."""
    piece = 4 << 20
    cases = [(name, size) for name in ALGORITHMS for size in (0, 3)] + [("sha256", piece + 1), ("sha3-256", piece)]
    computed = page.evaluate(
        """async (cases) => {
            const { digestOf } = await import("/static/digest.js");
            const { hex } = await import("/static/der.js");
            const digests = cases.map(([algorithm, size]) =>
                digestOf(new Blob([new Uint8Array(size).fill(0xa5)]), algorithm, () => {}));
            return (await Promise.all(digests)).map(hex);
        }""",
        cases,
    )
    assert computed == [digest(name, b"\xa5" * size) for name, size in cases]


def test_large_file(page: Page) -> None:
    """64 MiB, hashed in pieces while the page tells how far it is."""
    piece, count = bytes(range(256)) * 4096, 64
    page.evaluate(
        """count => {
            window.shares = [];
            new MutationObserver(() => {
                const bar = document.querySelector("progress");
                if (bar) window.shares.push(bar.value);
            }).observe(document.querySelector("#stamped"), { childList: true, subtree: true });
            const piece = Uint8Array.from({ length: 1 << 20 }, (_, at) => at & 0xff);
            const given = new DataTransfer();
            given.items.add(new File(Array(count).fill(piece), "large.bin"));
            const input = document.querySelector("#stamp-files");
            input.files = given.files;
            input.dispatchEvent(new Event("change"));
        }""",
        count,
    )
    card = page.locator("#stamped .card")
    expect(card.locator(".good")).to_be_visible()
    expect(card).to_contain_text(hashlib.sha256(piece * count).hexdigest())
    shares = page.evaluate("window.shares")
    assert shares == sorted(shares)
    assert len([share for share in set(shares) if 0 < share < 1]) > 5, "progress is seen"


def test_hashing_can_be_cancelled(page: Page, contract: Path) -> None:
    """And the file stamped after all."""
    page.route("**/hasher.js", lambda _route: None)  # so the hash is never ready
    page.set_input_files("#stamp-files", contract)
    card = page.locator("#stamped .card")
    card.get_by_role("button", name=WORDS["en"]["cancel"]).click()
    expect(card).to_contain_text(WORDS["en"]["cancelled"])
    page.unroute("**/hasher.js")
    card.get_by_role("button", name=WORDS["en"]["again"]).click()
    expect(card.locator(".good")).to_be_visible()


def test_plain_http(visit: Callable[..., Visit], authority: Authority, contract: Path, tmp_path: Path) -> None:
    """On a LAN, where the browser has no WebCrypto for the page, it stamps and verifies all the same."""
    page = visit(host=LAN_HOST).page
    assert page.evaluate("[isSecureContext, crypto.subtle === undefined]") == [False, True]
    token = save(page, stamp(page, contract), tmp_path)
    check_with_openssl(authority.server, contract, token)
    drop(page, contract, token)  # where files are stamped: together they are there to be verified all the same
    expect(page.locator("#judged h3")).to_have_text(WORDS["en"]["proved"])
    expect(page.locator("#tab-verify")).to_have_attribute("aria-selected", "true")


def test_by_keyboard(page: Page, authority: Authority, contract: Path, tmp_path: Path) -> None:
    """From the first Tab to the saved token, with the focus visible all the way."""

    def tab_to(selector: str) -> None:
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"Tab does not lead to {selector}")

    page.bring_to_front()  # another page of the browser may have the keyboard
    page.on("filechooser", lambda _chooser: None)  # Playwright does not wait until it intercepts: begin long before
    tab_to(".skip")
    box = page.locator(".skip").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    tab_to("#language")
    tab_to("#tab-stamp")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#verify")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#stamp")).to_be_visible()
    tab_to("#stamp-files")
    shown = page.locator("label[for=stamp-files]").evaluate("each => getComputedStyle(each).outlineStyle")
    assert shown == "solid"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(contract)
    expect(page.locator("#stamped .good")).to_be_visible()
    tab_to("a[download]")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    check_with_openssl(authority.server, contract, save_as(download.value, tmp_path))


def test_app_key(visit: Callable[..., Visit], closed: Authority, app_key: str, contract: Path, tmp_path: Path) -> None:
    """An authority that asks for one says so, the field has the focus, and with the key it stamps."""
    words = WORDS["en"]
    page = visit(server=closed.server).page
    page.set_input_files("#stamp-files", contract)
    card = page.locator("#stamped .card")
    expect(card).to_contain_text(words["needs_key"])
    expect(page.locator("#app-key")).to_be_focused()
    page.keyboard.type("nobody's")
    again = card.get_by_role("button", name=words["again"])
    again.click()
    expect(card).to_contain_text(words["wrong_key"])
    page.fill("#app-key", f" {app_key}\t")
    again.click()
    expect(card.locator(".good")).to_be_visible()
    check_with_openssl(closed.server, contract, save(page, card, tmp_path))


def test_licence_used_up(visit: Callable[..., Visit], closed: Authority, contract: Path) -> None:
    """The page says in how many minutes there is more, and what the authority said."""
    page = visit(server=closed.server).page
    page.locator("#stamp-options summary").click()
    page.fill("#app-key", register(closed.server, "without-licence", 0))
    page.set_input_files("#stamp-files", contract)
    card = page.locator("#stamped .card")
    expect(card.locator(".banner")).to_have_text(re.compile(r"used up\. Try again in \d+ min\."))
    expect(card.locator(".said")).to_contain_text("without-licence")


def test_server_out_of_reach(page: Page, contract: Path) -> None:
    """It says so, and the same file is stamped once it is back."""
    page.route("**/", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    page.set_input_files("#stamp-files", contract)
    card = page.locator("#stamped .card")
    expect(card).to_contain_text(WORDS["en"]["unreachable"])
    page.unroute("**/")
    card.get_by_role("button", name=WORDS["en"]["again"]).click()
    expect(card.locator(".good")).to_be_visible()


def test_answer_to_another_request(page: Page, contract: Path) -> None:
    """A good token with another nonce is not offered: somebody on the way has put it there."""
    kept: list[bytes] = []

    def replay(route: Route) -> None:
        kept.append(route.fetch().body())
        route.fulfill(body=kept[0], content_type="application/timestamp-reply")

    page.route("**/", replay)
    stamp(page, contract)
    page.set_input_files("#stamp-files", contract)
    card = page.locator("#stamped .card").last
    expect(card).to_contain_text(WORDS["en"]["mismatch"])
    assert card.locator("a[download]").count() == 0


def test_strange_answers(page: Page, contract: Path) -> None:
    """One that cannot be read, and one of a proxy on the way."""
    words = ["no_answer", "failed_http"]
    answers: list[dict[str, Any]] = [
        {"body": b"\x30\x82\x01", "content_type": "application/timestamp-reply"},
        {"body": b"gone fishing", "content_type": "text/plain"},
    ]
    page.route("**/", lambda route: route.fulfill(status=502, **answers.pop(0)))
    for word in words:
        page.set_input_files("#stamp-files", contract)
        expect(page.locator("#stamped .card").last).to_contain_text(WORDS["en"][word].format(status=502))


def test_file_with_a_hostile_name(page: Page) -> None:
    """A name is text, whatever it looks like; that no script ran is for every visit to show."""
    name = "<img src=x onerror=alert(1)>.txt"
    card = stamp(page, FilePayload(name=name, mimeType="text/plain", buffer=b"harmless"))
    expect(card.locator("h3").first).to_contain_text(name)
