"""A TimeStampResp checked against its TimeStampReq and the certificate that it names: steps 1 to 9, without a path.

It is for callers that trust the certificate for another reason. tsa/verify/verifier.py lists the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.candidate import readable
from tsa.verify.datum import Datum
from tsa.verify.examination import check_imprint, check_query, examine
from tsa.verify.proof import NotProved, Step


@dataclass(frozen=True, slots=True)
class CheckedToken:
    """A token that passed: genTime (UTC), serialNumber, policy (dotted), and the signer's certificate."""

    gen_time: datetime
    serial_number: int
    policy: str
    certificate: x509.Certificate


def check_token(
    response: bytes, request: bytes, certificates: tuple[x509.Certificate, ...] = (), *, datum: Datum | None = None
) -> CheckedToken:
    """Check `response`, a TimeStampResp, against `request`, a TimeStampReq, and `datum`, where there is one.

    The signer's certificate is looked for in the token and among `certificates`. No path is built. Raises NotProved,
    and NotJudged where the request or the datum cannot be read.
    """
    examined = examine(response, readable(certificate.public_bytes(Encoding.DER) for certificate in certificates))
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
