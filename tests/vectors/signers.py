"""Tokens that name no signer, two signers or a false signer: SignerInfos, and the certificates beside them."""

from dataclasses import replace

from tests.support import der
from tests.vectors.keys import ec_key
from tests.vectors.parties import ISSUING, STRANGER, TSU, TSU_EXTENSIONS, name, self_signed
from tests.vectors.tokens import (
    Token,
    ess_v2,
    issuer_serial,
    octet_string,
    subject_key,
)
from tests.vectors.vector import Vector, fails, proves

GOOD = Token()
LOOKALIKE = ISSUING.issue("TSU", key=ec_key("Lookalike"), signing_key=STRANGER.key)  # its names and serial are TSU's

STRANGER_TSU = self_signed("Stranger's TSU", extensions=TSU_EXTENSIONS)


@fails(4)
def two_signer_infos() -> Token:
    """Two SignerInfos: the TSU's, and a stranger's that is equally good by itself."""
    return replace(GOOD, signer_infos=(GOOD.signer_info(), replace(GOOD, party=STRANGER).signer_info()))


@fails(4)
def signer_info_twice() -> Token:
    """The same SignerInfo twice."""
    return replace(GOOD, signer_infos=(GOOD.signer_info(),) * 2)


@fails(4)
def unsigned_token() -> Token:
    """No SignerInfo: certificates and a TSTInfo that nobody signed."""
    return replace(GOOD, signer_infos=())


@proves()
def stranger_first() -> Token:
    """A good token with a stranger's certificate injected as the first in the SET (CVE-2026-39984)."""
    return replace(GOOD, certificates=(STRANGER.certificate, *GOOD.certificates))


@proves()
def issuer_first() -> Token:
    """A good token with the CA's certificate before the signer's."""
    return replace(GOOD, certificates=(ISSUING.certificate, TSU.certificate))


@proves()
def issuer_last() -> Token:
    """A good token with the CA's certificate after the signer's."""
    return replace(GOOD, certificates=(TSU.certificate, ISSUING.certificate))


@proves()
def lookalike_first() -> Token:
    """A good token with a forged certificate of the same issuer and serialNumber injected before the signer's."""
    return replace(GOOD, certificates=(LOOKALIKE.certificate, *GOOD.certificates))


@fails(11)
def forger_behind_the_tsu() -> Token:
    """A stranger's token that names its own certificate, with the TSU's put first in the SET."""
    return replace(
        GOOD, party=STRANGER_TSU, certificates=(TSU.certificate, ISSUING.certificate, STRANGER_TSU.certificate)
    )


@fails(7)
def forger_names_the_tsu() -> Token:
    """A stranger's signature under a SignerInfo and an ESSCertIDv2 that name the TSU's certificate."""
    return replace(GOOD, party=replace(TSU, key=STRANGER.key))


@fails(5)
def forger_with_a_lookalike() -> Token:
    """A stranger's token: SignerInfo fits a lookalike of the TSU's certificate, ESSCertIDv2 the true certificate."""
    hashed = ess_v2(TSU, more=issuer_serial(TSU))
    return replace(GOOD, party=LOOKALIKE, identifier=hashed, certificates=(LOOKALIKE.certificate,))


@fails(7)
def forger_with_both() -> Token:
    """The same with the true certificate in the SET as well: it is found, but its key did not sign."""
    return replace(forger_with_a_lookalike(), certificates=(LOOKALIKE.certificate, *GOOD.certificates))


@fails(11)
def forger_with_a_lookalike_only() -> Token:
    """A stranger's token that names a lookalike of the TSU's certificate, which the CA did not sign."""
    return replace(GOOD, party=LOOKALIKE, certificates=(LOOKALIKE.certificate, ISSUING.certificate))


@proves()
def subject_key_identifier() -> Token:
    """A SignerInfo of version 3, which names the signer by subjectKeyIdentifier."""
    return replace(GOOD, sid=subject_key(TSU), signer_version=3)


@fails(5)
def subject_key_identifier_wrong() -> Token:
    """A SignerInfo with the subjectKeyIdentifier of the CA."""
    return replace(GOOD, sid=subject_key(ISSUING), signer_version=3)


@fails(5)
def sid_serial_wrong() -> Token:
    """A SignerInfo whose serialNumber is not that of the certificate of its ESSCertIDv2."""
    return replace(GOOD, sid=der.sequence(TSU.issuer, der.integer(TSU.serial + 1)))


@fails(5)
def sid_issuer_wrong() -> Token:
    """A SignerInfo whose issuer is not that of the certificate of its ESSCertIDv2."""
    return replace(GOOD, sid=der.sequence(name("Another CA"), der.integer(TSU.serial)))


@fails(5)
def no_certificates() -> Token:
    """A token without certificates, and none given aside."""
    return replace(GOOD, certificates=())


@proves()
def certificates_aside() -> Vector:
    """A token without certificates, which are given aside."""
    return Vector(replace(GOOD, certificates=()).response(), certificates=GOOD.certificates)


@proves()
def certificate_twice() -> Token:
    """The signer's certificate twice in the SET."""
    return replace(GOOD, certificates=(TSU.certificate, *GOOD.certificates))


@proves()
def attribute_certificate() -> Token:
    """An attribute certificate (RFC 5652 10.2.2, [2]) beside the signer's."""
    other = der.read(STRANGER.certificate).contents  # only its tag is looked at
    return replace(GOOD, certificates=(*GOOD.certificates, der.tlv(0xA2, other)))


@proves()
def other_certificate_format() -> Token:
    """A certificate in a format of 2.999 (RFC 5652 10.2.2, [3]) beside the signer's."""
    return replace(GOOD, certificates=(*GOOD.certificates, der.tlv(0xA3, der.oid("2.999.1"), octet_string(b"?"))))


@proves()
def certificate_unreadable() -> Token:
    """A SEQUENCE that is no certificate, beside the signer's certificate."""
    return replace(GOOD, certificates=(der.sequence(der.integer(1)), *GOOD.certificates))


@proves()
def certificate_of_version_4() -> Token:
    """A stranger's certificate of version 4, which is not defined, beside the signer's."""
    odd = STRANGER.certificate.replace(der.tlv(0xA0, der.integer(2)), der.tlv(0xA0, der.integer(3)), 1)
    return replace(GOOD, certificates=(odd, *GOOD.certificates))


@proves()
def signer_info_version_3() -> Token:
    """SignerInfo version 3 with issuerAndSerialNumber, where RFC 5652 5.3 wants 1: nothing depends on it."""
    return replace(GOOD, signer_version=3)
