"""HTTP with an authority, one request at a time: a TimeStampReq by POST, a page by GET."""

from __future__ import annotations

import urllib.error
import urllib.request
from urllib.parse import urljoin

TIMEOUT_S = 10.0
_LIMIT = 1 << 20


def post(url: str, key: str, request: bytes) -> tuple[int, bytes]:
    """The HTTP status and the body that answer a TimeStampReq; `key` is the APP_KEY, or empty. OSError without answer.

    The caller lets only http and https pass.
    """
    headers = {"Content-Type": "application/timestamp-query"} | credentials(key)
    asked = urllib.request.Request(url, request, headers)  # noqa: S310 - see above
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return answer.status, answer.read(_LIMIT)
    except urllib.error.HTTPError as error:
        return error.code, error.read(_LIMIT)


def get(url: str, path: str, key: str = "") -> bytes:
    """The page of a server under a path, cut after 1 MiB.

    OSError when there is none: HTTPError for a status other than 2xx, else the server cannot be reached.
    """
    asked = urllib.request.Request(urljoin(url, path), headers=credentials(key))  # noqa: S310 - see post()
    with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as answer:  # noqa: S310
        return bytes(answer.read(_LIMIT))


def credentials(key: str) -> dict[str, str]:
    """The HTTP header that carries an APP_KEY, none for an empty key."""
    return {"Authorization": f"Bearer {key}"} if key else {}
