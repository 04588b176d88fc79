"""ESSCertIDs (RFC 2634, RFC 5035) that name another certificate than the signer's, or name it in another way."""

from dataclasses import replace

from tests.support import der
from tests.support.query import digest
from tests.vectors.keys import algorithm
from tests.vectors.parties import ISSUING, STRANGER, TSU, name
from tests.vectors.tokens import (
    SIGNING_CERTIFICATE_V2,
    Token,
    attribute,
    ess_v1,
    ess_v2,
    issuer_serial,
    octet_string,
    signing_certificate,
    signing_certificate_v2,
)
from tests.vectors.vector import fails, proves

GOOD = Token()


def _named(*attributes: bytes) -> Token:
    """The good token with other signing certificate attributes."""
    return replace(GOOD, attributes=(GOOD.content_type_attribute(), GOOD.message_digest(), *attributes))


@fails(5)
def ess_hash_wrong() -> Token:
    """An ESSCertIDv2 with the last bit of its hash changed."""
    right = digest("sha256", TSU.certificate)
    return replace(GOOD, identifier=ess_v2(TSU, hashed=right[:-1] + bytes([right[-1] ^ 1])))


@fails(5)
def ess_hash_cut() -> Token:
    """An ESSCertIDv2 with the first 16 octets of the right hash."""
    return replace(GOOD, identifier=ess_v2(TSU, hashed=digest("sha256", TSU.certificate)[:16]))


@fails(5)
def ess_of_the_issuer() -> Token:
    """A sole ESSCertIDv2 that names the CA's certificate instead of the signer's."""
    return replace(GOOD, identifier=ess_v2(ISSUING))


@fails(5)
def ess_issuer_first() -> Token:
    """Two ESSCertIDv2: the first names the CA, where it must name the signer (RFC 5035 3)."""
    return _named(signing_certificate_v2(ess_v2(ISSUING), ess_v2(TSU)))


@proves()
def ess_several() -> Token:
    """Two ESSCertIDv2: the signer's certificate and its CA's."""
    return _named(signing_certificate_v2(ess_v2(TSU), ess_v2(ISSUING)))


@fails(11)
def ess_second_of_a_stranger() -> Token:
    """Two ESSCertIDv2: the signer's and a stranger's, so the path must not go through the CA (RFC 5035 3)."""
    return _named(signing_certificate_v2(ess_v2(TSU), ess_v2(STRANGER)))


@fails(11)
def ess_second_called_an_attribute_certificate() -> Token:
    """The same with the stranger's certificate in the SET as an attribute certificate, which would not limit paths."""
    called = b"\xa2" + STRANGER.certificate[1:]
    return replace(ess_second_of_a_stranger(), certificates=(*GOOD.certificates, called))


@proves()
def ess_without_issuer_serial() -> Token:
    """An ESSCertIDv2 without the optional issuerSerial."""
    return replace(GOOD, identifier=ess_v2(TSU))


@fails(5)
def ess_issuer_serial_wrong() -> Token:
    """An ESSCertIDv2 with the right hash and another serialNumber."""
    return replace(GOOD, identifier=ess_v2(TSU, more=issuer_serial(TSU, serial=TSU.serial + 1)))


@fails(5)
def ess_issuer_name_wrong() -> Token:
    """An ESSCertIDv2 with the right hash and another issuer."""
    return replace(GOOD, identifier=ess_v2(TSU, more=issuer_serial(TSU, issuer=name("Another CA"))))


@proves()
def ess_sha512() -> Token:
    """An ESSCertIDv2 by SHA-512."""
    return replace(GOOD, identifier=ess_v2(TSU, "sha512"))


@proves()
def ess_default_written_out() -> Token:
    """An ESSCertIDv2 that writes its hashAlgorithm SHA-256, which DER leaves out and some authorities write."""
    return replace(GOOD, identifier=ess_v2(TSU, written=True))


@fails(5)
def ess_of_an_unknown_algorithm() -> Token:
    """An ESSCertIDv2 by an unknown algorithm."""
    return replace(GOOD, identifier=der.sequence(algorithm("2.999.8"), octet_string(bytes(32))))


@proves()
def ess_v1_only() -> Token:
    """ESSCertID (v1, SHA-1) as RFC 3161 had it before RFC 5816, which still allows it."""
    return _named(signing_certificate(ess_v1(TSU)))


@fails(5)
def ess_v1_wrong() -> Token:
    """ESSCertID (v1) with another hash."""
    return _named(signing_certificate(ess_v1(TSU, hashed=bytes(20))))


@proves()
def ess_v1_and_v2() -> Token:
    """ESSCertID and ESSCertIDv2, both right."""
    return _named(signing_certificate(ess_v1(TSU)), signing_certificate_v2(ess_v2(TSU)))


@fails(5)
def ess_v1_right_v2_wrong() -> Token:
    """ESSCertID right, ESSCertIDv2 of another certificate."""
    return _named(signing_certificate(ess_v1(TSU)), signing_certificate_v2(ess_v2(ISSUING)))


@fails(5)
def ess_v1_wrong_v2_right() -> Token:
    """ESSCertIDv2 right, ESSCertID of another certificate."""
    return _named(signing_certificate(ess_v1(ISSUING)), signing_certificate_v2(ess_v2(TSU)))


@fails(5)
def ess_absent() -> Token:
    """Signed attributes without any signing certificate attribute."""
    return _named()


@fails(5)
def ess_without_certs() -> Token:
    """A SigningCertificateV2 whose list is empty."""
    return _named(signing_certificate_v2())


@fails(5)
def ess_not_a_signing_certificate() -> Token:
    """A signingCertificateV2 attribute that holds an INTEGER."""
    return _named(attribute(SIGNING_CERTIFICATE_V2, der.integer(1)))
