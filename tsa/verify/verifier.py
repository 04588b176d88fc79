"""Does a token prove that a datum existed at a time? Thirteen steps, in this order; the code has the same numbers.

 1. Parse: at most 1 MiB, in DER, PEM or base64, of a TimeStampResp or of a bare TimeStampToken, a ContentInfo. DER
    throughout (X.690 10.1); the layers of the ContentInfo may be of indefinite length from outside in (RFC 5652 1).
 2. Status: granted or grantedWithMods (RFC 3161 2.4.2). A bare token has none.
 3. Content: SignedData around an id-ct-TSTInfo that is there, of version 1, in DER, and without a critical extension,
    as none is known (RFC 3161 2.4.2).
 4. Signer: exactly one SignerInfo (RFC 3161 2.4.2).
 5. Certificate: the one that the SignerIdentifier names and also the first ESSCertID or ESSCertIDv2 by its hash
    (RFC 5816 2.2.1), wherever it stands in the token or among those given. The tsa field, if there, is a name of it.
 6. Attributes: signed attributes are there, each once, in the order of a DER SET OF; contentType is id-ct-TSTInfo,
    messageDigest the digest of eContent (RFC 5652 5.3, 5.4, 11).
 7. Signature: RSA (PKCS #1 v1.5 and PSS), ECDSA or Ed25519, as fits the key of that certificate, over the attributes as
    a SET OF (RFC 5652 5.4), with the hash of digestAlgorithm (RFC 8933 3).
 8. Imprint: messageImprint is the digest of the datum (RFC 3161 2.4.1).
 9. Query, where one is given: the token has its imprint, nonce and policy, and certificates as its certReq asks
    (RFC 3161 2.4.1, 2.4.2).
10. Key usage: extendedKeyUsage is there, critical, and timeStamping alone (RFC 3161 2.3); a keyUsage allows signatures
    and nothing else.
11. Path: from that certificate to an anchor, valid at genTime, not now (RFC 5280 6), and by no certificate that is
    signed with MD5. Where more than one ESSCertID is there, the CAs' certificates are among them (RFC 5035 5.4).
12. Revocation: judged by the newest CRLs and OCSP responses, given or in the token, of any time. A certificate revoked
    for the reasons 0, 3, 4 or 5 counts up to its revocation, or its invalidityDate; for another reason, or none, not
    at all (RFC 3161 4). Where nothing is known of it, nothing new, or nothing from before its end, a warning says so.
13. Strength: SHA-1, RSA keys below 2048 bits and EC keys below 224 give a warning each.

Steps 1 to 9 need no anchor, and stand in tsa/verify/examination.py. Unsigned attributes, and what else no signature
covers, prove nothing and are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from certs.candidate import Candidate, candidate
from certs.extensions import key_usage_fault, purpose_fault
from certs.path import NoPath, find_path
from certs.revocation import HARMLESS_REASONS, Evidence, Standing, standing
from certs.signatures import MIN_EC_BITS, MIN_RSA_BITS, WEAK_HASHES
from tsa.verify.datum import Datum
from tsa.verify.examination import Examined, check_imprint, check_query, examine
from tsa.verify.proof import NotJudged, NotProved, Step, VerifiedTimestamp

_CLOCK_TOLERANCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Trust:
    """A path that was found, and all that follows from it: it holds for every genTime from `start` to `end`."""

    chain: tuple[x509.Certificate, ...]
    name: str
    start: datetime
    end: datetime
    standing: Standing
    weaknesses: tuple[str, ...]


class Verifier:
    """Verifies tokens against anchors, by the certificates, CRLs and OCSP responses that are given; fetches nothing.

    `crls` and `ocsps` are in DER. Raises NotJudged without an anchor, and where one of these cannot be read. What was
    found out about a certificate is kept, so take one verifier for many tokens. May be used by several threads.
    """

    def __init__(
        self,
        anchors: Sequence[x509.Certificate],
        *,
        certificates: Sequence[x509.Certificate] = (),
        crls: Sequence[bytes] = (),
        ocsps: Sequence[bytes] = (),
    ) -> None:
        if not anchors:
            raise NotJudged("There is no anchor: name the root certificate of the authority that you trust.")
        self._anchors = candidates(anchors)
        self._given = candidates(certificates)
        self._evidence = Evidence.read(crls, ocsps)
        if self._evidence.unreadable:
            raise NotJudged(f"{self._evidence.unreadable[0]} Give CRLs and OCSP responses in PEM or DER.")
        self._trusts = lru_cache(maxsize=64)(_no_trust_yet)

    def verify(self, token: bytes, datum: Datum, query: bytes | None = None) -> VerifiedTimestamp:
        """What `token` proves of `datum`; `query` is the TimeStampReq it must answer.

        Raises NotProved and NotJudged, and nothing else.
        """
        examined = examine(token, self._given)  # 1 to 7
        check_imprint(examined.info, datum)  # 8
        if query is not None:
            check_query(examined, query)  # 9
        check_usage(examined.certificate)  # 10
        trust = self._trust(examined)  # 11
        check_revocation(trust.standing, examined.info.gen_time)  # 12
        now = datetime.now(UTC)
        warnings = (
            *_clock_warning(examined.info.gen_time, now),
            *trust.standing.warnings(examined.info.gen_time, now),
            *_weak_hashes(examined),  # 13
            *trust.weaknesses,
        )
        return _proof(examined, trust, warnings)

    # 11

    def _trust(self, examined: Examined) -> _Trust:
        """The path that holds at genTime, found before or now."""
        signed, moment = examined.signed, examined.info.gen_time
        known = self._trusts(examined.certificate, examined.above, signed.crls, signed.ocsps)
        for trust in known:
            if trust.start <= moment <= trust.end:
                return trust
        path = self._path(examined)
        trust = _Trust(
            tuple(each.certificate for each in path),
            path[0].name,
            max(each.start for each in path),
            min(each.end for each in path),
            standing(path, self._evidence + Evidence.read(signed.crls, signed.ocsps)),
            tuple(weaknesses(path)),
        )
        known.append(trust)
        return trust

    def _path(self, examined: Examined) -> tuple[Candidate, ...]:
        signer, moment = examined.certificate, examined.info.gen_time
        try:
            _check_validity(signer, moment)
            return find_path(signer, examined.above, self._anchors, moment)
        except NoPath as fault:
            raise NotProved(
                Step.PATH,
                f"The certificate of {signer.name} cannot be trusted at genTime.",
                expected=f"a path to one of {len(self._anchors)} anchors, valid at {moment.isoformat()}",
                found=f"none: {str(fault).rstrip('.')}",
                clause="RFC 5280 6",
            ) from fault


def candidates(certificates: Sequence[x509.Certificate]) -> tuple[Candidate, ...]:
    """Certificates that somebody gave, as they are looked for. Raises NotJudged."""
    found = tuple(candidate(each.public_bytes(Encoding.DER)) for each in certificates)
    if None in found:
        raise NotJudged("A certificate that was given cannot be read: give X.509 certificates in PEM or DER.")
    return tuple(each for each in found if each is not None)


def _no_trust_yet(*_: object) -> list[_Trust]:
    return []


def _check_validity(signer: Candidate, moment: datetime) -> None:
    if not signer.start <= moment <= signer.end:
        raise NoPath(f"it is valid from {signer.start.isoformat()} to {signer.end.isoformat()}")


# 10


def check_usage(signer: Candidate) -> None:
    """extendedKeyUsage and keyUsage of the signer's certificate."""
    fault = _usage_fault(signer)
    if fault is not None:
        expected, found = fault
        sentence = f"The certificate of {signer.name} is not one for time-stamps alone."
        raise NotProved(Step.EKU, sentence, expected=expected, found=found, clause="RFC 3161 2.3")


