"""The messages of RFC 3161 2.4: TimeStampReq in and out, TSTInfo out, and the TimeStampResp that refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple, NoReturn

from tsa.protocol import der
from tsa.protocol.errors import (
    DigestLengthMismatch,
    MalformedRequest,
    PKIStatus,
    Refusal,
    UnacceptedHash,
    UnsupportedVersion,
    UnusableNonce,
)
from tsa.protocol.oids import HASHES, WEAK_HASHES, HashAlgorithm

MAX_NONCE_OCTETS = 65
VERSION_1 = der.integer(1)
EXTENSIONS = 0xA0

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BY_OID = {algorithm.oid: algorithm for algorithm in HASHES.values()}


class TimeStampReq(NamedTuple):
    """A TimeStampReq, RFC 3161 2.4.1; what a token echoes is kept as the DER octets that were sent.

    `message_imprint`, `req_policy` and `nonce` are whole elements, tag and length included; the latter two are empty
    where the request has none. `extensions` are dotted object identifiers.
    """

    message_imprint: bytes
    hash_algorithm: HashAlgorithm
    req_policy: bytes = b""
    nonce: bytes = b""
    cert_req: bool = False
    extensions: tuple[str, ...] = ()


def message_imprint(algorithm: HashAlgorithm, digest: bytes, *, null_parameters: bool = True) -> bytes:
    """MessageImprint of a digest, with NULL or absent hash parameters (RFC 3161 2.4.1, RFC 5754 2)."""
    return _imprint_head(algorithm, der.NULL if null_parameters else b"") + digest


def _imprint_head(algorithm: HashAlgorithm, parameters: bytes) -> bytes:
    """All of a MessageImprint before its digest octets."""
    blank = bytes(algorithm.digest_size)
    identifier = der.sequence(der.oid(algorithm.oid), parameters)
    return der.sequence(identifier, der.tlv(der.OCTET_STRING, blank))[: -algorithm.digest_size]


# DER leaves one encoding of a MessageImprint for each hash and kind of parameters, so its octets before the digest are
# looked up rather than parsed: what is not found here is not acceptable, and _refuse_imprint() says why.
_IMPRINT_HEADS = {
    _imprint_head(algorithm, parameters): algorithm for algorithm in HASHES.values() for parameters in (der.NULL, b"")
}
_LONG_HEAD, _SHORT_HEAD = sorted({len(head) for head in _IMPRINT_HEADS}, reverse=True)


def decode_request(data: bytes) -> TimeStampReq:
    """The TimeStampReq in `data`, which must be exactly one DER element (RFC 3161 2.4.1).

    Raises MalformedRequest, DigestLengthMismatch, UnusableNonce, UnsupportedVersion or UnacceptedHash; nothing else.
    """
    at, end = der.read(data, 0, len(data), der.SEQUENCE, "the TimeStampReq")
    if end != len(data):
        raise MalformedRequest(f"{len(data) - end} octets follow the TimeStampReq: send it alone.")
    if not data.startswith(VERSION_1, at):
        _refuse_version(data, at, end)
    at += len(VERSION_1)

    head = _LONG_HEAD
    algorithm = _IMPRINT_HEADS.get(data[at : at + head])
    if algorithm is None:
        head = _SHORT_HEAD
        algorithm = _IMPRINT_HEADS.get(data[at : at + head])
    if algorithm is None or (after := at + head + algorithm.digest_size) > end:
        _refuse_imprint(data, at, end)
    imprint = data[at:after]
    if after == end:
        return TimeStampReq(imprint, algorithm)
    return TimeStampReq(imprint, algorithm, *_optional_fields(data, after, end))


def _optional_fields(data: bytes, at: int, end: int) -> tuple[bytes, bytes, bool, tuple[str, ...]]:
    """reqPolicy, nonce, certReq and extensions: each optional, in this order, and nothing after them."""
    policy = nonce = b""
    cert_req = False
    extensions: tuple[str, ...] = ()
    if data[at] == der.OBJECT_IDENTIFIER:
        start, after = der.read(data, at, end, der.OBJECT_IDENTIFIER, "reqPolicy")
        der.dotted(data[start:after])
        policy, at = data[at:after], after
    if at < end and data[at] == der.INTEGER:
        start, after = der.read(data, at, end, der.INTEGER, "the nonce")
        _check_nonce(data[start:after])
        nonce, at = data[at:after], after
    if at < end and data[at] == der.BOOLEAN:
        start, at = der.read(data, at, end, der.BOOLEAN, "certReq")
        if at - start != 1:
            raise MalformedRequest("certReq is not a BOOLEAN of one octet.")
        cert_req = data[start] != 0  # NSS and LibreOffice send 01 for TRUE
    if at < end and data[at] == EXTENSIONS:
        start, at = der.read(data, at, end, EXTENSIONS, "the extensions")
        extensions = _extension_ids(data, start, at)
    if at != end:
        raise MalformedRequest(f"Octet {at} of the TimeStampReq belongs to no field, or to one out of order.")
    return policy, nonce, cert_req, extensions


def _check_nonce(content: bytes) -> None:
    if len(content) > MAX_NONCE_OCTETS:
        raise UnusableNonce(f"The nonce has {len(content)} octets: send at most {MAX_NONCE_OCTETS}.")
    if not _is_minimal(content):
        raise UnusableNonce("The nonce is not an INTEGER of the fewest octets: encode it in DER.")


def _is_minimal(content: bytes) -> bool:
    """Whether an INTEGER's content has the fewest octets: its first nine bits are not all alike (X.690 8.3.2)."""
    return len(content) == 1 or (len(content) > 1 and (content[0], content[1] >> 7) not in ((0x00, 0), (0xFF, 1)))


