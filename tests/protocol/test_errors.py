"""The family of refusals: each has its failInfo, is written as by another encoder, and is raised by something."""

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import structlog
from asn1crypto import tsp as asn1_tsp

from signer.key import SigningFault
from tests.support import der as by_hand
from tests.support.inside import everybody
from tests.support.query import DIGEST_OIDS, NULL, Query, extension, imprint, imprint_of
from tests.support.token import FAILURES
from tests.support.units import ANYONE, FakePool, answer, application, authority, unit
from tsa.licensing.applications import Applications
from tsa.protocol import errors
from tsa.protocol.errors import PKIFailureInfo, Refusal, UnknownApplication
from tsa.protocol.tsp import decode_request, encode_refusal
from tsa.server.answers import refusal_headers
from tsa.stamping.intake import Intake, Job
from tsa.stamping.policy import StampingPolicy
from tsa.state.meter import shared_meters

# Each class and the bit of RFC 3161 2.4.2 that says it.
FAIL_INFO = {
    errors.MalformedRequest: PKIFailureInfo.badDataFormat,
    errors.DigestLengthMismatch: PKIFailureInfo.badDataFormat,
    errors.UnusableNonce: PKIFailureInfo.badDataFormat,
    errors.UnsupportedVersion: PKIFailureInfo.badRequest,
    errors.UnacceptedHash: PKIFailureInfo.badAlg,
    errors.UnacceptedPolicy: PKIFailureInfo.unacceptedPolicy,
    errors.UnacceptedExtension: PKIFailureInfo.unacceptedExtension,
    errors.TimeNotAvailable: PKIFailureInfo.timeNotAvailable,
    errors.SystemFailure: PKIFailureInfo.systemFailure,
    errors.QueueFull: PKIFailureInfo.systemFailure,
    errors.UnknownApplication: PKIFailureInfo.badRequest,
    errors.NoCredentials: PKIFailureInfo.badRequest,
    errors.LicenceExhausted: PKIFailureInfo.systemFailure,
}

SHA256 = by_hand.oid(DIGEST_OIDS["sha256"])
OCTETS_32 = by_hand.tlv(by_hand.OCTET_STRING, bytes(32))


def imprint_request(*parts: bytes) -> bytes:
    return Query(imprint=by_hand.sequence(*parts)).encode()


def optional(*fields: bytes) -> bytes:
    return by_hand.sequence(by_hand.integer(1), imprint(), *fields)


def hash_request(oid: bytes, parameters: bytes = b"", size: int = 32) -> bytes:
    return Query(imprint=imprint_of(by_hand.sequence(oid, parameters), bytes(size))).encode()


