"""Steps 1 to 9 of a verification, which need no anchor; tsa/verify/verifier.py lists their rules."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from certs.candidate import Candidate, is_name_of, readable
from certs.der import OCTET_STRING, Malformed, Reader, set_of, unarmoured, unpadded
from certs.signatures import check_signature
from signer.algorithms import HASHES
from tsa.verify.datum import Datum
from tsa.verify.message import MessageImprint, Query, Response, TstInfo
from tsa.verify.proof import NotJudged, NotProved, Step
from tsa.verify.signed_data import SignedData, SignerInfo, content_info
from tsa.verify.signer import (
    CONTENT_TYPE,
    MESSAGE_DIGEST,
    Attributes,
    EssCertId,
    allowed_above,
    ess_cert_ids,
    is_named_by,
    read_attributes,
    sole_value,
)

MAX_TOKEN_OCTETS = 1 << 20
_SHOWN = 256  # characters of a stranger's text in a sentence

_SIGNED_DATA, _TST_INFO = "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
_STATUSES = ("granted", "grantedWithMods", "rejection", "waiting", "revocationWarning", "revocationNotification")


@dataclass(frozen=True, slots=True)
class Examined:
    """A token that passed steps 1 to 7: its contents, its signer, and the certificates that may stand above."""

    has_status: bool
    signed: SignedData
    info: TstInfo
    digest_algorithm: str
    certificate: Candidate
    above: tuple[Candidate, ...]


@contextmanager
def _within(step: Step, sentence: str, clause: str) -> Iterator[None]:
    """Turn Malformed into NotProved at this step."""
    try:
        yield
    except Malformed as fault:
        raise NotProved(step, sentence, expected=fault.expected, found=fault.found, clause=clause) from None


def examine(octets: bytes, certificates: Sequence[Candidate] = ()) -> Examined:
    """Steps 1 to 7: the token in `octets`, whose signer's certificate is in it or among `certificates` beside it.

    Raises NotProved.
    """
    response = parse(octets)  # 1
    check_status(response)  # 2
    signed, info = read_content(response.token)  # 3
    signer = only_signer(signed)  # 4
    attributes = attributes_of(signer)  # the part of 6 that 5 needs
    certificate, above = find_certificate(signed, signer, info, attributes, certificates)  # 5
    digest_algorithm = check_attributes(signed, signer, attributes)  # 6
    check_signed(signer, certificate, digest_algorithm)  # 7
    return Examined(response.status is not None, signed, info, digest_algorithm, certificate, above)


# 1


def parse(octets: bytes) -> Response:
    """The TimeStampResp, or the bare token, in DER, PEM or base64; 00 octets behind it are padding."""
    if len(octets) > MAX_TOKEN_OCTETS:
        raise NotProved(
            Step.PARSE,
            "The token is too large.",
            expected=f"at most {MAX_TOKEN_OCTETS} octets",
            found=f"{len(octets)}",
            clause="our limit",
        )
    with _within(Step.PARSE, "This is neither a TimeStampResp nor a TimeStampToken.", "RFC 3161 2.4.2, X.690 10.1"):
        return Response.read(unpadded(unarmoured(octets)))


# 2


def check_status(response: Response) -> None:
    """Check PKIStatus; the text of a refusal goes into NotProved."""
    if response.status in (None, 0, 1):
        return
    name = dict(enumerate(_STATUSES)).get(response.status, str(response.status))
    said = " ".join(response.texts)[:_SHOWN] or "no reason given"
    raise NotProved(
        Step.STATUS,
        f"The authority answered {name}: {said}",
        expected="granted or grantedWithMods",
        found=name,
        clause="RFC 3161 2.4.2",
    )


# 3


def read_content(token: bytes) -> tuple[SignedData, TstInfo]:
    """The SignedData and its TSTInfo."""
    if not token:
        raise _no_content("a timeStampToken, as the status is granted", "none")
    with _within(Step.PARSE, "The token cannot be read.", "RFC 5652 3"):
        content_type, content = content_info(token)
    if content_type != _SIGNED_DATA:
        raise _no_content(f"SignedData ({_SIGNED_DATA})", content_type)
    with _within(Step.PARSE, "The SignedData cannot be read.", "RFC 5652 5.1"):
        signed = SignedData.read(content)
    if signed.content_type != _TST_INFO:
        raise _no_content(f"the eContentType id-ct-TSTInfo ({_TST_INFO})", signed.content_type)
    if signed.content is None:
        raise _no_content("a TSTInfo", "no eContent")
    with _within(Step.CONTENT, "The TSTInfo cannot be read.", "RFC 3161 2.4.2"):
        info = TstInfo.read(signed.content)
    if info.critical:
        raise _no_content("no critical extension of TSTInfo, as none is known here", info.critical[0])
    return signed, info


def _no_content(expected: str, found: str) -> NotProved:
    sentence = "The token does not hold what a time-stamp holds."
    return NotProved(Step.CONTENT, sentence, expected=expected, found=found, clause="RFC 3161 2.4.2")


# 4


def only_signer(signed: SignedData) -> SignerInfo:
    """The one SignerInfo."""
    if len(signed.signers) != 1:
        raise NotProved(
            Step.SIGNER,
            "A token has the signature of the TSA and no other.",
            expected="1 SignerInfo",
            found=f"{len(signed.signers)}",
            clause="RFC 3161 2.4.2",
        )
    return signed.signers[0]


# 5


def find_certificate(
    signed: SignedData, signer: SignerInfo, info: TstInfo, attributes: Attributes, certificates: Sequence[Candidate]
) -> tuple[Candidate, tuple[Candidate, ...]]:
    """The signer's certificate, in the token or among `certificates`, and the certificates that may stand above it."""
    with _within(Step.CERTIFICATE, "The token does not say which certificate is its signer's.", "RFC 5816 2.2.1"):
        ids = ess_cert_ids(attributes)
    pool = list(dict.fromkeys((*certificates, *readable(signed.certificates))))
    certificate = _signer_among(pool, signer, [first for first, *_ in ids])
    with _within(Step.CERTIFICATE, "The tsa field cannot be read.", "RFC 3161 2.4.2"):
        named = info.tsa is None or is_name_of(info.tsa, certificate)
    if not named:
        raise NotProved(
            Step.CERTIFICATE,
            "The tsa field is not a name of the certificate that signed.",
            expected=certificate.name,
            found=(info.tsa or b"")[:_SHOWN].hex(),
            clause="RFC 3161 2.4.2",
        )
    others = [other for other in pool if other is not certificate]
    above = allowed_above(others, ids, signed.attribute_certificates)
    return certificate, tuple(above)


