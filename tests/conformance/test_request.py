"""docs/conformance.md, "The TimeStampReq": one row a test, on both sides, and the connection goes on after each."""

import os
from dataclasses import dataclass

import pytest

from tests.conftest import SECOND_POLICY
from tests.support import der
from tests.support.http import Connection
from tests.support.query import DEFAULT_POLICY, DIGEST_OIDS, NULL, Query, digest, extension, imprint, imprint_of
from tests.support.stamping import Authority
from tests.support.token import refusal

HASHES = ["sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512"]
LONGEST_NONCE = b"\x00\x80" + bytes(range(63))  # 65 octets: a positive number of 64

GRANTS = {
    **{f"imprint-{name}": Query(imprint=imprint(name)) for name in HASHES},
    **{f"imprint-{name}-null-parameters": Query(imprint=imprint(name, parameters=NULL)) for name in HASHES},
    "policy-default": Query(policy=DEFAULT_POLICY),
    "policy-second": Query(policy=SECOND_POLICY),
    "nonce-absent": Query(nonce=None),
    "nonce-0": Query(nonce=b"\x00"),
    "nonce-negative-1": Query(nonce=b"\xff"),
    "nonce-negative-8-octets": Query(nonce=b"\x80" + bytes(7)),
    "nonce-8-octets": Query(nonce=b"\x7f" + bytes(7)),
    "nonce-8-octets-high-bit": Query(nonce=b"\x00" + b"\xff" * 8),
    "nonce-20-octets": Query(nonce=b"\x01" + bytes(19)),
    "nonce-20-octets-high-bit": Query(nonce=b"\x00" + b"\x80" * 20),
    "nonce-32-octets": Query(nonce=b"\x01" + bytes(31)),
    "nonce-64-octets": Query(nonce=b"\x01" + bytes(63)),
    "nonce-64-octets-negative": Query(nonce=b"\x80" + bytes(63)),
    "nonce-65-octets-high-bit": Query(nonce=LONGEST_NONCE),
    "nonce-65-octets": Query(nonce=b"\x01" + bytes(64)),
    "certreq-ff": Query(cert_req=b"\xff"),
    "certreq-01": Query(cert_req=b"\x01"),
    "certreq-80": Query(cert_req=b"\x80"),
    "certreq-absent": Query(cert_req=None),
    "certreq-false-written": Query(cert_req=b"\x00"),
    "version-and-imprint-only": Query(nonce=None, cert_req=None),
    "everything": Query(
        imprint=imprint("sha3-512", parameters=NULL), policy=SECOND_POLICY, nonce=LONGEST_NONCE, cert_req=b"\x01"
    ),
}


@pytest.mark.parametrize("query", GRANTS.values(), ids=GRANTS.keys())
def test_granted(authority: Authority, connection: Connection, query: Query) -> None:
    authority.stamp(connection, query)
    authority.stamp(connection)


@dataclass(frozen=True)
class Refused:
    """A body and the one failInfo bit that it earns."""

    body: bytes
    failure: str


GOOD = Query().encode()
FIELDS = der.read(GOOD).contents


def _imprint(name: str, hashed: bytes) -> Refused:
    return Refused(Query(imprint=imprint(name, hashed)).encode(), "badDataFormat")


def _algorithm(dotted: str, size: int = 32, parameters: bytes = b"") -> Refused:
    algorithm = der.sequence(der.oid(dotted), parameters)
    return Refused(Query(imprint=imprint_of(algorithm, bytes(size))).encode(), "badAlg")


def _version(value: int) -> Refused:
    return Refused(Query(version=der.integer(value)).encode(), "badRequest")


def _policy(dotted: str) -> Refused:
    return Refused(Query(policy=dotted).encode(), "unacceptedPolicy")


def _extension(dotted: str, *, critical: bool) -> Refused:
    return Refused(Query(extensions=extension(dotted, critical=critical)).encode(), "unacceptedExtension")


def _nonce(octets: bytes) -> Refused:
    return Refused(Query(nonce=octets).encode(), "badDataFormat")


def _malformed(body: bytes) -> Refused:
    return Refused(body, "badDataFormat")


