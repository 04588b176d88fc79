"""Questions to the authority under test beside the load: is it there, how many stamps has it sold, who signs."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import urllib.error
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from cryptography import x509

from bench import BenchError, api
from bench.capacity import corpus
from bench.capacity.record import GOOD, GRANTED
from tsa.protocol import tsp
from tsa.protocol.oids import HASHES
from tsa.verify.datum import DigestDatum
from tsa.verify.proof import NotJudged, NotProved
from tsa.verify.token import check_token
from tsa.verify.verifier import Verifier


class Usage(NamedTuple):
    """The current window of an application: its length in s, its stamps in all, its stamps used."""

    window_s: int
    capacity: int
    stamps: int


def check_answers(url: str, key: str) -> None:
    """BenchError, in a sentence, unless a time-stamp authority answers at `url`. It costs no stamp."""
    check_address(url)
    asked = corpus.Corpus(secrets.token_bytes(16)).request("SHA-1", "look", 0)
    status, body = _posted(url, key, asked.request)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        what = "does not know the APP_KEY" if key else "wants an APP_KEY: give it with --key-file or in TSA_APP_KEY"
        raise BenchError(f"{url} {what} (HTTP {status})")
    answer = corpus.read(status, body, "", asked)
    if answer.got not in (asked.expected, GRANTED):
        raise BenchError(
            f"{url} does not answer as a time-stamp authority: {answer.got} to a request with a SHA-1 imprint"
        )


def check_address(url: str) -> None:
    """BenchError, in a sentence, unless the URL may stand in a report: http or https, without credentials."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise BenchError(f"{url!r} is no address of a time-stamp authority: write one such as http://127.0.0.1:3161/")
    if parts.username is not None or parts.query or re.search("/tsa/[^/]", parts.path):
        raise BenchError(
            "the URL seems to hold a credential, and the report names it: give the APP_KEY with --key-file or in"
            " TSA_APP_KEY, and a URL that ends in / or /tsa"
        )


def stamp(url: str, key: str, data: bytes) -> bytes:
    """The DER TimeStampResp for the SHA-256 of `data`. BenchError when there is none, or its token proves nothing."""
    digest = hashlib.sha256(data).digest()
    asked = tsp.request_for(HASHES["sha256"], digest, nonce=secrets.randbits(63), cert_req=True)
    request = tsp.encode_request(asked)
    status, response = _posted(url, key, request)
    answer = corpus.read(status, response, "", corpus.Asked(GOOD, GRANTED, request, asked.message_imprint, asked.nonce))
    if wrong := answer.fault or (answer.got if answer.got != GRANTED else verifier(url)(request, response)):
        raise BenchError(f"{url} gave no token that proves: {wrong}")
    return response


def _posted(url: str, key: str, request: bytes) -> tuple[int, bytes]:
    try:
        return api.post(url, key, request)
    except OSError as error:
        raise BenchError(f"{url} cannot be reached: {getattr(error, 'reason', error)}") from None


def verifier(url: str) -> Callable[[bytes, bytes], str]:
    """A full check of a TimeStampReq and its TimeStampResp: the fault of the token, "" when there is none.

    The trust anchor is the root that the server publishes; without one, the path is not checked.
    """
    certificates, anchors = _published(url, "/chain.pem"), _published(url, "/ca.pem")
    judge = Verifier(anchors, certificates=certificates) if anchors else None

    def check(request: bytes, response: bytes) -> str:
        try:
            if judge is None:
                check_token(response, request, certificates)
            else:
                asked = tsp.decode_request(request)
                digest = asked.message_imprint[-asked.hash_algorithm.digest_size :]
                judge.verify(response, DigestDatum(digest), request)
        except (NotProved, NotJudged) as error:
            return str(error)
        return ""

    return check


def _published(url: str, path: str) -> tuple[x509.Certificate, ...]:
    """The certificates that a server has under a path; empty where it has none."""
    try:
        return tuple(x509.load_pem_x509_certificates(api.get(url, path)))
    except (OSError, ValueError):
        return ()


def usage(url: str, key: str) -> Usage:
    """The licensed and the used stamps of the application with this key. BenchError when the server does not say."""
    address = urljoin(url, "/api/v1/usage")
    try:
        newest = json.loads(api.get(url, "/api/v1/usage", key))[0]
        return Usage(*(int(newest[name]) for name in Usage._fields))
    except urllib.error.HTTPError as error:
        if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise BenchError(
                f"{address} does not know the APP_KEY ({error.code} {error.reason}): is it the right one?"
            ) from None
        raise BenchError(f"{address} does not tell the licences' use: {error.code} {error.reason}") from None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BenchError(f"{address} does not tell the licences' use: {error}") from error
