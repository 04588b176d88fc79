"""Certificates and CRLs put into a token before it is renewed, so that they are proved to be of that time.

They go into `certificates` and `crls` of its SignedData: what verifying a time-stamp needs should be stored in the
time-stamp itself (RFC 4998 4.2), while no time-stamp protects cryptoInfos (3.1). Neither field is signed, so the token
stays valid; but its octets change, so this comes first, and the renewal hashes what came out. Only the newest token of
a record may be changed: every older one has been hashed already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.candidate import candidate
from certs.der import INTEGER, OBJECT_IDENTIFIER, SEQUENCE, SET, Reader
from tsa.protocol import der

_CERTIFICATES, _CRLS = 0xA0, 0xA1


def with_validation_data(token: bytes, certificates: Sequence[x509.Certificate], crls: Sequence[bytes]) -> bytes:
    """The token with those of the certificates that lead up from the ones in it, and their issuers' CRLs (DER).

    Self-signed certificates stay out: an anchor is trusted because the verifier has it already. Raises Malformed where
    the token is not a ContentInfo with SignedData in DER.
    """
    info = Reader(token).into(SEQUENCE, "ContentInfo")
    content_type = info.element(OBJECT_IDENTIFIER, "contentType")
    fields = info.into(0xA0, "content").into(SEQUENCE, "SignedData")
    head = [fields.element(tag, "a field of SignedData") for tag in (INTEGER, SET, SEQUENCE)]
    present = {tag: _members(fields, tag) for tag in (_CERTIFICATES, _CRLS)}
    path = _path(present[_CERTIFICATES], certificates)
    issuers = {each.issuer for each in path}
    wanted = {
        _CERTIFICATES: present[_CERTIFICATES] | {each.public_bytes(Encoding.DER) for each in path},
        _CRLS: present[_CRLS] | {each for each in crls if x509.load_der_x509_crl(each).issuer in issuers},
    }
    if wanted == present:
        return token
    sets = [der.tlv(tag, *sorted(members)) for tag, members in wanted.items() if members]
    return der.sequence(content_type, der.explicit(0, der.sequence(*head, *sets, fields.rest())))


def _members(fields: Reader, tag: int) -> set[bytes]:
    """The elements of the next field, where it is the one with the tag."""
    found = set()
    if fields.tag == tag:
        members = fields.into(tag, "a field of SignedData")
        while members.tag >= 0:
            found.add(members.element(members.tag, "a certificate or CRL"))
    return found


def _path(embedded: Iterable[bytes], given: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The certificates in the token that can be read, those of the given ones that issued them, and so on."""
    found = _readable(sorted(embedded))
    others = _readable(each.public_bytes(Encoding.DER) for each in given)
    for certificate in found:  # which grows while it is walked
        found += (
            each
            for each in others
            if each.subject == certificate.issuer and each.issuer != each.subject and each not in found
        )
    return found


def _readable(certificates: Iterable[bytes]) -> list[x509.Certificate]:
    return [each.certificate for each in map(candidate, certificates) if each is not None]