REFUSALS = {
    "sha1": _algorithm(DIGEST_OIDS["sha1"], 20),
    "sha1-null-parameters": _algorithm(DIGEST_OIDS["sha1"], 20, NULL),
    "md5": _algorithm(DIGEST_OIDS["md5"], 16),
    "sha224": _algorithm("2.16.840.1.101.3.4.2.4", 28),
    "sm3-without-the-sm2-profile": _algorithm("1.2.156.10197.1.401"),
    "hash-oid-unknown": _algorithm("1.3.6.1.4.1.99999.1.2.3"),
    "hash-oid-unknown-and-long": _algorithm("2.25.329800735698586629295641978511506172918"),
    "digest-31-octets-for-sha256": _imprint("sha256", bytes(31)),
    "digest-33-octets-for-sha256": _imprint("sha256", bytes(33)),
    "digest-20-octets-for-sha256": _imprint("sha256", bytes(20)),
    "digest-0-octets-for-sha256": _imprint("sha256", b""),
    "digest-32-octets-for-sha384": _imprint("sha384", bytes(32)),
    "digest-48-octets-for-sha512": _imprint("sha512", bytes(48)),
    "digest-64-octets-for-sha3-256": _imprint("sha3-256", bytes(64)),
    "digest-4096-octets-for-sha256": _imprint("sha256", bytes(4096)),
    **{f"version-{value}": _version(value) for value in (0, 2, 3, -1, 256, 1 << 64)},
    "policy-not-accepted": _policy("2.999.3161.77"),
    "policy-shorter-than-ours": _policy("2.999.3161"),
    "policy-longer-than-ours": _policy(DEFAULT_POLICY + ".1"),
    "extension-critical": _extension("1.3.6.1.4.1.99999.7", critical=True),
    "extension-not-critical": _extension("1.3.6.1.4.1.99999.7", critical=False),
    "extension-of-another-standard": _extension("2.5.29.17", critical=False),
    "nonce-66-octets": _nonce(b"\x01" + bytes(65)),
    "nonce-66-octets-high-bit": _nonce(b"\x00\x80" + bytes(64)),
    "nonce-1000-octets": _nonce(b"\x01" * 1000),
    "nonce-empty": _nonce(b""),
    "nonce-not-minimal-positive": _nonce(b"\x00\x01"),
    "nonce-not-minimal-zero": _nonce(b"\x00\x00"),
    "nonce-not-minimal-negative": _nonce(b"\xff\x80"),
    "body-empty": _malformed(b""),
    "body-one-octet": _malformed(b"\x30"),
    "body-text": _malformed(b"hash=0123456789abcdef&algorithm=sha256"),
    "body-zeros": _malformed(bytes(64)),
    "body-16-kib-of-ff": _malformed(b"\xff" * 16384),
    "body-empty-sequence": _malformed(der.sequence()),
    "body-not-a-sequence": _malformed(der.tlv(der.SET, FIELDS)),
    "body-sequence-as-constructed-context": _malformed(der.tlv(0xA0, FIELDS)),
    "trailing-octet": _malformed(GOOD + b"\x00"),
    "trailing-second-request": _malformed(GOOD + GOOD),
    "trailing-null-inside": _malformed(der.sequence(FIELDS, NULL)),
    "trailing-null-inside-imprint": _malformed(
        Query(imprint=der.sequence(der.read(imprint()).contents, NULL)).encode()
    ),
    "indefinite-length": _malformed(b"\x30\x80" + FIELDS + b"\x00\x00"),
    "indefinite-length-inside": _malformed(
        Query(imprint=b"\x30\x80" + der.read(imprint()).contents + b"\x00\x00").encode()
    ),
    "length-not-minimal-81": _malformed(b"\x30\x81" + bytes([len(FIELDS)]) + FIELDS),
    "length-not-minimal-82": _malformed(b"\x30\x82\x00" + bytes([len(FIELDS)]) + FIELDS),
    "length-not-minimal-inside": _malformed(Query(version=b"\x02\x81\x01\x01").encode()),
    "length-not-minimal-in-nonce": _malformed(
        Query(nonce=None, cert_req=None, extensions=b"\x02\x81\x01\x05").encode()
    ),
    "length-of-4-gib": _malformed(b"\x30\x84\xff\xff\xff\xff" + FIELDS),
    "length-of-126-octets": _malformed(b"\x30\xfe" + b"\xff" * 126),
    "length-reserved": _malformed(b"\x30\xff" + FIELDS),
    "version-not-minimal": _malformed(Query(version=b"\x02\x02\x00\x01").encode()),
    "version-empty": _malformed(Query(version=b"\x02\x00").encode()),
    "version-missing": _malformed(der.sequence(imprint())),
    "imprint-missing": _malformed(der.sequence(der.integer(1))),
    "imprint-not-a-sequence": _malformed(Query(imprint=der.tlv(der.OCTET_STRING, bytes(32))).encode()),
    "imprint-digest-not-octets": _malformed(
        Query(imprint=der.sequence(der.sequence(der.oid(DIGEST_OIDS["sha256"])), der.integer(5))).encode()
    ),
    "imprint-digest-constructed": _malformed(
        Query(
            imprint=der.sequence(
                der.sequence(der.oid(DIGEST_OIDS["sha256"])), der.tlv(0x24, der.tlv(der.OCTET_STRING, bytes(32)))
            )
        ).encode()
    ),
    "certreq-empty": _malformed(Query(cert_req=b"").encode()),
    "certreq-two-octets": _malformed(Query(cert_req=b"\xff\xff").encode()),
    "fields-out-of-order": _malformed(
        der.sequence(der.integer(1), imprint(), der.tlv(der.BOOLEAN, b"\xff"), der.integer(7))
    ),
    "fields-twice": _malformed(
        der.sequence(der.integer(1), imprint(), der.integer(7), der.integer(7), der.tlv(der.BOOLEAN, b"\xff"))
    ),
}


