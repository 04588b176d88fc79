"""Verifying in the browser: the verdict of the server, in words that nobody mistakes."""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from playwright.sync_api import FilePayload, Page, expect

from tests.pages.test_files import WORDS
from tests.pages.test_stamping import LOCALES
from tests.support.applications import bearer
from tests.support.http import post_bytes
from tests.support.stamping import Authority, query_for
from tests.support.visits import Visit, drop, save, show_verify, stamp, states, verdict, verify

ENGLISH = WORDS["en"]


def token_for(authority: Authority, data: bytes, algorithm: str = "sha256", key: str = "") -> bytes:
    """What the authority answers to a request for these data."""
    headers = (bearer(key),) if key else ()
    with authority.connect() as connection:
        return connection.ask(post_bytes(query_for(data, algorithm).encode(), headers=headers)).body


def payload(name: str, octets: bytes) -> FilePayload:
    return FilePayload(name=name, mimeType="application/octet-stream", buffer=octets)


@pytest.fixture
def token(authority: Authority, contract: Path) -> Path:
    """The token of the contract, beside it."""
    file = contract.with_name("contract.txt.tsr")
    file.write_bytes(token_for(authority, contract.read_bytes()))
    return file


@LOCALES
def test_proved(
    visit: Callable[..., Visit], contract: Path, tmp_path: Path, locale: str, words: dict[str, str]
) -> None:
    """What was stamped here is proved here, with the same time and serialNumber."""
    page = visit(locale).page
    card = stamp(page, contract)
    expect(card.locator("h3").last).to_have_text(words["stamped"])
    found = verify(page, contract, save(page, card, tmp_path))
    expect(found.locator("h3")).to_have_text(words["proved"])
    expect(found.locator("time")).to_have_text(card.locator("time").inner_text())
    expect(found).to_contain_text(card.locator("code").first.inner_text())
    assert states(found) == ["passed"] * 8 + ["not_asked"] + ["passed"] * 2 + ["not_judged", "passed"]
    expect(found.locator(".state_not_judged .state")).to_have_text(words["state_not_judged"])
    expect(found.locator(".steps .title").first).to_have_text(words["step_1"])
    expect(page.locator("#announcement")).to_have_text(words["said_verdict"].format(verdict=words["proved"]))


@LOCALES
def test_wrong_token(visit: Callable[..., Visit], token: Path, locale: str, words: dict[str, str]) -> None:
    """Another file: not proved, and the step that says why stands out."""
    page = visit(locale).page
    found = verify(page, payload("other.txt", b"another contract\n"), token)
    expect(found.locator("h3")).to_have_text(words["not_proved"])
    expect(found).to_contain_text(words["why_8"])
    assert states(found) == ["passed"] * 7 + ["failed"] + ["not_reached"] * 5
    expect(found.locator(".state_failed .state")).to_have_text(words["state_failed"])
    assert "good" not in (found.locator(".outcome").get_attribute("class") or "")


def test_any_order(page: Page, contract: Path, token: Path) -> None:
    """One after the other or both at once, by whatever name: a token is known by its content."""
    files = {"file": contract, "token": token.rename(token.with_name("token.bin"))}
    show_verify(page)
    for order in (["file", "token"], ["token", "file"], ["file token"], ["token file"]):
        for dropped in order:
            drop(page, *(files[name] for name in dropped.split()))
        expect(verdict(page).locator("h3")).to_have_text(ENGLISH["proved"])
        page.get_by_role("button", name=ENGLISH["clear"]).click()
        expect(page.locator("#verdict")).to_be_empty()


def test_wrong_file_put_right(page: Page, contract: Path, token: Path) -> None:
    """A file dropped upon a verdict takes the place of the one before."""
    found = verify(page, payload("other.txt", b"other"), token)
    expect(found.locator("h3")).to_have_text(ENGLISH["not_proved"])
    drop(page, contract)
    expect(found.locator("h3")).to_have_text(ENGLISH["proved"])
    page.get_by_role("button", name=ENGLISH["clear"]).click()
    expect(page.locator("#verdict")).to_be_empty()
    expect(page.locator("#slot-file .chosen")).to_have_text(ENGLISH["slot_file_empty"])


