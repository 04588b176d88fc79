"""The SignedData around a TSTInfo (RFC 5652, RFC 3161 2.4.2, RFC 5816), as a template filled in by slices.

Everything in a token but its TSTInfo, its digest and its signature is the same for one key and certificate, and is
encoded once. The lengths around them depend on only two numbers, so whole frames are kept by those: a token is then
one join of six pieces.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import NamedTuple

from tsa.protocol import der, oids
from tsa.protocol.errors import PKIStatus
from tsa.protocol.oids import HASHES

_STATUS_GRANTED = der.sequence(der.integer(PKIStatus.GRANTED))
_SIGNED_ATTRS = 0xA0
_CERTIFICATES = 0xA0


class Signer(NamedTuple):
    """What a token says of its signer.

    `certificate` and `chain` are DER certificates (the chain from the issuer up, the root left out); `issuer` (a DER
    Name) and `serial_number` are the certificate's; `digest` is a hashlib name; `signature_algorithm` a DER
    AlgorithmIdentifier.
    """

    certificate: bytes
    chain: tuple[bytes, ...]
    issuer: bytes
    serial_number: int
    digest: str
    signature_algorithm: bytes


class _Frame(NamedTuple):
    """The constant octets of a TimeStampResp: before the TSTInfo, then to the attributes, then to the signature."""

    head: bytes
    middle: bytes
    tail: bytes


class TokenTemplate:
    """Writes the TimeStampTokens of one signer."""

    def __init__(self, signer: Signer, *, signing_time: bool = False) -> None:
        self._digest_algorithm = der.sequence(der.oid(HASHES[signer.digest].oid))
        self._signature_algorithm = signer.signature_algorithm
        self._sid = _issuer_and_serial_number(signer)
        self._certificates = b"".join(sorted((signer.certificate, *signer.chain)))
        self._hash = getattr(hashlib, signer.digest)
        blank = bytes(HASHES[signer.digest].digest_size)
        attributes = der.set_of(
            _attribute(oids.ID_CONTENT_TYPE, oids.ID_CT_TST_INFO),
            *([_attribute(oids.ID_SIGNING_TIME, _utc_time(0))] if signing_time else []),
            _attribute(oids.ID_MESSAGE_DIGEST, der.tlv(der.OCTET_STRING, blank)),
            _attribute(oids.ID_SIGNING_CERTIFICATE_V2, _signing_certificate_v2(signer)),
        )
        # Lengths are fixed here and the types differ, so the order of this DER SET does not depend on what is put in.
        self._before_digest, self._after_digest = attributes.split(blank)
        self._attributes_size = len(attributes)
        self._frames: dict[tuple[int, int, bool], _Frame] = {}

    def before_digest(self, microseconds: int) -> bytes:
        """The SignedAttributes of a batch up to its digests; `microseconds` since the epoch go into signingTime."""
        return self._before_digest.replace(_utc_time(0), _utc_time(microseconds))

    def signed_attributes(self, before_digest: bytes, tst_info: bytes) -> bytes:
        """The octets to be signed: SignedAttributes as a SET OF (RFC 5652 5.4) with the digest of `tst_info`."""
        digest: bytes = self._hash(tst_info).digest()
        return before_digest + digest + self._after_digest

    def response(self, tst_info: bytes, signed_attributes: bytes, signature: bytes, cert_req: bool) -> bytes:
        """The granted TimeStampResp; with the signer's certificate and chain when `cert_req` (RFC 3161 2.4.1)."""
        key = (len(tst_info), len(signature), cert_req)
        frame = self._frames.get(key)
        if frame is None:
            frame = self._frames[key] = self._frame(*key)
        return b"".join((frame.head, tst_info, frame.middle, signed_attributes[1:], frame.tail, signature))

    def _frame(self, tst_info_size: int, signature_size: int, cert_req: bool) -> _Frame:
        """Build a whole TimeStampResp around blanks, then cut the blanks out."""
        tst_info = b"\xfe" * tst_info_size
        attributes = b"\xfd" * (self._attributes_size - 1)
        signature = b"\xfc" * signature_size
        content = der.sequence(oids.ID_CT_TST_INFO, der.explicit(0, der.tlv(der.OCTET_STRING, tst_info)))
        signer_info = der.sequence(
            der.integer(1),
            self._sid,
            self._digest_algorithm,
            _SIGNED_ATTRS.to_bytes(1, "big") + attributes,
            self._signature_algorithm,
            der.tlv(der.OCTET_STRING, signature),
        )
        signed_data = der.sequence(
            der.integer(3),
            der.set_of(self._digest_algorithm),
            content,
            der.tlv(_CERTIFICATES, self._certificates) if cert_req else b"",
            der.set_of(signer_info),
        )
        token = der.sequence(oids.ID_SIGNED_DATA, der.explicit(0, signed_data))
        whole = der.sequence(_STATUS_GRANTED, token)
        head, _, rest = whole.rpartition(tst_info)  # from the right: 254 octets have the length octet 0xfe
        middle, _, tail = rest.rpartition(attributes)
        return _Frame(head, middle, tail.removesuffix(signature))


def _utc_time(microseconds: int) -> bytes:
    """UTCTime, which CMS asks for until 2049 (RFC 5652 11.3)."""
    moment = datetime.fromtimestamp(microseconds // 1_000_000, UTC)
    return der.tlv(0x17, f"{moment:%y%m%d%H%M%SZ}".encode())


def _attribute(kind: bytes, value: bytes) -> bytes:
    return der.sequence(kind, der.set_of(value))


def _issuer_and_serial_number(signer: Signer) -> bytes:
    return der.sequence(signer.issuer, der.integer(signer.serial_number))


def _signing_certificate_v2(signer: Signer) -> bytes:
    """SigningCertificateV2 (RFC 5035 3): one ESSCertIDv2 with issuerSerial; SHA-256 is the DEFAULT, so not named."""
    directory_name = der.explicit(4, signer.issuer)
    issuer_serial = der.sequence(der.sequence(directory_name), der.integer(signer.serial_number))
    cert_hash = der.tlv(der.OCTET_STRING, hashlib.sha256(signer.certificate).digest())
    return der.sequence(der.sequence(der.sequence(cert_hash, issuer_serial)))


def tsa_name(subject: bytes) -> bytes:
    """The `tsa [0]` field of TSTInfo: a GeneralName, directoryName, of a DER Name (RFC 3161 2.4.2)."""
    return der.explicit(0, der.explicit(4, subject))