@pytest.mark.parametrize("row", REFUSALS.values(), ids=REFUSALS.keys())
def test_refused(authority: Authority, connection: Connection, row: Refused) -> None:
    refusal(connection.post(row.body), row.failure)
    authority.stamp(connection)


def test_refused_when_truncated_anywhere(authority: Authority, connection: Connection) -> None:
    whole = Query(policy=DEFAULT_POLICY, extensions=extension("1.3.6.1.4.1.99999.7", critical=True)).encode()
    for end in range(1, len(whole)):
        refusal(connection.post(whole[:end]), "badDataFormat")
    authority.stamp(connection)


def test_any_octet_changed_gets_an_answer(authority: Authority, connection: Connection) -> None:
    """Whatever the damage: a grant of what was asked, or a refusal with one bit; never a fault."""
    for at in range(len(GOOD)):
        answer = connection.post(GOOD[:at] + bytes([GOOD[at] ^ 0x81]) + GOOD[at + 1 :])
        assert answer.status == 200
        (status_info, *token) = der.read(answer.body).of(der.SEQUENCE)
        status, *rest = status_info.of(der.SEQUENCE)
        assert (status.integer(), len(rest), len(token)) in [(0, 0, 1), (2, 2, 0)], answer.body.hex()
    authority.stamp(connection)


def test_sentence_says_what_to_change(authority: Authority, connection: Connection) -> None:
    """A statusString names the thing that is wrong, so that the caller need not guess among the bits."""
    rows = {name: REFUSALS[name] for name in ("sha1", "version-2", "policy-not-accepted", "extension-critical")}
    told = {name: refusal(connection.post(row.body), row.failure) for name, row in rows.items()}
    assert len(set(told.values())) == len(rows)
    assert "2.999.3161." in told["policy-not-accepted"]
    assert "sha256" in told["sha1"].lower().replace("-", "")


def test_same_request_twice_gets_two_tokens(authority: Authority, connection: Connection) -> None:
    query = Query(imprint=imprint("sha256", digest("sha256", os.urandom(8))))
    first, second = authority.stamp(connection, query), authority.stamp(connection, query)
    assert first.info.serial != second.info.serial
    assert first.info.moment <= second.info.moment
