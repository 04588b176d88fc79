"""Does this TimeStampResp answer that TimeStampReq, and is it signed by that certificate?

The steps that need no trust anchor, in order; each has its own number in the error:

1. The response is one TimeStampResp in DER.
2. Its status is granted (RFC 3161 2.4.2).
3. The token is SignedData around a TSTInfo (RFC 3161 2.4.2).
4. It has exactly one SignerInfo (RFC 3161 2.4.2).
5. The signer's certificate is the one that SignerInfo and ESSCertIDv2 name (RFC 5816), wherever it stands.
6. The signed attributes are contentType, messageDigest and signingCertificateV2, and agree with the TSTInfo.
7. signatureAlgorithm fits the certificate's key, whose signature over the attributes as a SET OF it is (RFC 5652 5.4).
8. messageImprint, nonce and policy are those of the request, and certificates came as certReq asked.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from asn1crypto import cms as asn1_cms
from asn1crypto import core
from asn1crypto import tsp as asn1_tsp
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tsa.verify.asn1 import TimeStampResp

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


class NotProved(Exception):
    """A step failed; the text says which, what was expected and what was found."""

    def __init__(self, step: int, sentence: str) -> None:
        super().__init__(f"Step {step}: {sentence}")
        self.step = step


@dataclass(frozen=True, slots=True)
class CheckedToken:
    """A token that passed every step: genTime, serialNumber, policy, and the certificate that signed it."""

    gen_time: datetime
    serial_number: int
    policy: str
    certificate: x509.Certificate


def check_token(response: bytes, request: bytes, certificates: tuple[x509.Certificate, ...] = ()) -> CheckedToken:
    """Check `response` (DER TimeStampResp) against `request` (DER TimeStampReq).

    The signer's certificate is looked for in the token and among `certificates`. No path is built: that the
    certificate is to be trusted must be known otherwise. Raises NotProved.
    """
    query = _query(request)
    try:
        return _check(response, query, certificates)
    except NotProved:
        raise
    except Exception as error:  # asn1crypto raises all kinds of things on what it cannot read
        raise NotProved(1, f"The response is not a TimeStampResp in DER: {_first_line(error)}.") from error


def _query(request: bytes) -> Any:
    try:
        query = asn1_tsp.TimeStampReq.load(request, strict=True)
        _ = query.native  # it is read only when it is asked for
    except Exception as error:
        raise NotProved(8, f"The request is not a TimeStampReq in DER: {_first_line(error)}.") from error
    return query


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _check(response: bytes, query: Any, certificates: tuple[x509.Certificate, ...]) -> CheckedToken:
    resp = TimeStampResp.load(response, strict=True)
    _check_status(resp["status"])
    signed, info, content = _signed_data(resp["time_stamp_token"])
    if len(signed["signer_infos"]) != 1:
        raise NotProved(4, f"The token has {len(signed['signer_infos'])} SignerInfos, RFC 3161 wants one.")
    signer = signed["signer_infos"][0]
    embedded = [x509.load_der_x509_certificate(choice.chosen.dump()) for choice in signed["certificates"]]
    attributes = {attribute["type"].native: attribute["values"] for attribute in signer["signed_attrs"]}
    certificate = _signer_certificate(signer, attributes, (*embedded, *certificates))
    _check_attributes(signer, attributes, content)
    _check_signature(signer, certificate)
    _check_echo(info, query, has_certificates=bool(embedded))
    return CheckedToken(info["gen_time"].native, info["serial_number"].native, info["policy"].dotted, certificate)


def _check_status(status: Any) -> None:
    if status["status"].native != "granted":
        reasons = status["status_string"].native or ["no reason given"]
        raise NotProved(2, f"The authority answered {status['status'].native}: {' '.join(reasons)}")


def _signed_data(token: Any) -> tuple[Any, Any, bytes]:
    if isinstance(token, core.Void):
        raise NotProved(3, "The response has no timeStampToken, though its status is granted.")
    if token["content_type"].native != "signed_data":
        raise NotProved(3, f"The token's content type is {token['content_type'].native}, not signed_data.")
    content = token["content"]["encap_content_info"]
    if content["content_type"].native != "tst_info":
        raise NotProved(3, f"The token's eContentType is {content['content_type'].native}, not id-ct-TSTInfo.")
    if isinstance(content["content"], core.Void):
        raise NotProved(3, "The token holds no TSTInfo.")
    return token["content"], content["content"].parsed, bytes(content["content"].contents)


def _signer_certificate(signer: Any, attributes: Any, certificates: tuple[x509.Certificate, ...]) -> x509.Certificate:
    sid = signer["sid"].chosen
    named = attributes.get("signing_certificate_v2")
    if not isinstance(sid, asn1_cms.IssuerAndSerialNumber) or named is None:
        raise NotProved(5, "The SignerInfo lacks issuerAndSerialNumber or signingCertificateV2.")
    ess = named[0]["certs"][0]
    for certificate in certificates:
        octets = certificate.public_bytes(Encoding.DER)
        digest = hashlib.new(ess["hash_algorithm"]["algorithm"].native, octets).digest()
        if not hmac.compare_digest(digest, ess["cert_hash"].native):
            continue
        if (certificate.serial_number, certificate.issuer.public_bytes()) == (
            sid["serial_number"].native,
            sid["issuer"].dump(),
        ):
            return certificate
    raise NotProved(5, "No certificate at hand is the one that SignerInfo and ESSCertIDv2 name.")


def _check_attributes(signer: Any, attributes: Any, content: bytes) -> None:
    if missing := {"content_type", "message_digest"} - attributes.keys():
        raise NotProved(6, f"The signed attributes lack {', '.join(sorted(missing))}.")
    if attributes["content_type"].native != ["tst_info"]:
        raise NotProved(6, f"The contentType attribute says {attributes['content_type'].native}, not id-ct-TSTInfo.")
    algorithm = signer["digest_algorithm"]["algorithm"].native
    if algorithm not in _HASHES:
        raise NotProved(6, f"The digestAlgorithm {algorithm} is not one of {', '.join(_HASHES)}.")
    digest = hashlib.new(algorithm, content).digest()
    if not hmac.compare_digest(digest, attributes["message_digest"][0].native):
        raise NotProved(6, "messageDigest is not the digest of the TSTInfo in the token.")


def _check_signature(signer: Any, certificate: x509.Certificate) -> None:
    signed = b"\x31" + signer["signed_attrs"].dump()[1:]  # RFC 5652 5.4: signed as a SET OF, not as [0]
    key, signature = certificate.public_key(), signer["signature"].native
    digest = signer["digest_algorithm"]["algorithm"].native
    algorithm = _HASHES[digest]()
    match key:
        case ec.EllipticCurvePublicKey():
            names, verify = [f"{digest}_ecdsa"], partial(key.verify, signature, signed, ec.ECDSA(algorithm))
        case rsa.RSAPublicKey():
            names = ["rsassa_pkcs1v15", f"{digest}_rsa"]  # RFC 5754 3.2 has both
            verify = partial(key.verify, signature, signed, padding.PKCS1v15(), algorithm)
        case ed25519.Ed25519PublicKey():
            names, verify = ["ed25519"], partial(key.verify, signature, signed)
        case _:
            raise NotProved(7, f"Signatures of a {type(key).__name__} are not known here.")
    if (named := signer["signature_algorithm"]["algorithm"].native) not in names:
        raise NotProved(7, f"The signatureAlgorithm is {named}, where {' or '.join(names)} was expected.")
    try:
        verify()
    except InvalidSignature:
        raise NotProved(7, "The signature is not that of the signer's certificate over the attributes.") from None


def _check_echo(info: Any, query: Any, *, has_certificates: bool) -> None:
    for field, name in (("message_imprint", "messageImprint"), ("nonce", "nonce")):
        if info[field].dump() != query[field].dump():
            raise NotProved(8, f"The {name} in the token is not the one that was asked for.")
    asked = query["req_policy"]
    if asked.native is not None and asked.dotted != info["policy"].dotted:
        raise NotProved(8, f"The token is under policy {info['policy'].dotted}, {asked.dotted} was asked for.")
    if has_certificates != query["cert_req"].native:
        raise NotProved(8, f"certReq is {query['cert_req'].native}, certificates in the token: {has_certificates}.")
