"""Does this TimeStampResp answer that TimeStampReq, and is it signed by the certificate that it names?

Steps 1 to 9 of tsa/verify/verifier.py, for whoever knows otherwise that the certificate is to be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.candidate import candidate
from tsa.verify.datum import Datum
from tsa.verify.examination import check_imprint, check_query, examine
from tsa.verify.proof import NotProved, Step


@dataclass(frozen=True, slots=True)
class CheckedToken:
    """A token that passed: genTime, serialNumber, policy, and the certificate that signed it."""

    gen_time: datetime
    serial_number: int
    policy: str
    certificate: x509.Certificate


def check_token(
    response: bytes, request: bytes, certificates: tuple[x509.Certificate, ...] = (), *, datum: Datum | None = None
) -> CheckedToken:
    """Check `response`, a TimeStampResp, against `request`, a TimeStampReq, and `datum`, where there is one.

    The signer's certificate is looked for in the token and among `certificates`. No path is built. Raises NotProved,
    and NotJudged where the request cannot be read.
    """
    given = [one for each in certificates if (one := candidate(each.public_bytes(Encoding.DER))) is not None]
    examined = examine(response, given)
    if not examined.has_status:
        raise NotProved(
            Step.STATUS,
            "A TimeStampReq is answered by a TimeStampResp.",
            expected="a PKIStatus",
            found="a bare token",
            clause="RFC 3161 2.4.2",
        )
    if datum is not None:
        check_imprint(examined.info, datum)
    check_query(examined, request)
    info = examined.info
    return CheckedToken(info.gen_time, info.serial_number, info.policy, examined.certificate.certificate)