# Requests, the class that each must raise, and words of its sentence.
REFUSED = {
    "nothing": (errors.MalformedRequest, "The request ends where the TimeStampReq", b""),
    "another element": (errors.MalformedRequest, "Found tag 0x04", by_hand.tlv(4, b"x")),
    "indefinite length": (errors.MalformedRequest, "not definite and minimal", b"\x30\x80\0\0"),
    "truncated": (errors.MalformedRequest, "is the request truncated", Query().encode()[:-1]),
    "followed by more": (errors.MalformedRequest, "2 octets follow", Query().encode() + b"\5\0"),
    "an empty SEQUENCE": (errors.MalformedRequest, "the version should stand", by_hand.sequence()),
    "a version without contents": (errors.MalformedRequest, "The version is not", Query(version=b"\2\0").encode()),
    "a padded version": (errors.MalformedRequest, "The version is not", Query(version=b"\2\2\0\1").encode()),
    "a long version": (errors.UnsupportedVersion, "is not 1", Query(version=by_hand.integer(2**70)).encode()),
    "version 2": (errors.UnsupportedVersion, "is not 1: send version 1", Query(version=by_hand.integer(2)).encode()),
    "version 0": (errors.UnsupportedVersion, "is not 1: send", Query(version=by_hand.integer(0)).encode()),
    "version -1": (errors.UnsupportedVersion, "is not 1: send", Query(version=by_hand.integer(-1)).encode()),
    "no imprint": (errors.MalformedRequest, "the messageImprint", by_hand.sequence(by_hand.integer(1))),
    "imprint without fields": (errors.MalformedRequest, "hashAlgorithm should stand", imprint_request()),
    "imprint without OID": (errors.MalformedRequest, "the hash algorithm's OID", imprint_request(by_hand.sequence())),
    "imprint without digest": (
        errors.MalformedRequest,
        "hashedMessage should stand",
        imprint_request(by_hand.sequence(SHA256)),
    ),
    "imprint with more": (
        errors.MalformedRequest,
        "Something follows hashedMessage",
        imprint_request(by_hand.sequence(SHA256), OCTETS_32, NULL),
    ),
    "a padded OID": (errors.MalformedRequest, "padded arc", hash_request(by_hand.tlv(6, b"\x2a\x80\x01"))),
    "an empty OID": (errors.MalformedRequest, "empty or cut short", hash_request(by_hand.tlv(6))),
    "SHA-1": (errors.UnacceptedHash, "SHA-1 is too weak: use one of sha256", Query(imprint=imprint("sha1")).encode()),
    "MD5": (errors.UnacceptedHash, "MD5 is too weak", Query(imprint=imprint("md5")).encode()),
    "an unknown hash": (errors.UnacceptedHash, "2.999.5 is not known", hash_request(by_hand.oid("2.999.5"))),
    "hash parameters": (errors.UnacceptedHash, "takes no parameters", hash_request(SHA256, by_hand.integer(1))),
    "a long digest": (errors.DigestLengthMismatch, "has 33 octets, a sha256", hash_request(SHA256, NULL, 33)),
    "a short digest": (errors.DigestLengthMismatch, "has 31 octets", hash_request(SHA256, b"", 31)),
    "no digest octets": (errors.DigestLengthMismatch, "has 0 octets", hash_request(SHA256, NULL, 0)),
    "a padded policy OID": (errors.MalformedRequest, "padded arc", optional(by_hand.tlv(6, b"\x80\x01"))),
    "an endless policy OID": (
        errors.MalformedRequest,
        "octets",
        optional(by_hand.tlv(6, b"\x2a", b"\xff" * 9000, b"\1")),
    ),
    "a nonce without contents": (errors.UnusableNonce, "fewest octets", optional(by_hand.tlv(2))),
    "a padded nonce": (errors.UnusableNonce, "fewest octets", Query(nonce=b"\0\1").encode()),
    "a padded negative nonce": (errors.UnusableNonce, "fewest octets", Query(nonce=b"\xff\x80").encode()),
    "a nonce of 66 octets": (errors.UnusableNonce, "has 66 octets", Query(nonce=bytes([1] * 66)).encode()),
    "an empty certReq": (errors.MalformedRequest, "BOOLEAN of one octet", Query(cert_req=b"").encode()),
    "a long certReq": (errors.MalformedRequest, "BOOLEAN of one octet", Query(cert_req=b"\xff\xff").encode()),
    "empty extensions": (errors.MalformedRequest, "extensions field is empty", optional(by_hand.tlv(0xA0))),
    "extensions of another type": (errors.MalformedRequest, "an extension", optional(by_hand.tlv(0xA0, NULL))),
    "an extension without OID": (errors.MalformedRequest, "extnID", optional(by_hand.tlv(0xA0, by_hand.sequence()))),
    "a field of no kind": (errors.MalformedRequest, "belongs to no field", optional(NULL)),
    "another policy": (errors.UnacceptedPolicy, "Policy 2.999.9 is not offered", Query(policy="2.999.9").encode()),
    "an extension": (
        errors.UnacceptedExtension,
        "leave out 2.999.7",
        Query(extensions=extension("2.999.7", critical=False)).encode(),
    ),
    "a hash that is off": (
        errors.UnacceptedHash,
        "sha512 is not accepted here",
        Query(imprint=imprint("sha512")).encode(),
    ),
}
STAMPING_POLICY = StampingPolicy("2.999.3161.1", (), ["sha256"])


async def clock_set_back() -> None:
    now = [10**18]
    ready = authority(now_ns=lambda: now[0], tsu=dataclasses.replace(unit(), usable_from_us=0))
    ready.moment()
    now[0] = 0
    ready.moment()


async def key_at_fault() -> None:
    pool = FakePool()
    answering = asyncio.create_task(answer(authority(pool=pool), Query().encode()))
    (await pool.batches.get()).set_exception(SigningFault("unplugged"))
    _raise(await answering)


async def queue_full() -> None:
    intake = Intake(authority(signing={"queue": 1}), shared_meters(1)[0])
    for _ in range(2):
        intake.submit(Query().encode(), Nobodys(), ANYONE)


async def nobody_s_key() -> None:
    everybody().find("a key that nobody has", None, asyncio.BaseTransport())


async def no_credentials() -> None:
    callers = everybody()
    callers.applications = Applications([ANYONE], anonymous=False)
    callers.find(None, None, asyncio.BaseTransport())


async def licence_used_up() -> None:
    ready, small = authority(), application(stamps=1)
    await answer(ready, Query().encode(), small)
    _raise(await answer(ready, Query().encode(), small))


