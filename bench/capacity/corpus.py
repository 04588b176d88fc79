"""The requests of the load suite, good and bad, no two alike; and their answers, read from the octets.

A token is not decoded: its messageImprint is searched, and the fields that follow it in a TSTInfo (RFC 3161 2.4.2) are
read from there. So every token is checked, and the generator stays fast enough for the server.
"""

from __future__ import annotations

import calendar
import hashlib
import time
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from bench.capacity.record import EXHAUSTED, GOOD, GRANTED, NO_ANSWER
from tsa.protocol import der, tsp
from tsa.protocol.errors import PKIFailureInfo, PKIStatus, Refusal
from tsa.protocol.oids import HASHES
from tsa.protocol.tsp import TimeStampReq

# The hashes of a round of requests: most clients send SHA-256.
_ROUND = (*("sha256",) * 6, "sha384", "sha512", "sha3-256", "sha512")
_GENERALIZED_TIME, _BIT_STRING = 0x18, 0x03
_LONGEST_TEXT = 200
_LONGEST_STATUS = 5
"""Octets of a PKIStatus or failInfo: the highest bit is 25 (RFC 3161 2.4.2)."""
_SHA_1 = der.sequence(der.oid("1.3.14.3.2.26"), der.NULL)
_OTHER_POLICY, _OTHER_EXTENSION = der.oid("2.999.3161.999999"), "2.999.3161.999998"


class Asked(NamedTuple):
    """A request as it is sent, the answer due, and the elements that its token must have."""

    kind: str
    expected: str
    request: bytes
    imprint: bytes
    nonce: bytes


class Answer(NamedTuple):
    """An answer: `got` and `fault` as in a Sample; serialNumber and genTime (s) of a token."""

    got: str
    fault: str = ""
    serial: bytes = b""
    gen_time: float | None = None


def _with_imprint(request: TimeStampReq, algorithm: bytes, digest: bytes) -> bytes:
    imprint = der.sequence(algorithm, der.tlv(der.OCTET_STRING, digest))
    return tsp.encode_request(request._replace(message_imprint=imprint))


def _sha1(request: TimeStampReq) -> bytes:
    return _with_imprint(request, _SHA_1, request.message_imprint[-20:])


def _short_digest(request: TimeStampReq) -> bytes:
    digest = request.message_imprint[1 - request.hash_algorithm.digest_size :]
    return _with_imprint(request, der.sequence(der.oid(request.hash_algorithm.oid)), digest)


def _truncated(request: TimeStampReq) -> bytes:
    return tsp.encode_request(request)[:-1]


def _version_2(request: TimeStampReq) -> bytes:
    return tsp.encode_request(request).replace(der.integer(1), der.integer(2), 1)


def _unknown_policy(request: TimeStampReq) -> bytes:
    return tsp.encode_request(request._replace(req_policy=_OTHER_POLICY))


def _extension(request: TimeStampReq) -> bytes:
    return tsp.encode_request(request._replace(extensions=(_OTHER_EXTENSION,)))


# The fault of a bad request, its failInfo (RFC 3161 2.4.1 and 2.4.2), and the function that spoils a good request.
_BAD: dict[str, tuple[PKIFailureInfo, Callable[[TimeStampReq], bytes]]] = {
    "SHA-1": (PKIFailureInfo.badAlg, _sha1),
    "short digest": (PKIFailureInfo.badDataFormat, _short_digest),
    "truncated": (PKIFailureInfo.badDataFormat, _truncated),
    "version 2": (PKIFailureInfo.badRequest, _version_2),
    "unknown policy": (PKIFailureInfo.unacceptedPolicy, _unknown_policy),
    "extension": (PKIFailureInfo.unacceptedExtension, _extension),
}
BAD = tuple(_BAD)


