"""The messages of RFC 3161 as a verifier reads them; no rule beyond their syntax is checked here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from certs.der import (
    BOOLEAN,
    GENERALIZED_TIME,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    Malformed,
    Reader,
    definite,
    printable,
)
from certs.signatures import AlgorithmIdentifier

MAX_TEXT_OCTETS = 1024  # shown of a line of statusString

_GENERALIZED_TIME = re.compile(rb"(\d{4})" + rb"(\d\d)" * 5 + rb"(?:\.(\d*[1-9]))?Z")


@dataclass(frozen=True, slots=True)
class Response:
    """TimeStampResp (RFC 3161 2.4.2), or a bare TimeStampToken, which has no status.

    `token` is a ContentInfo in DER, or empty where there is none.
    """

    status: int | None
    texts: tuple[str, ...]
    token: bytes

    @classmethod
    def read(cls, octets: bytes) -> Response:
        """The message in `octets`. Raises Malformed."""
        octets = definite(octets)
        reader = Reader(octets)
        fields = reader.into(SEQUENCE, "a TimeStampResp or a ContentInfo")
        reader.ends("the TimeStampResp or ContentInfo")
        if fields.tag == OBJECT_IDENTIFIER:
            return cls(None, (), octets)
        info = fields.into(SEQUENCE, "PKIStatusInfo")
        status = info.integer("PKIStatus")
        texts = []
        if info.tag == SEQUENCE:
            for line in info.into(SEQUENCE, "statusString").elements("statusString"):
                text = Reader(line).content(0x0C, "a line of statusString")
                texts.append(printable(text[:MAX_TEXT_OCTETS].decode(errors="replace")))
        return cls(status, tuple(texts), definite(fields.rest()))


@dataclass(frozen=True, slots=True)
class MessageImprint:
    """MessageImprint (RFC 3161 2.4.1); `hash_algorithm` is hashlib's name, or dotted where it is not known here."""

    hash_algorithm: str
    digest: bytes

    @classmethod
    def read(cls, reader: Reader) -> MessageImprint:
        """The next element. Raises Malformed."""
        fields = reader.into(SEQUENCE, "messageImprint")
        algorithm = str(AlgorithmIdentifier.read(fields, "hashAlgorithm").without_null())
        digest = fields.content(OCTET_STRING, "hashedMessage")
        fields.ends("messageImprint")
        return cls(algorithm, digest)

    def __str__(self) -> str:
        return f"{self.hash_algorithm} {self.digest[:64].hex()}"


@dataclass(frozen=True, slots=True)
class TstInfo:
    """TSTInfo (RFC 3161 2.4.2); `accuracy_us` in µs, `tsa` a GeneralName in DER, `critical` extensions, dotted."""

    policy: str
    imprint: MessageImprint
    serial_number: int
    gen_time: datetime
    accuracy_us: int | None
    nonce: int | None
    tsa: bytes | None
    critical: tuple[str, ...]

    @classmethod
    def read(cls, octets: bytes) -> TstInfo:
        """The TSTInfo of version 1 in these octets (DER). Raises Malformed."""
        outer = Reader(octets)
        fields = outer.into(SEQUENCE, "TSTInfo")
        outer.ends("TSTInfo")
        _version_1(fields, "TSTInfo")
        policy, imprint = fields.oid("policy"), MessageImprint.read(fields)
        serial_number, gen_time = fields.integer("serialNumber"), _gen_time(fields)
        accuracy_us = _accuracy(fields.into(SEQUENCE, "accuracy")) if fields.tag == SEQUENCE else None
        if fields.tag == BOOLEAN:  # some TSAs write the DEFAULT, which changes nothing
            fields.boolean("ordering")
        nonce = fields.integer("nonce") if fields.tag == INTEGER else None
        tsa = fields.content(0xA0, "tsa") if fields.tag == 0xA0 else None
        critical = _critical(fields.into(0xA1, "extensions")) if fields.tag == 0xA1 else ()
        fields.ends("TSTInfo")
        return cls(policy, imprint, serial_number, gen_time, accuracy_us, nonce, tsa, critical)


def _version_1(fields: Reader, name: str) -> None:
    if (version := fields.integer(f"the version of {name}")) != 1:
        raise Malformed(f"version 1 of {name}", str(version))


def _gen_time(fields: Reader) -> datetime:
    """GeneralizedTime in UTC, with seconds and without trailing zeros (RFC 3161 2.4.2, X.690 11.7)."""
    text = fields.content(GENERALIZED_TIME, "genTime")
    moment = _moment(text)
    if moment is None:
        raise Malformed("genTime such as 20260101120000.5Z", text[:32].decode("ascii", "backslashreplace") or "nothing")
    return moment


def _moment(text: bytes) -> datetime | None:
    parts = _GENERALIZED_TIME.fullmatch(text)
    if parts is None:
        return None
    try:
        year, month, day, hour, minute, second = map(int, parts.groups()[:6])
        return datetime(year, month, day, hour, minute, second, int((parts[7] or b"0")[:6].ljust(6, b"0")), UTC)
    except ValueError:  # such as the 31st of June
        return None


def _accuracy(fields: Reader) -> int:
    """Accuracy in µs: absent parts are zero."""
    total = 0
    for tag, unit, allowed, name in (
        (INTEGER, 1_000_000, range(1 << 31), "seconds"),
        (0x80, 1_000, range(1, 1000), "millis"),
        (0x81, 1, range(1, 1000), "micros"),
    ):
        if fields.tag == tag:
            value = fields.integer(name, tag)
            if value not in allowed:
                raise Malformed(f"{name} from {allowed.start} to {allowed.stop - 1}", str(value))
            total += value * unit
    fields.ends("accuracy")
    return total


def _critical(fields: Reader) -> tuple[str, ...]:
    """The OIDs of the critical extensions (RFC 5280 4.1)."""
    critical = []
    for octets in fields.elements("extensions"):
        extension = Reader(octets).into(SEQUENCE, "an extension")
        oid = extension.oid("extnID")
        if extension.tag == BOOLEAN and extension.boolean("critical"):
            critical.append(oid)
        extension.content(OCTET_STRING, "extnValue")
        extension.ends("an extension")
    return tuple(critical)


@dataclass(frozen=True, slots=True)
class Query:
    """TimeStampReq (RFC 3161 2.4.1)."""

    imprint: MessageImprint
    policy: str | None
    nonce: int | None
    cert_req: bool

    @classmethod
    def read(cls, octets: bytes) -> Query:
        """The TimeStampReq of version 1 in these octets. Raises Malformed."""
        outer = Reader(octets)
        fields = outer.into(SEQUENCE, "TimeStampReq")
        outer.ends("TimeStampReq")
        _version_1(fields, "TimeStampReq")
        imprint = MessageImprint.read(fields)
        policy = fields.oid("reqPolicy") if fields.tag == OBJECT_IDENTIFIER else None
        nonce = fields.integer("nonce") if fields.tag == INTEGER else None
        # NSS and LibreOffice write 01 for TRUE.
        cert_req = fields.tag == BOOLEAN and fields.content(BOOLEAN, "certReq") not in (b"", b"\x00")
        if fields.tag == 0xA0:
            fields.element(0xA0, "extensions")
        fields.ends("TimeStampReq")
        return cls(imprint, policy, nonce, cert_req)