def _signer_among(pool: Sequence[Candidate], signer: SignerInfo, ids: Sequence[EssCertId]) -> Candidate:
    named = [certificate for certificate in pool if is_named_by(signer, certificate)]
    for certificate in named:
        if all(ess_cert_id.is_of(certificate) for ess_cert_id in ids):
            return certificate
    if not named:
        raise NotProved(
            Step.CERTIFICATE,
            "The signer's certificate is neither in the token nor among those given.",
            expected="the certificate that the SignerIdentifier names",
            found=f"{len(pool)} certificates, and none is it",
            clause="RFC 5652 5.3",
        )
    raise NotProved(
        Step.CERTIFICATE,
        "The certificate that the SignerIdentifier names is not the one that was signed with.",
        expected=" and ".join(map(str, ids)),
        found=" and ".join(hashlib.new(expected.hash_algorithm, named[0].octets).hexdigest() for expected in ids),
        clause="RFC 5816 2.2.1",
    )


# 6


def attributes_of(signer: SignerInfo) -> Attributes:
    """The signed attributes."""
    with _within(Step.ATTRIBUTES, "The signed attributes are not as they must be.", "RFC 5652 5.3"):
        if signer.attributes is None:
            raise Malformed("signed attributes", "none")
        return read_attributes(signer.attributes)