def _extension_ids(data: bytes, at: int, end: int) -> tuple[str, ...]:
    """The extnIDs of `[0] IMPLICIT Extensions`; the values stay unread, as none of them is understood."""
    found = []
    while at < end:
        start, at = der.read(data, at, end, der.SEQUENCE, "an extension")
        start, after = der.read(data, start, at, der.OBJECT_IDENTIFIER, "extnID")
        found.append(der.dotted(data[start:after]))
    if not found:
        raise MalformedRequest("The extensions field is empty: leave it out.")
    return tuple(found)


def _refuse_version(data: bytes, at: int, end: int) -> NoReturn:
    start, after = der.read(data, at, end, der.INTEGER, "the version")
    if not _is_minimal(data[start:after]):
        raise MalformedRequest("The version is not an INTEGER of the fewest octets: encode 1 in DER.")
    raise UnsupportedVersion("The version of the TimeStampReq is not 1: send version 1.")


def _refuse_imprint(data: bytes, at: int, end: int) -> NoReturn:
    """Say what is wrong with a MessageImprint whose first octets are none that we accept."""
    at, end = der.read(data, at, end, der.SEQUENCE, "the messageImprint")
    identifier, identifier_end = der.read(data, at, end, der.SEQUENCE, "hashAlgorithm")
    start, after = der.read(data, identifier, identifier_end, der.OBJECT_IDENTIFIER, "the hash algorithm's OID")
    digest, digest_end = der.read(data, identifier_end, end, der.OCTET_STRING, "hashedMessage")
    if digest_end != end:
        raise MalformedRequest("Something follows hashedMessage in the messageImprint: send the two fields only.")
    oid = der.dotted(data[start:after])
    algorithm = _BY_OID.get(oid)
    if algorithm is None:
        name = WEAK_HASHES.get(oid)
        why = f"{name} is too weak" if name else f"The hash algorithm {oid} is not known here"
        raise UnacceptedHash(f"{why}: use one of {', '.join(HASHES)}.")
    if data[after:identifier_end] not in (b"", der.NULL):
        raise UnacceptedHash(f"{algorithm.name} takes no parameters: send NULL or none.")
    raise DigestLengthMismatch(
        f"hashedMessage has {digest_end - digest} octets, a {algorithm.name} digest has {algorithm.digest_size}."
    )


def request_for(
    algorithm: HashAlgorithm, digest: bytes, *, nonce: int | None = None, cert_req: bool = False
) -> TimeStampReq:
    """A TimeStampReq for a digest, without reqPolicy and extensions (RFC 3161 2.4.1)."""
    encoded = b"" if nonce is None else der.integer(nonce)
    return TimeStampReq(message_imprint(algorithm, digest), algorithm, nonce=encoded, cert_req=cert_req)


def encode_request(request: TimeStampReq) -> bytes:
    """TimeStampReq in DER, RFC 3161 2.4.1. Extensions are written with an empty value, as tests need no other."""
    extensions = [der.sequence(der.oid(oid), der.tlv(der.OCTET_STRING)) for oid in request.extensions]
    return der.sequence(
        VERSION_1,
        request.message_imprint,
        request.req_policy,
        request.nonce,
        der.tlv(der.BOOLEAN, b"\xff") if request.cert_req else b"",
        der.tlv(EXTENSIONS, *extensions) if extensions else b"",
    )


def encode_refusal(refusal: Refusal) -> bytes:
    """TimeStampResp with status rejection, one failInfo bit and a statusString (RFC 3161 2.4.2)."""
    bit = refusal.fail_info
    # BIT STRING of a named-bit list: trailing zero bits are dropped (X.690 11.2.2)
    bits = (0x80 >> bit % 8).to_bytes(bit // 8 + 1, "big")
    return der.sequence(
        der.sequence(
            der.integer(PKIStatus.REJECTION),
            der.sequence(der.tlv(0x0C, str(refusal).encode())),
            der.tlv(0x03, (7 - bit % 8).to_bytes(1, "big"), bits),
        )
    )


def generalized_time(microseconds: int, digits: int) -> bytes:
    """GeneralizedTime of µs since 1970 UTC, the fraction cut to `digits`, no trailing zeros (X.690 11.7)."""
    moment = _EPOCH + timedelta(microseconds=microseconds)
    fraction = f"{moment.microsecond:06d}"[:digits].rstrip("0")
    return der.tlv(0x18, f"{moment:%Y%m%d%H%M%S}{'.' if fraction else ''}{fraction}Z".encode())


def accuracy(microseconds: int) -> bytes:
    """Accuracy of at least 1 µs; zero parts are left out, millis and micros are 1..999 (RFC 3161 2.4.2)."""
    seconds, rest = divmod(microseconds, 1_000_000)
    millis, micros = divmod(rest, 1_000)
    return der.sequence(
        der.integer(seconds) if seconds else b"",
        der.tlv(0x80, der.content(der.integer(millis))) if millis else b"",
        der.tlv(0x81, der.content(der.integer(micros))) if micros else b"",
    )


def tst_info(policy: bytes, imprint: bytes, serial_number: bytes, moment: bytes, nonce: bytes, tsa: bytes) -> bytes:
    """TSTInfo, RFC 3161 2.4.2, from encoded elements; `moment` is genTime and accuracy; ordering is absent (FALSE)."""
    return der.sequence(VERSION_1, policy, imprint, serial_number, moment, nonce, tsa)
