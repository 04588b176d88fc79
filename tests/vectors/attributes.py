"""Signed attributes (RFC 5652 5.3, 11) that are missing, doubled, wrong or not DER."""

from dataclasses import replace

from tests.support import der
from tests.support.query import DIGEST_OIDS, digest
from tests.vectors.keys import algorithm
from tests.vectors.parties import ISSUING, TSU
from tests.vectors.tokens import (
    CONTENT_TYPE,
    ID_DATA,
    MESSAGE_DIGEST,
    SIGNING_CERTIFICATE_V2,
    SIGNING_TIME,
    TST_INFO,
    Token,
    TstInfo,
    attribute,
    ess_v2,
    octet_string,
    signing_certificate_v2,
)
from tests.vectors.vector import fails, proves

GOOD = Token()
TYPE, DIGEST, CERTIFICATE = GOOD.standard()
OTHER_DIGEST = octet_string(digest("sha256", b"other"))


def _with(*attributes: bytes) -> Token:
    return replace(GOOD, attributes=attributes)


@fails(6)
def no_signed_attributes() -> Token:
    """No signed attributes: the signature is over the TSTInfo itself."""
    return _with()


@fails(6)
def content_type_missing() -> Token:
    """Signed attributes without contentType."""
    return _with(DIGEST, CERTIFICATE)


@fails(6)
def message_digest_missing() -> Token:
    """Signed attributes without messageDigest."""
    return _with(TYPE, CERTIFICATE)


@fails(6)
def content_type_attribute_data() -> Token:
    """eContentType is id-ct-TSTInfo, the signed contentType says id-data."""
    return _with(attribute(CONTENT_TYPE, der.oid(ID_DATA)), DIGEST, CERTIFICATE)


@fails(6)
def content_type_twice() -> Token:
    """contentType twice, the second time as id-data."""
    return _with(TYPE, attribute(CONTENT_TYPE, der.oid(ID_DATA)), DIGEST, CERTIFICATE)


@fails(6)
def content_type_of_two_values() -> Token:
    """One contentType attribute with two values."""
    return _with(attribute(CONTENT_TYPE, der.oid(TST_INFO), der.oid(ID_DATA)), DIGEST, CERTIFICATE)


@fails(6)
def message_digest_wrong() -> Token:
    """messageDigest is that of another TSTInfo: the signature is of another token."""
    other = Token(info=TstInfo(gen_time="20200101000000Z"))
    return _with(TYPE, other.message_digest(), CERTIFICATE)


@fails(6)
def message_digest_twice() -> Token:
    """messageDigest twice, once right and once wrong."""
    return _with(TYPE, DIGEST, attribute(MESSAGE_DIGEST, OTHER_DIGEST), CERTIFICATE)


@fails(6)
def message_digest_repeated() -> Token:
    """messageDigest twice, right both times."""
    return _with(TYPE, DIGEST, DIGEST, CERTIFICATE)


@fails(6)
def message_digest_of_two_values() -> Token:
    """One messageDigest attribute with a right and a wrong value."""
    right = octet_string(digest("sha256", GOOD.e_content))
    return _with(TYPE, attribute(MESSAGE_DIGEST, right, OTHER_DIGEST), CERTIFICATE)


@fails(6)
def message_digest_of_no_value() -> Token:
    """A messageDigest attribute with an empty SET."""
    return _with(TYPE, attribute(MESSAGE_DIGEST), CERTIFICATE)


@fails(6)
def message_digest_as_integer() -> Token:
    """A messageDigest attribute with an INTEGER of the right octets."""
    return _with(TYPE, attribute(MESSAGE_DIGEST, der.tlv(der.INTEGER, digest("sha256", GOOD.e_content))), CERTIFICATE)


@fails(6)
def message_digest_cut() -> Token:
    """messageDigest is the first half of the right one."""
    return _with(TYPE, attribute(MESSAGE_DIGEST, octet_string(digest("sha256", GOOD.e_content)[:16])), CERTIFICATE)


@fails(6)
def signing_certificate_twice() -> Token:
    """signingCertificateV2 twice: one names the signer, the other the CA."""
    return _with(TYPE, DIGEST, CERTIFICATE, signing_certificate_v2(ess_v2(ISSUING)))


@fails(5)
def signing_certificate_of_two_values() -> Token:
    """One signingCertificateV2 attribute with two values, the signer's and the CA's."""
    values = (der.sequence(der.sequence(ess_v2(party))) for party in (TSU, ISSUING))
    return _with(TYPE, DIGEST, attribute(SIGNING_CERTIFICATE_V2, *values))


def _reversed(contents: bytes) -> bytes:
    return b"".join(each.raw for each in reversed(der.read(der.tlv(der.SET, contents)).children()))


@fails(6)
def attributes_out_of_order() -> Token:
    """Attributes in the reverse of DER's order, signed in that order."""
    return replace(
        GOOD, stand_as=_reversed, sign_over=lambda octets: der.tlv(der.SET, _reversed(der.read(octets).contents))
    )


@fails(6)
def attributes_out_of_order_signed_in_order() -> Token:
    """Attributes in the reverse of DER's order, signed in DER's order."""
    return replace(GOOD, stand_as=_reversed)


def _long_length(contents: bytes) -> bytes:
    """The attributes with one length octet more in the first than it needs."""
    first, *others = der.read(der.tlv(der.SET, contents)).children()
    return b"\x30\x81" + bytes([len(first.contents)]) + first.contents + b"".join(each.raw for each in others)


@fails(6)
def attributes_with_a_long_length() -> Token:
    """Attributes with a length that is not minimal, signed as they stand."""
    return replace(
        GOOD, stand_as=_long_length, sign_over=lambda octets: der.tlv(der.SET, _long_length(der.read(octets).contents))
    )


@fails(6)
def digest_algorithm_of_another() -> Token:
    """SignerInfo says SHA-384, messageDigest is by SHA-256."""
    return replace(GOOD, digest="sha384", attributes=(TYPE, DIGEST, CERTIFICATE))


@proves()
def digest_algorithms_without_the_signers() -> Token:
    """SignedData.digestAlgorithms has SHA-512 only, but the signer uses SHA-256 (RFC 5652 5.1: MAY fail)."""
    return replace(GOOD, digests=("sha512",))


@proves()
def signing_time() -> Token:
    """A signingTime beside the required attributes."""
    return _with(*GOOD.standard(), attribute(SIGNING_TIME, der.tlv(der.UTC_TIME, b"250601120000Z")))


@proves()
def unknown_attribute() -> Token:
    """An unknown signed attribute."""
    return _with(*GOOD.standard(), attribute("2.999.9", der.integer(1)))


@proves()
def unsigned_attribute() -> Token:
    """An unknown unsigned attribute."""
    return replace(GOOD, unsigned=der.tlv(0xA1, attribute("2.999.9", algorithm(DIGEST_OIDS["sha1"]))))