def check_attributes(signed: SignedData, signer: SignerInfo, attributes: Attributes) -> str:
    """Check contentType and messageDigest; returns the hashlib name of digestAlgorithm."""
    with _within(Step.ATTRIBUTES, "The signed attributes are not those of this TSTInfo.", "RFC 5652 5.3, 5.4, 11"):
        algorithm = signer.digest_algorithm.hash_name("digestAlgorithm")
        kind = Reader(sole_value(attributes, CONTENT_TYPE, "contentType")).oid("contentType")
        if kind != signed.content_type:
            raise Malformed(f"the contentType {signed.content_type}", kind)
        stated = Reader(sole_value(attributes, MESSAGE_DIGEST, "messageDigest")).content(OCTET_STRING, "messageDigest")
        digest = hashlib.new(algorithm, signed.content or b"").digest()
        if not hmac.compare_digest(stated, digest):
            raise Malformed(f"the messageDigest {digest.hex()}", stated[:64].hex())
    return algorithm


# 7


def check_signed(signer: SignerInfo, certificate: Candidate, digest_algorithm: str) -> None:
    """Check the signature, by the key of the certificate, over the attributes as a SET OF."""
    clause = "RFC 5652 5.4, 5.6"
    attributes = set_of(signer.attributes or b"")
    with _within(Step.SIGNATURE, "The signature cannot be that of this certificate's key.", clause):
        try:
            check_signature(certificate.key, signer.signature_algorithm, digest_algorithm, signer.signature, attributes)
        except (InvalidSignature, ValueError, UnsupportedAlgorithm):
            raise Malformed(f"the signature of {certificate.name} over the signed attributes", "another") from None


# 8


def check_imprint(info: TstInfo, datum: Datum) -> None:
    """Check messageImprint against the digest of the datum. Raises NotJudged where the datum cannot be read."""
    imprint = info.imprint
    if imprint.hash_algorithm not in HASHES:
        raise _other_imprint("The imprint is by a hash that proves nothing here.", ", ".join(HASHES), imprint)
    digest = datum.digest(imprint.hash_algorithm)
    if not hmac.compare_digest(digest, imprint.digest):
        raise _other_imprint("The token is on something else than this datum.", digest.hex(), imprint)


def _other_imprint(sentence: str, expected: str, imprint: MessageImprint) -> NotProved:
    return NotProved(Step.IMPRINT, sentence, expected=expected, found=str(imprint), clause="RFC 3161 2.4.1")


# 9


def check_query(examined: Examined, octets: bytes) -> None:
    """Check the token against the TimeStampReq in `octets`. Raises NotJudged where that cannot be read."""
    try:
        query = Query.read(unarmoured(octets))
    except Malformed as fault:
        raise NotJudged(f"The query is not a TimeStampReq. {fault} Give the .tsq that the token answers.") from None
    info, has = examined.info, bool(examined.signed.certificates)
    for name, asked, got, clause in (
        ("messageImprint", query.imprint, info.imprint, "RFC 3161 2.4.2"),
        ("nonce", _hex(query.nonce), _hex(info.nonce), "RFC 3161 2.4.2"),
        ("policy", query.policy or info.policy, info.policy, "RFC 3161 2.4.2"),
        ("what certReq asks", _with_or_without[query.cert_req], _with_or_without[has], "RFC 3161 2.4.1"),
    ):
        if asked != got:
            sentence = f"The token answers another query: {name} differs."
            raise NotProved(Step.QUERY, sentence, expected=str(asked), found=str(got), clause=clause)


_with_or_without = {True: "certificates in the token", False: "no certificates in the token"}


def _hex(nonce: int | None) -> str:
    return "no nonce" if nonce is None else f"{nonce:x}"