class Corpus:
    """Requests by kind and number; two runs with other `salt` have no request in common."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def request(self, kind: str, part: str, number: int, *, exhausted: bool = False) -> Asked:
        """Request `number` of a kind in a part of the run; where the licence is `exhausted`, a good one gets 429."""
        good = self._good(f"{part} {kind}", number)
        if kind == GOOD:
            expected, encoded = EXHAUSTED if exhausted else GRANTED, tsp.encode_request(good)
        else:
            fail_info, spoiled = _BAD[kind]
            expected, encoded = fail_info.name, spoiled(good)
        return Asked(kind, expected, encoded, good.message_imprint, good.nonce)

    def _good(self, part: str, number: int) -> TimeStampReq:
        algorithm = HASHES[_ROUND[number % len(_ROUND)]]
        drawn = hashlib.blake2b(f"{part} {number}".encode(), key=self._salt).digest()
        # No datum is asked for: any octets will do as a digest. The last of `more` choose the rest.
        more = hashlib.blake2b(drawn, key=self._salt, digest_size=9).digest()
        imprint = tsp.message_imprint(algorithm, drawn[: algorithm.digest_size], null_parameters=bool(more[8] & 1))
        nonce = der.integer(int.from_bytes(more[:8], "big") >> 1)
        return TimeStampReq(imprint, algorithm, nonce=nonce, cert_req=bool(more[8] & 2))


def read(status: int, body: bytes | None, error: str, asked: Asked) -> Answer:
    """Read an HTTP answer to a request, or the `error` in its place (status 0). Raises nothing."""
    if status == 0:
        return Answer(f"{NO_ANSWER}: {plain(error) or 'the connection was lost'}")
    if status != 200:
        return Answer(f"HTTP {status}")
    try:
        return _response(body or b"", asked)
    except (Refusal, ValueError) as wrong:
        return Answer(f"{NO_ANSWER}: the body is no TimeStampResp: {plain(str(wrong))}")


def plain(text: str) -> str:
    """A text that a server may have chosen, made fit for a terminal: one line, printable, 200 characters."""
    return "".join(character if character.isprintable() else " " for character in text[:_LONGEST_TEXT])


def _response(body: bytes, asked: Asked) -> Answer:
    """A TimeStampResp, RFC 3161 2.4.2. Raises Refusal, the parser's error, or ValueError on one that cannot be read."""
    at, end = der.read(body, 0, len(body), der.SEQUENCE, "the TimeStampResp")
    at, after = der.read(body, at, end, der.SEQUENCE, "its PKIStatusInfo")
    start, at = der.read(body, at, after, der.INTEGER, "its PKIStatus")
    status = int.from_bytes(_short(body[start:at]), "big")
    if status == PKIStatus.GRANTED:
        return _token(body, after, asked)
    while at < after and body[at] != _BIT_STRING:
        at = der.read(body, at, after, body[at], "a part of its PKIStatusInfo")[1]
    if at == after:
        return Answer(f"PKIStatus {status} without failInfo")
    start, stop = der.read(body, at, after, _BIT_STRING, "its failInfo")
    return Answer(_fail_info(_short(body[start:stop])[1:]))


def _short(octets: bytes) -> bytes:
    """The octets, if a PKIStatus or failInfo can be so long. ValueError else: the text of it would be as long."""
    if len(octets) > _LONGEST_STATUS:
        raise ValueError(f"a PKIStatus or failInfo of {len(octets)} octets")
    return octets


def _fail_info(octets: bytes) -> str:
    """The names of all bits that are set; a right failInfo has one."""
    bits = (bit for bit in range(8 * len(octets)) if octets[bit // 8] >> (7 - bit % 8) & 1)
    names = {failure.value: failure.name for failure in PKIFailureInfo}
    return " and ".join(names.get(bit, f"failInfo bit {bit}") for bit in bits) or "failInfo without a bit"


def _token(body: bytes, at: int, asked: Asked) -> Answer:
    """Read a TSTInfo from messageImprint on: serialNumber, genTime, accuracy, ordering, nonce."""
    found = body.find(asked.imprint, at)
    if found < 0:
        return Answer(GRANTED, "imprint")
    end = len(body)
    start, at = der.read(body, found + len(asked.imprint), end, der.INTEGER, "serialNumber")
    serial = body[start:at]
    start, at = der.read(body, at, end, _GENERALIZED_TIME, "genTime")
    moment = _seconds(body[start : start + 14]) + float(b"0" + body[start + 14 : at - 1])
    for tag in (der.SEQUENCE, der.BOOLEAN):
        if at < end and body[at] == tag:
            at = der.read(body, at, end, tag, "accuracy or ordering")[1]
    echoed = body.startswith(asked.nonce, at)
    return Answer(GRANTED, "" if echoed else "nonce", serial, moment)


@lru_cache(maxsize=64)
def _seconds(digits: bytes) -> int:
    return calendar.timegm(time.strptime(digits.decode("ascii"), "%Y%m%d%H%M%S"))