@lru_cache(maxsize=256)
def _usage_fault(signer: Candidate) -> tuple[str, str] | None:
    """Expected and found."""
    if signer.extensions is None:
        return "extensions that can be read", "others"
    fault = purpose_fault(signer.extensions) or key_usage_fault(signer.extensions)
    return None if fault is None else (fault.rule.value, fault.found)


# 12


def check_revocation(stands: Standing, gen_time: datetime) -> None:
    """Every revocation of a certificate in the path."""
    for one, said, since in stands.revoked:
        if said.reason not in HARMLESS_REASONS or gen_time >= since:
            reason = said.reason.value if said.reason else "no reason that is known"
            raise NotProved(
                Step.REVOCATION,
                f"The certificate of {one.name} is revoked.",
                expected=f"no revocation, or one after {gen_time.isoformat()} that leaves earlier tokens valid",
                found=f"a revocation since {since.isoformat()} in a {said.source}: {reason}",
                clause="RFC 3161 4",
            )


# 13


def _weak_hashes(examined: Examined) -> Iterator[str]:
    if examined.info.imprint.hash_algorithm in WEAK_HASHES:
        yield "The imprint is by SHA-1, which is broken: another datum may have been made to have the same one."
    if examined.digest_algorithm in WEAK_HASHES:
        yield "The token is signed with SHA-1, which is broken: it may have been made from another one."


def weaknesses(path: Sequence[Candidate]) -> Iterator[str]:
    """A sentence on each signature and key of a path, the anchor last, that is too weak today."""
    for one in path[:-1]:
        if _signature_hash(one.certificate) in WEAK_HASHES:
            yield f"The certificate of {one.name} is signed with SHA-1, which is broken."
    for one in path:
        if isinstance(one.key, rsa.RSAPublicKey) and one.key.key_size < MIN_RSA_BITS:
            yield f"The RSA key of {one.name} has {one.key.key_size} bits, and {MIN_RSA_BITS} are the least today."
        if isinstance(one.key, ec.EllipticCurvePublicKey) and one.key.key_size < MIN_EC_BITS:
            yield f"The EC key of {one.name} has {one.key.key_size} bits, and {MIN_EC_BITS} are the least today."


def _signature_hash(certificate: x509.Certificate) -> str:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    return algorithm.name if algorithm else ""


def _clock_warning(gen_time: datetime, now: datetime) -> Iterator[str]:
    if gen_time > now + _CLOCK_TOLERANCE:
        yield "genTime lies in the future: the clock of the TSA was wrong, or that of this machine is."


def _proof(examined: Examined, trust: _Trust, warnings: tuple[str, ...]) -> VerifiedTimestamp:
    info = examined.info
    return VerifiedTimestamp(
        gen_time=info.gen_time,
        accuracy_us=info.accuracy_us,
        serial_number=info.serial_number,
        policy=info.policy,
        hash_algorithm=info.imprint.hash_algorithm,
        imprint=info.imprint.digest,
        nonce=info.nonce,
        tsa_name=trust.name,
        chain=trust.chain,
        revocation_judged=0 < len(trust.standing.known) == len(trust.chain) - 1,
        warnings=warnings,
    )
