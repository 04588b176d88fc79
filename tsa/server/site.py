"""The web page, the files it is made of, and the certificates: what a browser is given.

The files are read from the package once, into a table; no path of a request reaches the file system.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import ETag, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from jinja2 import Environment, StrictUndefined

import tsa
from tsa.server.service import Service

LANGUAGES = ("en", "zh")
TYPES = {".css": "text/css", ".js": "text/javascript", ".json": "application/json", ".svg": "image/svg+xml"}

_PEM = "application/x-pem-file"
_OWN = ("script-src", "style-src", "connect-src", "img-src", "worker-src")
_NONE = ("default-src", "base-uri", "form-action", "frame-ancestors")
# A worker has the policy that its own script came with, so the files carry it too.
_HEADERS = {
    "Content-Security-Policy": "; ".join([f"{name} 'none'" for name in _NONE] + [f"{name} 'self'" for name in _OWN]),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # ask each time, by ETag: an upgrade must never meet half of the page before it
}

_PAGES = files("tsa.server").joinpath("pages")
_words: Mapping[str, Mapping[str, str]] = json.loads(_PAGES.joinpath("words.json").read_text("utf-8"))
_page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
    _PAGES.joinpath("index.html").read_text("utf-8")
)


class StaticFile:
    """A file of the page, with the tag that tells its content (RFC 9110 8.8.3)."""

    def __init__(self, octets: bytes, content_type: str) -> None:
        self.octets = octets
        self.content_type = content_type
        self.etag = ETag(hashlib.sha256(octets).hexdigest()[:32])

    async def answer(self, request: web.Request) -> web.Response:
        """The file; 304 for whoever has it."""
        if any(known.value in (self.etag.value, "*") for known in request.if_none_match or ()):
            response = web.Response(status=HTTPStatus.NOT_MODIFIED, headers=_HEADERS)
        else:
            response = web.Response(body=self.octets, content_type=self.content_type, charset="utf-8", headers=_HEADERS)
        response.etag = self.etag
        return response


def static_files() -> dict[str, StaticFile]:
    """Every file that the page asks for, by its name below /static/."""
    return dict(_walk(_PAGES, ""))


def site_routes(service: Service) -> list[web.RouteDef]:
    """`/`, the files below /static/, and the certificates."""
    site = _Site(service)
    static = [web.get(f"/static/{name}", file.answer) for name, file in static_files().items()]
    return [web.get("/", site.index), web.get("/chain.pem", site.chain), web.get("/ca.pem", site.ca), *static]


def _walk(folder: Traversable, above: str) -> Iterator[tuple[str, StaticFile]]:
    for entry in folder.iterdir():
        suffix = entry.name[entry.name.rfind(".") :]
        if entry.is_dir():
            yield from _walk(entry, f"{above}{entry.name}/")
        elif suffix in TYPES:
            yield above + entry.name, StaticFile(entry.read_bytes(), TYPES[suffix])


class _Site:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def index(self, request: web.Request) -> web.Response:
        """The page, in the first language that the browser asks for; its script can change that."""
        authority = self._service.intake.authority
        certificate = authority.tsu.chain.certificate
        language = _language(request.headers.get("Accept-Language", ""))
        text = _page.render(
            language=language,
            words=_words[language],
            certificate=certificate,
            name=_name(certificate.subject),
            fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":"),
            algorithm=authority.tsu.key.algorithm.name,
            policy=authority.config.policy,
            version=tsa.__version__,
        )
        return web.Response(text=text, content_type="text/html", headers={**_HEADERS, "Vary": "Accept-Language"})

    async def chain(self, _request: web.Request) -> web.Response:
        """The TSA certificate and what is above it, below the root."""
        chain = self._service.intake.authority.tsu.chain
        return _pem(chain.certificate, *chain.intermediates)

    async def ca(self, _request: web.Request) -> web.Response:
        """The root."""
        return _pem(self._service.intake.authority.tsu.chain.anchor)


def _name(subject: x509.Name) -> str:
    """What people call it: its common name, else all of it."""
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else subject.rfc4514_string()


def _language(accepted: str) -> str:
    first = accepted.strip()[:2].lower()
    return first if first in LANGUAGES else LANGUAGES[0]


def _pem(*certificates: x509.Certificate) -> web.Response:
    return web.Response(body=b"".join(c.public_bytes(Encoding.PEM) for c in certificates), content_type=_PEM)