def test_token_that_was_stamped(page: Page, authority: Authority, token: Path) -> None:
    """A token is a file too: the token of the token is the one whose name says so."""
    second = token.with_name(f"{token.name}.tsr")
    second.write_bytes(token_for(authority, token.read_bytes()))
    show_verify(page)
    drop(page, second, token)
    expect(verdict(page).locator("h3")).to_have_text(ENGLISH["proved"])


@pytest.mark.parametrize(("form", "algorithm"), [("pem", "sha512"), ("base64", "sha3-256")])
def test_forms_of_a_token(page: Page, authority: Authority, contract: Path, form: str, algorithm: str) -> None:
    """Text is read as DER is; the file is hashed with the algorithm that the token names."""
    text = base64.encodebytes(token_for(authority, contract.read_bytes(), algorithm))
    if form == "pem":
        text = b"-----BEGIN TIMESTAMP-----\n" + text + b"-----END TIMESTAMP-----\n"
    show_verify(page)
    drop(page, contract)
    page.set_input_files("#verify-token", payload("token.txt", text))
    found = verdict(page)
    expect(found.locator("h3")).to_have_text(ENGLISH["proved"])
    expect(found).to_contain_text(algorithm)


def test_damaged_token(page: Page, contract: Path) -> None:
    """The server says what is wrong with it, not the page."""
    for number, octets in enumerate((b"0\x80", b"")):
        with page.expect_response("**/verify"):
            found = verify(page, contract, payload(f"{number}.tsr", octets))
        expect(found.locator("h3")).to_have_text(ENGLISH["not_proved"])
        assert states(found)[0] == "failed"
        page.get_by_role("button", name=ENGLISH["clear"]).click()


def test_token_of_another_authority(page: Page, closed: Authority, app_key: str, contract: Path) -> None:
    """Proved by whoever names its root, and by nobody else."""
    found = verify(page, contract, payload("theirs.tsr", token_for(closed, contract.read_bytes(), key=app_key)))
    expect(found.locator("h3")).to_have_text(ENGLISH["not_proved"])
    assert states(found)[10] == "failed"
    expect(found).to_contain_text(ENGLISH["why_11"])
    page.locator("#verify details summary").click()
    root = x509.load_pem_x509_certificate(closed.server.ca_pem.read_bytes())
    for form in (Encoding.DER, Encoding.PEM):
        with page.expect_response("**/verify"):
            page.set_input_files("#verify-root", payload("root.cer", root.public_bytes(form)))
        expect(found.locator("h3")).to_have_text(ENGLISH["proved"])


def test_no_verdict(page: Page, contract: Path, token: Path) -> None:
    """A root or revocation list that is none: neither proved nor not."""
    show_verify(page)
    page.locator("#verify details summary").click()
    for kind in ("root", "crl"):
        page.set_input_files(f"#verify-{kind}", payload("mistaken.pem", b"neither certificate nor list"))
        found = verify(page, contract, token)
        expect(found.locator("h3")).to_have_text(ENGLISH["not_judged"])
        expect(found.locator(".said")).not_to_be_empty()
        page.set_input_files(f"#verify-{kind}", [])
        expect(found.locator("h3")).to_have_text(ENGLISH["proved"])


def test_what_cannot_be_read_is_the_file(page: Page) -> None:
    """As a folder, which some browsers let fall as a file: the page says so when its hash is wanted."""
    show_verify(page)
    page.evaluate(
        """async () => {
            const folder = new File([], "a folder");
            folder.arrayBuffer = () => Promise.reject(new DOMException("", "NotReadableError"));
            await (await import("/static/verify.js")).takeFiles([folder]);
        }"""
    )
    expect(page.locator("#slot-file .chosen")).to_contain_text("a folder")


