"""What `tsa stamp` does: hash a file, ask for a token, check it, keep it beside the file."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import aiohttp

from tsa.protocol import tsp
from tsa.protocol.oids import HASHES, HashAlgorithm
from tsa.server.answers import QUERY_TYPE
from tsa.state.faults import Fault
from tsa.verify.inspect import Unreadable, describe
from tsa.verify.proof import NotProved
from tsa.verify.token import CheckedToken, check_token

REPLY_LIMIT = 1 << 20
TIMEOUT_S = 30.0


class StampFault(Fault):
    """A file was not stamped; the text says why."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """A token that was kept: in which file, what it says, and where an earlier one was put."""

    file: Path
    token: CheckedToken
    moved: Path | None


async def stamp_file(session: aiohttp.ClientSession, url: str, file: Path, hash_name: str) -> Stamped:
    """Stamp `file` at `url`; the TimeStampResp goes to FILE.tsr. An earlier one is kept under another name.

    Raises StampFault.
    """
    response, token = await ask(session, url, _request(file, hash_name), str(file))
    target = file.with_name(f"{file.name}.tsr")
    try:
        return Stamped(target, token, _keep(target, response))
    except OSError as error:
        raise StampFault(f"{target} cannot be written: {error.strerror}.") from error


def _request(file: Path, hash_name: str) -> bytes:
    algorithm = HASHES[hash_name]
    try:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, algorithm.name).digest()
    except OSError as error:
        raise StampFault(f"{file} cannot be read: {error.strerror}.") from error
    return encoded_request(algorithm, digest)


def encoded_request(algorithm: HashAlgorithm, digest: bytes) -> bytes:
    """A TimeStampReq for a digest, with a fresh nonce and certReq TRUE."""
    return tsp.encode_request(tsp.request_for(algorithm, digest, nonce=secrets.randbits(63), cert_req=True))


async def ask(session: aiohttp.ClientSession, url: str, request: bytes, what: str) -> tuple[bytes, CheckedToken]:
    """The TimeStampResp of an authority, checked against the TimeStampReq for `what`. Raises StampFault."""
    response = await post(session, url, request)
    try:
        return response, check_token(response, request)
    except NotProved as fault:
        raise StampFault(f"{url} did not give a token for {what}. {_refusal(response) or fault}") from fault


def credentials(key_file: Path | None) -> dict[str, str]:
    """The header that carries the APP_KEY in `key_file` or the environment, where there is one.

    Raises StampFault, or OSError where the file cannot be read.
    """
    app_key = key_file.read_bytes() if key_file else os.environb.get(b"TSA_APP_KEY", b"")
    if key_file is None and not app_key:
        return {}
    if not re.fullmatch(rb"[!-~]+", app_key.strip()):
        raise StampFault(f"{key_file or 'TSA_APP_KEY'} holds no APP_KEY: one word of ASCII characters is needed.")
    return {"Authorization": f"Bearer {app_key.strip().decode()}"}


async def post(session: aiohttp.ClientSession, url: str, request: bytes) -> bytes:
    """The body of an authority's answer to a TimeStampReq. Raises StampFault unless its status is 200."""
    try:
        async with session.post(url, data=request, headers={"Content-Type": QUERY_TYPE}) as response:
            body = b""
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > REPLY_LIMIT:
                    raise StampFault(f"{url} answered with more than {REPLY_LIMIT} octets: is it an authority?")
            if response.status != 200:
                raise StampFault(f"{url} answered {response.status} {response.reason}. {_refusal(body) or ''}".strip())
            return body
    except TimeoutError:
        raise StampFault(f"{url} did not answer within {TIMEOUT_S:g} s.") from None
    except (aiohttp.ClientError, ValueError) as error:
        raise StampFault(f"{url} cannot be reached: {error}. Is the server running, and the --url right?") from error


def _refusal(response: bytes) -> str | None:
    """What a refusal says of itself."""
    try:
        _, fields = describe(response)
    except Unreadable:
        return None
    said = " ".join(fields.get("statusString", []))
    return f"It says: {said} ({', '.join(fields['failInfo'])})" if "failInfo" in fields else None


def _keep(target: Path, response: bytes) -> Path | None:
    """Write the token; one that is there already proves an earlier time, so it is moved, never overwritten."""
    draft = target.with_name(f".{target.name}.part")
    draft.write_bytes(response)
    moved = None
    if target.exists():
        names = (target.with_name(f"{target.name}.{number}") for number in count(1))
        moved = target.rename(next(name for name in names if not name.exists()))
    draft.rename(target)
    return moved