def _raise(answered: bytes | Refusal) -> None:
    assert isinstance(answered, Refusal)
    raise answered


class Nobodys(Job):
    """A request whose answer nobody awaits."""

    def deliver(self, answer: object) -> None:
        """Nobody is there."""


# What does not depend on the octets of the request: the clock, a fault, load, the credentials, the licences. Each with
# the class raised, words of its sentence, and the HTTP status and header that it travels with.
NOT_OF_THE_REQUEST = {
    clock_set_back: (errors.TimeNotAvailable, "is not trusted now", 200, None),
    key_at_fault: (errors.SystemFailure, "a fault on our side: try again", 200, None),
    queue_full: (errors.QueueFull, "try again after Retry-After seconds", 503, "Retry-After"),
    nobody_s_key: (errors.UnknownApplication, "belong to no application", 403, None),
    no_credentials: (errors.NoCredentials, "send an APP_KEY", 401, "WWW-Authenticate"),
    licence_used_up: (errors.LicenceExhausted, "has used all 1 stamps of its 1 licences", 429, "Retry-After"),
}


def family(root: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    """Every class of ours below `root`."""
    for kind in root.__subclasses__():
        if kind.__module__.startswith("tsa."):
            yield kind
            yield from family(kind)


def test_each_of_the_family_has_its_fail_info() -> None:
    assert {kind: kind.fail_info for kind in family()} == FAIL_INFO
    assert {kind.__module__ for kind in family()} == {errors.__name__}


def test_the_bits_are_those_of_the_standard() -> None:
    assert {bit.name: bit.value for bit in PKIFailureInfo} == FAILURES


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_is_refused_for_the_right_reason(name: str) -> None:
    kind, sentence, octets = REFUSED[name]
    with pytest.raises(Refusal) as refused:
        STAMPING_POLICY.policy_for(decode_request(octets))
    assert type(refused.value) is kind
    assert sentence in str(refused.value)


@pytest.mark.parametrize("cause", NOT_OF_THE_REQUEST, ids=lambda cause: cause.__name__)
async def test_a_good_request_is_refused_for_the_right_reason(cause: Callable[[], Coroutine[Any, Any, None]]) -> None:
    kind, sentence, status, header = NOT_OF_THE_REQUEST[cause]
    with structlog.testing.capture_logs(), pytest.raises(Refusal) as refused:
        await cause()
    assert type(refused.value) is kind
    assert sentence in str(refused.value)
    assert refused.value.status == status
    assert list(refusal_headers(refused.value)) == ([header] if header else [])


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_with_a_request_is_said_with_status_200(name: str) -> None:
    refusal = REFUSED[name][0]("x")
    assert (refusal.status, refusal_headers(refusal)) == (200, {})


def test_no_class_is_without_something_that_raises_it() -> None:
    of_requests = {kind for kind, _, _ in REFUSED.values()}
    others = {kind for kind, *_ in NOT_OF_THE_REQUEST.values()}
    assert not of_requests & others
    assert of_requests | others == set(family())


ASN1_NAMES = {
    PKIFailureInfo.badAlg: "bad_alg",
    PKIFailureInfo.badRequest: "bad_request",
    PKIFailureInfo.badDataFormat: "bad_data_format",
    PKIFailureInfo.timeNotAvailable: "time_not_available",
    PKIFailureInfo.unacceptedPolicy: "unaccepted_policy",
    PKIFailureInfo.unacceptedExtension: "unaccepted_extensions",
    PKIFailureInfo.addInfoNotAvailable: "add_info_not_available",
    PKIFailureInfo.systemFailure: "system_failure",
}


@pytest.mark.parametrize("bit", PKIFailureInfo)
@pytest.mark.parametrize("size", [1, 100, 112, 113, 114, 127, 128, 240, 250, 255, 256, 300])
def test_a_refusal_is_written_as_another_encoder_writes_it(bit: PKIFailureInfo, size: int) -> None:
    class Refused(Refusal):
        fail_info = bit

    text = "ü" + "x" * (size - 1)
    expected = asn1_tsp.PKIStatusInfo(
        {"status": "rejection", "status_string": [text], "fail_info": {ASN1_NAMES[bit]}}
    ).dump()
    assert encode_refusal(Refused(text)) == by_hand.sequence(expected)


def test_the_status_is_that_of_the_refusal_and_of_what_is_made_of_it() -> None:
    class Blocked(UnknownApplication):
        """Another reason to say the same."""

    assert Blocked("x").status == UnknownApplication.status == 403