def test_how_an_instant_is_written(page: Page) -> None:
    """Without zeros that say nothing, and with all that do."""
    instants = {
        "2026-11-22T20:00:10Z": "2026-11-22 20:00:10 UTC",
        "2026-11-22T20:00:00Z": "2026-11-22 20:00:00 UTC",
        "2026-11-22T20:00:10.000000Z": "2026-11-22 20:00:10 UTC",
        "2026-11-22T20:00:00.120Z": "2026-11-22 20:00:00.12 UTC",
        "2026-11-22T20:00:01.000001Z": "2026-11-22 20:00:01.000001 UTC",
    }
    written = page.evaluate(
        """async (instants) => {
            const { instant } = await import("/static/view.js");
            return instants.map((each) => instant(each).querySelector(".utc").textContent);
        }""",
        list(instants),
    )
    assert written == list(instants.values())


def test_file_in_place_of_its_token(page: Page, contract: Path) -> None:
    """What is no token by its size is not sent; nor is more, all in all, than the server takes."""
    show_verify(page)
    drop(page, contract)
    page.set_input_files("#verify-token", payload("film.mp4", bytes(800_000)))
    expect(page.locator("#verdict")).to_contain_text(ENGLISH["too_large"].format(name="film.mp4"))
    page.set_input_files("#verify-crl", payload("long.crl", bytes(400_000)))
    page.set_input_files("#verify-token", payload("token.tsr", bytes(400_000)))
    expect(page.locator("#verdict")).to_contain_text(ENGLISH["too_large"].format(name="long.crl"))


def test_server_does_not_judge(page: Page, contract: Path, token: Path) -> None:
    page.route("**/verify", lambda route: route.fulfill(status=503, json={"error": "Too many wait here."}))
    show_verify(page)
    drop(page, contract, token)
    expect(page.locator("#verdict")).to_contain_text("Too many wait here.")
    page.unroute("**/verify")
    page.get_by_role("button", name=ENGLISH["again"]).click()
    expect(verdict(page).locator("h3")).to_have_text(ENGLISH["proved"])


def test_switch_of_languages(visit: Callable[..., Visit], contract: Path, token: Path) -> None:
    """A verdict is said again in the other language, which is remembered."""
    begun = visit("zh-CN")
    page, chinese = begun.page, WORDS["zh"]
    found = verify(page, contract, token)
    expect(found.locator("h3")).to_have_text(chinese["proved"])
    page.locator("#language").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(found.locator("h3")).to_have_text(ENGLISH["proved"])
    expect(found.locator(".local")).to_have_text(re.compile("[A-Z][a-z]+ 20"))
    expect(page.locator("#slot-file .chosen")).to_contain_text("contract.txt")
    assert re.findall("[\u4e00-\u9fff]", page.locator("body").inner_text()) == list(ENGLISH["other_language"])
    begun.open()
    expect(page.locator("h1")).to_have_text(ENGLISH["headline"])
    expect(page).to_have_title(ENGLISH["title"])


def test_narrow_screen(visit: Callable[..., Visit], contract: Path, token: Path) -> None:
    """At 360 pixels nothing stands out to the side, whatever is shown; a verdict comes into view by itself."""
    page = visit(width=360).page
    stamp(page, contract)
    verify(page, payload("a" * 150 + ".txt", b"other"), token)
    expect(page.locator("#judged .outcome")).to_be_in_viewport()
    page.locator("#verify details summary").click()
    for shown in ("#tab-stamp", "#tab-verify", "#language", "#tab-stamp"):
        page.locator(shown).click()
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_policy_is_in_force(visit: Callable[..., Visit]) -> None:
    """A script that somebody got into the page does not run, and cannot ask another server."""
    begun = visit()
    ran = begun.page.evaluate(
        """async () => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            const asked = await fetch("http://127.0.0.2:9/").then(() => true, () => false);
            return [window.ran === true, asked];
        }"""
    )
    assert ran == [False, False]
    assert len(begun.faults) >= 2
    assert all("Content Security Policy" in fault for fault in begun.faults)
    begun.faults.clear()
