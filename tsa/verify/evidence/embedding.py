"""Certificates and CRLs put into a token before it is renewed, so that they are proved to be of that time.

They go into `certificates` and `crls` of its SignedData: the data for verifying a time-stamp should be stored in the
time-stamp itself (RFC 4998 4.2), and no time-stamp protects cryptoInfos (3.1). Neither field is signed, so the token
stays valid; but its octets change, so they are added first, and the renewal hashes the changed token. Only the newest
token of a record may be changed: every older token has been hashed already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.candidate import readable
from certs.der import INTEGER, OBJECT_IDENTIFIER, SEQUENCE, SET, Reader
from tsa.protocol import der

_CERTIFICATES, _CRLS = 0xA0, 0xA1


def with_validation_data(token: bytes, certificates: Sequence[x509.Certificate], crls: Sequence[bytes]) -> bytes:
    """The token with the certificates that lead up from its own, and the CRLs (DER) of their issuers.

    Self-signed certificates stay out: an anchor is trusted because the verifier has it already. Raises Malformed where
    the token is not a ContentInfo with SignedData in DER.
    """
    info = Reader(token).into(SEQUENCE, "ContentInfo")
    content_type = info.element(OBJECT_IDENTIFIER, "contentType")
    fields = info.into(0xA0, "content").into(SEQUENCE, "SignedData")
    head = [fields.element(tag, "a field of SignedData") for tag in (INTEGER, SET, SEQUENCE)]
    present = {tag: _members(fields, tag) for tag in (_CERTIFICATES, _CRLS)}
    path = _path(present[_CERTIFICATES], certificates)
    issuers = {certificate.issuer for certificate in path}
    wanted = {
        _CERTIFICATES: present[_CERTIFICATES] | {certificate.public_bytes(Encoding.DER) for certificate in path},
        _CRLS: present[_CRLS] | {crl for crl in crls if x509.load_der_x509_crl(crl).issuer in issuers},
    }
    if wanted == present:
        return token
    sets = [der.tlv(tag, *sorted(members)) for tag, members in wanted.items() if members]
    return der.sequence(content_type, der.explicit(0, der.sequence(*head, *sets, fields.rest())))


def _members(fields: Reader, tag: int) -> set[bytes]:
    """The elements of the next field, where it has the tag; none otherwise."""
    found = set()
    if fields.tag == tag:
        members = fields.into(tag, "a field of SignedData")
        while members.tag >= 0:
            found.add(members.element(members.tag, "a certificate or CRL"))
    return found


def _path(embedded: Iterable[bytes], others: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The certificates in the token that can be read, and their issuers, and so on upwards, among the others."""
    found = _readable(sorted(embedded))
    issuers = _readable(other.public_bytes(Encoding.DER) for other in others)
    for certificate in found:  # the list grows during the loop
        found += (
            issuer
            for issuer in issuers
            if issuer.subject == certificate.issuer and issuer.issuer != issuer.subject and issuer not in found
        )
    return found


def _readable(certificates: Iterable[bytes]) -> list[x509.Certificate]:
    return [found.certificate for found in readable(certificates)]
