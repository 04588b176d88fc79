"""Refusals: every reason not to stamp, each with the one PKIFailureInfo bit that says it (RFC 3161 2.4.2).

A refusal is an answer. It is raised while a request is looked at, and from there handed on as a value. Its text goes
to the caller as statusString, so it says in one sentence what to change and nothing of our insides.
"""

from __future__ import annotations

from enum import IntEnum
from http import HTTPStatus
from typing import ClassVar


class PKIStatus(IntEnum):
    """RFC 3161 2.4.2."""

    GRANTED = 0
    GRANTED_WITH_MODS = 1
    REJECTION = 2
    WAITING = 3
    REVOCATION_WARNING = 4
    REVOCATION_NOTIFICATION = 5


class PKIFailureInfo(IntEnum):
    """Bit numbers of PKIFailureInfo, RFC 3161 2.4.2, under the standard's own names."""

    badAlg = 0
    badRequest = 2
    badDataFormat = 5
    timeNotAvailable = 14
    unacceptedPolicy = 15
    unacceptedExtension = 16
    addInfoNotAvailable = 17
    systemFailure = 25


class Refusal(Exception):
    """A request that gets no token; `str()` is its statusString.

    `status` is the HTTP status that carries it: 200 for what RFC 3161 has a failInfo for, another where HTTP says more
    to whoever stands between. `counts_for_application` is whether it is yet to be counted for the one that asked.
    """

    fail_info: ClassVar[PKIFailureInfo]
    status: ClassVar[HTTPStatus] = HTTPStatus.OK
    counts_for_application: ClassVar[bool] = True


class MalformedRequest(Refusal):
    """Not one TimeStampReq in DER, or a field of it is not (X.690 10.1)."""

    fail_info = PKIFailureInfo.badDataFormat


class DigestLengthMismatch(MalformedRequest):
    """hashedMessage is not as long as its hash algorithm's digest (RFC 3161 2.4.1)."""


class UnusableNonce(MalformedRequest):
    """The nonce is not a minimal INTEGER (X.690 8.3.2) or has more than 65 octets (our limit)."""


class UnsupportedVersion(Refusal):
    """The version is not 1 (RFC 3161 2.4.1)."""

    fail_info = PKIFailureInfo.badRequest


class UnacceptedHash(Refusal):
    """The hash algorithm is unknown, too weak, or switched off here (RFC 3161 2.4.1)."""

    fail_info = PKIFailureInfo.badAlg


class UnacceptedPolicy(Refusal):
    """reqPolicy is none of the policies stamped under here (RFC 3161 2.4.2)."""

    fail_info = PKIFailureInfo.unacceptedPolicy


class UnacceptedExtension(Refusal):
    """The request carries an extension, and none is understood here (RFC 3161 2.4.1: no token)."""

    fail_info = PKIFailureInfo.unacceptedExtension


class TimeNotAvailable(Refusal):
    """The clock cannot be trusted now (RFC 3161 2.4.2)."""

    fail_info = PKIFailureInfo.timeNotAvailable


class SystemFailure(Refusal):
    """A fault of ours; its cause is in the log, never in the answer (RFC 3161 2.4.2)."""

    fail_info = PKIFailureInfo.systemFailure


class QueueFull(SystemFailure):
    """More requests wait than can be signed in time."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class UnknownApplication(Refusal):
    """The credentials name no application that may stamp here; unknown and disabled look alike."""

    fail_info = PKIFailureInfo.badRequest
    status = HTTPStatus.FORBIDDEN
    counts_for_application = False  # it is nobody's


class NoCredentials(Refusal):
    """Stamps are for registered applications, and the request names none."""

    fail_info = PKIFailureInfo.badRequest
    status = HTTPStatus.UNAUTHORIZED
    counts_for_application = False  # it is nobody's


class LicenceExhausted(SystemFailure):
    """The application has used the capacity of its licences in this window; `retry_after_s` seconds are left of it."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    counts_for_application = False  # the quota has counted it, in the window that it is for

    def __init__(self, sentence: str, *, retry_after_s: int) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s
