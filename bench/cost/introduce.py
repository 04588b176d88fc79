"""The introduction of a time-stamp authority by one token: does it prove anything, and which type of key signs."""

from __future__ import annotations

import secrets
import ssl
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from bench import BenchError, api, host
from bench.cost.load import Way
from tsa.protocol import tsp
from tsa.protocol.oids import HASHES
from tsa.verify.proof import NotProved, Step
from tsa.verify.token import check_token

_CURVES = {"secp256r1": "p256", "secp384r1": "p384", "secp521r1": "p521"}


@dataclass(frozen=True)
class Subject:
    """An authority under comparison: its name, its URL, the process that is its server, with all descendants."""

    name: str
    url: str
    pid: int | None = None

    @property
    def parts(self) -> SplitResult:
        """The parts of its URL."""
        return urlsplit(self.url)

    @property
    def port(self) -> int:
        """The port of its URL."""
        return self.parts.port or (443 if self.parts.scheme == "https" else 80)

    def way(self, *, cert_req: bool) -> Way:
        """The way of requests to it."""
        tls = ssl.create_default_context() if self.parts.scheme == "https" else None
        path = (self.parts.path or "/") + (f"?{self.parts.query}" if self.parts.query else "")
        return Way(self.parts.hostname or "", path, tls, cert_req=cert_req, reopen=True)


class Introduction(NamedTuple):
    """The type of the key ("p256", "rsa2048", …), and the reason why tsa.verify does not prove the token, or ""."""

    key: str
    proof: str


def subject(text: str) -> Subject:
    """ "NAME=URL" or "NAME=URL,PID" → Subject. ValueError, in a sentence, on anything else."""
    name, equals, rest = text.partition("=")
    url, comma, pid = rest.rpartition(",")
    if not (comma and pid.isdecimal()):
        url, pid = rest, ""
    parts = urlsplit(url)
    if not (name and equals and parts.scheme in ("http", "https") and parts.hostname) or parts.username is not None:
        raise ValueError(f"{text!r} is not NAME=URL[,PID], such as ours=http://127.0.0.1:3161/,4711")
    return Subject(name, url, int(pid) if pid else None)


def introduce(subject: Subject) -> Introduction:
    """Ask for one token, with certReq. BenchError, with the name of the authority, when none comes."""
    name, url, shown = subject.name, subject.url, host.without_key(subject.url)
    digest, nonce = secrets.token_bytes(32), secrets.randbits(63)
    request = tsp.encode_request(tsp.request_for(HASHES["sha256"], digest, nonce=nonce, cert_req=True))
    try:
        status, response = api.post(url, "", request)
    except OSError as error:
        raise BenchError(f"{name}: {shown} cannot be reached: {getattr(error, 'reason', error)}") from None
    if status != 200:
        raise BenchError(f"{name}: {shown} answers a TimeStampReq with HTTP status {status}")
    try:
        checked = check_token(response, request)
    except NotProved as error:
        if error.step <= Step.STATUS:
            raise BenchError(f"{name}: a TimeStampReq with SHA-256, nonce and certReq gets no token: {error}") from None
        return Introduction("not told", str(error))
    return Introduction(key_type(checked.certificate.public_key()), "")


def key_type(key: PublicKeyTypes) -> str:
    """The name of `--key` for a key of this type, else a name from the certificate."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name, key.curve.name)
    if isinstance(key, rsa.RSAPublicKey):
        return f"rsa{key.key_size}"
    return "ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else type(key).__name__
