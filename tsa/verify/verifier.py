"""Does a token prove that a datum existed at a time? Thirteen steps, in this order; the code has the same numbers.

 1. Parse: at most 1 MiB, in DER, PEM or base64: a TimeStampResp, or a bare TimeStampToken (a ContentInfo), behind
    which 00 octets are padding. DER throughout (X.690 10.1); the outer layers of the ContentInfo may be of indefinite
    length (RFC 5652 1).
 2. Status: granted or grantedWithMods (RFC 3161 2.4.2). A bare token has none.
 3. Content: SignedData around an id-ct-TSTInfo that is there, of version 1, in DER, and without a critical extension,
    as none is known (RFC 3161 2.4.2).
 4. Signer: exactly one SignerInfo (RFC 3161 2.4.2).
 5. Certificate: the one that the SignerIdentifier names and also the first ESSCertID or ESSCertIDv2 by its hash
    (RFC 5816 2.2.1); its place in the token, or beside it, does not matter. The tsa field, if there, is a name of it.
 6. Attributes: signed attributes are there, each once, in the order of a DER SET OF; contentType is id-ct-TSTInfo,
    messageDigest the digest of eContent (RFC 5652 5.3, 5.4, 11).
 7. Signature: RSA (PKCS #1 v1.5 and PSS), ECDSA or Ed25519, as fits the key of that certificate, over the attributes as
    a SET OF (RFC 5652 5.4), with the hash of digestAlgorithm (RFC 8933 3).
 8. Imprint: messageImprint is the digest of the datum (RFC 3161 2.4.1).
 9. Query, where one is given: the token has its imprint, nonce and policy, and certificates as its certReq asks
    (RFC 3161 2.4.1, 2.4.2).
10. Key usage: extendedKeyUsage is there, critical, and timeStamping alone (RFC 3161 2.3); a keyUsage allows signatures
    and nothing else (certs/extensions.py).
11. Path: from that certificate to an anchor, valid at genTime, not now (RFC 5280 6), and through no certificate that
    is signed with MD5 (certs/path.py). With several ESSCertIDs, the CAs' certificates are among them (RFC 5035 5.4).
12. Revocation: judged by the newest CRLs and OCSP responses, of any time, in the token or beside it
    (certs/revocation.py). A certificate revoked for the reasons 0, 3, 4 or 5 counts up to its revocation, or its
    invalidityDate; for another reason, or none, not at all (RFC 3161 4). A warning says where there is no CRL and no
    OCSP response, none that is new, or none from before the end of the certificate.
13. Strength: SHA-1, RSA keys below 2048 bits and EC keys below 224 bits give a warning each.

Steps 1 to 9 need no anchor, and stand in tsa/verify/examination.py. No signature covers unsigned attributes and some
other fields: they prove nothing and are not read.
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

from certs.candidate import Candidate, readable
from certs.extensions import key_usage_fault, purpose_fault
from certs.path import NoPath, find_path
from certs.revocation import HARMLESS_REASONS, RevocationData, Standing, standing
from certs.signatures import MIN_EC_BITS, MIN_RSA_BITS, WEAK_HASHES
from tsa.verify.datum import Datum
from tsa.verify.examination import Examined, check_imprint, check_query, examine
from tsa.verify.proof import NotJudged, NotProved, Step, VerifiedTimestamp

_CLOCK_TOLERANCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Trust:
    """A path with its results: it holds for every genTime from `start` to `end` (UTC)."""

    chain: tuple[x509.Certificate, ...]
    name: str
    start: datetime
    end: datetime
    standing: Standing
    weaknesses: tuple[str, ...]


class Verifier:
    """Verifies tokens against anchors, with certificates, CRLs and OCSP responses beside the tokens; fetches nothing.

    `crls` and `ocsps` are in DER. Raises NotJudged without an anchor, and where an argument cannot be read. Results on
    a certificate are kept, so one verifier serves many tokens. Several threads may use it at once.
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
        self._certificates = candidates(certificates)
        self._revocation_data = RevocationData.read(crls, ocsps)
        if self._revocation_data.unreadable:
            raise NotJudged(f"{self._revocation_data.unreadable[0]} Give CRLs and OCSP responses in PEM or DER.")
        self._trusts = lru_cache(maxsize=64)(_no_trust_yet)

    def verify(self, token: bytes, datum: Datum, query: bytes | None = None) -> VerifiedTimestamp:
        """The proof that `token` is of `datum`, and answers the TimeStampReq `query` where there is one.

        Raises NotProved and NotJudged, and nothing else.
        """
        examined = examine(token, self._certificates)  # 1 to 7
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
        """The path that holds at genTime, kept or found now."""
        signed, moment = examined.signed, examined.info.gen_time
        known = self._trusts(examined.certificate, examined.above, signed.crls, signed.ocsps)
        for trust in known:
            if trust.start <= moment <= trust.end:
                return trust
        path = self._path(examined)
        trust = _Trust(
            tuple(member.certificate for member in path),
            path[0].name,
            max(member.start for member in path),
            min(member.end for member in path),
            standing(path, self._revocation_data + RevocationData.read(signed.crls, signed.ocsps)),
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
    """The arguments as a verification needs them. Raises NotJudged where one cannot be read."""
    found = readable(certificate.public_bytes(Encoding.DER) for certificate in certificates)
    if len(found) < len(certificates):
        raise NotJudged("A certificate that was given cannot be read: give X.509 certificates in PEM or DER.")
    return tuple(found)


def _no_trust_yet(*_: object) -> list[_Trust]:
    return []


def _check_validity(signer: Candidate, moment: datetime) -> None:
    if not signer.start <= moment <= signer.end:
        raise NoPath(f"it is valid from {signer.start.isoformat()} to {signer.end.isoformat()}")


# 10


def check_usage(signer: Candidate) -> None:
    """Check extendedKeyUsage and keyUsage of the signer's certificate."""
    fault = _usage_fault(signer)
    if fault is not None:
        expected, found = fault
        sentence = f"The certificate of {signer.name} is not one for time-stamps alone."
        raise NotProved(Step.EKU, sentence, expected=expected, found=found, clause="RFC 3161 2.3")


@lru_cache(maxsize=256)
def _usage_fault(signer: Candidate) -> tuple[str, str] | None:
    """The phrases on the expected and the found usage; None for a certificate that is fit."""
    if signer.extensions is None:
        return "extensions that can be read", "others"
    fault = purpose_fault(signer.extensions) or key_usage_fault(signer.extensions)
    return None if fault is None else (fault.rule.value, fault.found)


# 12


def check_revocation(found: Standing, gen_time: datetime) -> None:
    """Check every revocation of a certificate in the path."""
    for certificate, statement, since in found.revoked:
        if statement.reason not in HARMLESS_REASONS or gen_time >= since:
            reason = statement.reason.value if statement.reason else "no reason that is known"
            raise NotProved(
                Step.REVOCATION,
                f"The certificate of {certificate.name} is revoked.",
                expected=f"no revocation, or one after {gen_time.isoformat()} that leaves earlier tokens valid",
                found=f"a revocation since {since.isoformat()} in a {statement.source}: {reason}",
                clause="RFC 3161 4",
            )


# 13


def _weak_hashes(examined: Examined) -> Iterator[str]:
    if examined.info.imprint.hash_algorithm in WEAK_HASHES:
        yield "The imprint is by SHA-1, which is broken: another datum may have been made to have the same one."
    if examined.digest_algorithm in WEAK_HASHES:
        yield "The token is signed with SHA-1, which is broken: it may have been made from another one."


def weaknesses(path: Sequence[Candidate]) -> Iterator[str]:
    """A sentence on every signature and key of a path, the anchor last, that is too weak today."""
    for member in path[:-1]:
        if _signature_hash(member.certificate) in WEAK_HASHES:
            yield f"The certificate of {member.name} is signed with SHA-1, which is broken."
    for member in path:
        key = member.key
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS:
            yield f"The RSA key of {member.name} has {key.key_size} bits, and {MIN_RSA_BITS} are the least today."
        if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < MIN_EC_BITS:
            yield f"The EC key of {member.name} has {key.key_size} bits, and {MIN_EC_BITS} are the least today."


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
