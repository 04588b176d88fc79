"""What somebody does on the page, and what they see there."""

from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Download, FilePayload, Locator, Page, expect


@dataclass
class Visit:
    """The page in a browser, with what went wrong in it and whom it asked."""

    page: Page
    origin: str
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self) -> None:
        """Load the page, and wait until its script has done what it does at first."""
        self.page.goto(self.origin)
        expect(self.page.locator("#readiness")).to_have_attribute("data-word", "ready")


def stamp(page: Page, file: Path | FilePayload) -> Locator:
    """Choose a file to be stamped; its card, once it is stamped."""
    page.set_input_files("#stamp-files", file)
    card = page.locator("#stamped .card").last
    expect(card.locator(".good")).to_be_visible()
    return card


def save(page: Page, card: Locator, folder: Path) -> Path:
    """Download the token of a card."""
    with page.expect_download() as download:
        card.locator("a[download]").click()
    return save_as(download.value, folder)


def save_as(download: Download, folder: Path) -> Path:
    """Keep a download under the name that the page gave it."""
    file = folder / download.suggested_filename
    download.save_as(file)
    return file


def verify(page: Page, file: Path | FilePayload, token: Path | FilePayload) -> Locator:
    """Choose a file and its token; the verdict."""
    show_verify(page)
    page.set_input_files("#verify-file", file)
    page.set_input_files("#verify-token", token)
    return verdict(page)


def show_verify(page: Page) -> None:
    """Go to the tab where files are verified."""
    page.locator("#tab-verify").click()
    expect(page.locator("#verify")).to_be_visible()


def verdict(page: Page) -> Locator:
    """The verdict, once there is one."""
    found = page.locator("#judged")
    expect(found).to_be_visible()
    return found


def states(found: Locator) -> list[str]:
    """The state of each step, in order, by the names that the server gives them."""
    rows = found.locator(".steps li").all()
    return [(row.get_attribute("class") or "").removeprefix("state_") for row in rows]


def drop(page: Page, *files: Path) -> None:
    """Let files fall on the page, as a mouse does that brings them from elsewhere."""
    payload = [{"name": file.name, "octets": list(file.read_bytes())} for file in files]
    page.evaluate(
        """files => {
            const dataTransfer = new DataTransfer();
            for (const { name, octets } of files) dataTransfer.items.add(new File([new Uint8Array(octets)], name));
            for (const kind of ["dragenter", "dragover", "drop"]) {
                const event = new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true });
                document.querySelector("main").dispatchEvent(event);
            }
        }""",
        payload,
    )
