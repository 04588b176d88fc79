"""The files of the page: how they are served, where outside code comes from, that both languages say everything."""

import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from tests.support.http import Answer
from tests.support.stamping import Authority
from tsa.server.site import static_files

PAGES = Path(str(files("tsa.server"))) / "pages"
WORDS = json.loads((PAGES / "words.json").read_text("utf-8"))
SOURCES = "".join(file.read_text("utf-8") for file in [PAGES / "index.html", *PAGES.glob("*.js")])
TYPES = {"js": "text/javascript", "css": "text/css", "json": "application/json", "svg": "image/svg+xml"}
POLICY = {
    **dict.fromkeys(["default-src", "base-uri", "form-action", "frame-ancestors"], "'none'"),
    **dict.fromkeys(["script-src", "style-src", "connect-src", "img-src", "worker-src"], "'self'"),
}


def get(authority: Authority, path: str, *headers: str) -> Answer:
    with authority.connect() as connection:
        return connection.get(path, *headers)


def test_every_file_is_served(authority: Authority) -> None:
    """With its type, the page's policy (a worker lives under that of its own script) and an ETag that spares it."""
    for name, file in static_files().items():
        answer = get(authority, f"/static/{name}")
        assert (answer.status, answer.body) == (200, file.octets), name
        assert answer.header("content-type") == f"{TYPES[name.rpartition('.')[2]]}; charset=utf-8"
        assert answer.header("cache-control") == "no-cache"
        assert policy(answer) == POLICY
        again = get(authority, f"/static/{name}", f"If-None-Match: {answer.header('etag')}")
        assert (again.status, again.body) == (304, b"")
        assert get(authority, f"/static/{name}", 'If-None-Match: "another"').status == 200


def policy(answer: Answer) -> dict[str, str]:
    parts = (answer.header("content-security-policy") or "").split("; ")
    return {name: value for name, _, value in (part.partition(" ") for part in parts)}


@pytest.mark.parametrize(
    "path",
    ["", "index.html", "vendor", "vendor/", "vendor/VENDOR.md", "..", "../site.py", "%2e%2e/site.py", "..%2fsite.py"],
)
def test_nothing_else_is_served(authority: Authority, path: str) -> None:
    """Neither what lies beside the files, nor the page's own template, nor anything above them."""
    assert get(authority, f"/static/{path}").status == 404


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"), ("ko-KR,ko;q=0.9", "en"), ("en-GB", "en"), ("", "en")],
)
def test_page_speaks_what_the_browser_asks_for(authority: Authority, accepted: str, language: str) -> None:
    answer = get(authority, "/", f"Accept-Language: {accepted}")
    text = answer.body.decode()
    assert f'<html lang="{language}">' in text
    assert WORDS[language[:2]]["headline"] in text
    assert answer.header("vary") == "Accept-Language"
    assert policy(answer) == POLICY


def test_outside_code_is_what_it_is_said_to_be() -> None:
    """The files in vendor/ are those of VENDOR.md, octet for octet, and no others."""
    folder = PAGES / "vendor"
    said = dict(re.findall(r"^ +([0-9a-f]{64})  (\S+)$", (folder / "VENDOR.md").read_text(), re.MULTILINE))
    there = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    there.pop("VENDOR.md")
    assert {name: digest for digest, name in said.items()} == there


def test_both_languages_say_the_same() -> None:
    """The same sentences, with the same places to fill."""
    places = {
        language: {key: sorted(re.findall(r"\{\w+\}", text)) for key, text in words.items()}
        for language, words in WORDS.items()
    }
    assert places["en"] == places["zh"]
    unsaid = [key for key, text in WORDS["zh"].items() if not re.search("[\u4e00-\u9fff]", text)]
    assert unsaid == ["other_language", "app_key"], "the rest of it is Chinese"


def test_every_sentence_is_said_and_known() -> None:
    """No sentence is left over, and none is asked for that is not there."""
    families = re.compile(r"(step|why|state)_\w+|slot_(file|token)(_empty)?|choose_(file|token)|\w+_means")
    said = {key for key in WORDS["en"] if families.fullmatch(key) or re.search(rf"\W{key}\W", SOURCES)}
    assert said == WORDS["en"].keys()
    for key in re.findall(r'(?:\bword: |data-word=|data-label=|"data-label": |Problem\()"(\w+)"', SOURCES):
        assert key in WORDS["en"], key
