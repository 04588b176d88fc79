"""Paths to the anchor, and paths that do not lead to it, or did not at genTime (RFC 5280 6)."""

from functools import partial

from tests.support import der
from tests.vectors.keys import ec_key, ecdsa, pkcs1, rsa_key
from tests.vectors.parties import (
    CA_EXTENSIONS,
    CRL_SIGN,
    ISSUING,
    KEY_CERT_SIGN,
    ROOT,
    STRANGER,
    TSU,
    TSU_EXTENSIONS,
    Party,
    basic_constraints,
    extension,
    key_usage,
    name,
    name_constraints,
    self_signed,
)
from tests.vectors.revocation_data import crl
from tests.vectors.vector import Vector, by, fails, proves

UNKNOWN = extension("2.999.7", der.integer(1))
UNKNOWN_CRITICAL = extension("2.999.7", der.integer(1), critical=True)
RSA_ROOT = self_signed("RSA root", key=rsa_key("RSA root"))
PAST, LONG_AGO = ("20200101000000Z", "20220101000000Z"), "20210601120000Z"
OLD_ROOT = self_signed("Old root", valid=PAST)
OLD_CA = OLD_ROOT.issue("Old CA", valid=PAST, extensions=CA_EXTENSIONS)
OLD_TSU = OLD_CA.issue("Old TSU", valid=PAST)


def _with(extension: bytes) -> Vector:
    """A token by a TSU whose certificate has one extension more."""
    return by(ISSUING.issue("Another TSU", extensions=(*TSU_EXTENSIONS, extension)))


def _below(middle: Party) -> Vector:
    """A token by a TSU below a CA below the root."""
    return by(middle.issue("TSU below"), above=(middle,), crls=(crl(ROOT), crl(middle)))


def _below_an_rsa_root(middle: Party) -> Vector:
    """A token by a TSU below a CA of that root."""
    lists = (crl(RSA_ROOT), crl(middle))
    return by(middle.issue("TSU below"), above=(middle,), anchors=(RSA_ROOT,), crls=lists)


@fails(11)
def expired_at_gen_time() -> Vector:
    """The TSU's certificate ended before genTime."""
    return by(ISSUING.issue("TSU", valid=("20250101000000Z", "20250301000000Z")))


@fails(11)
def not_yet_valid_at_gen_time() -> Vector:
    """The TSU's certificate began after genTime."""
    return by(ISSUING.issue("TSU", valid=("20250701000000Z", "20360101000000Z")))


@proves()
def expired_since() -> Vector:
    """Every certificate of the path was valid at genTime, 2021, and ended in 2022."""
    dated = partial(crl, this_update="20211201000000Z", next_update="20490101000000Z")
    lists = (dated(OLD_ROOT), dated(OLD_CA))
    return by(OLD_TSU, above=(OLD_CA,), anchors=(OLD_ROOT,), crls=lists, moment=LONG_AGO)


@fails(11)
def issuer_expired_at_gen_time() -> Vector:
    """The CA's certificate ended before genTime, the TSU's did not."""
    return _below(ROOT.issue("Short CA", valid=("20250101000000Z", "20250301000000Z"), extensions=CA_EXTENSIONS))


@fails(11)
def issuer_missing() -> Vector:
    """The token has the TSU's certificate without the CA's."""
    return by(TSU, above=())


@proves()
def issuer_aside() -> Vector:
    """The token has the TSU's certificate without the CA's, which is given aside."""
    bare = by(TSU, above=())
    return Vector(bare.token, certificates=(ISSUING.certificate,))


@fails(11)
def self_signed_tsu() -> Vector:
    """A TSU that certifies itself, and is no anchor."""
    return by(self_signed("Self-made TSU", extensions=TSU_EXTENSIONS), above=())


@proves()
def root_in_the_token() -> Vector:
    """The token has the root's certificate too."""
    return by(TSU, above=(ISSUING, ROOT))


@proves()
def below_the_root() -> Vector:
    """A TSU certified by the root itself."""
    return by(ROOT.issue("TSU below the root", serial=0x102), above=())


@fails(11)
def forged_certificate() -> Vector:
    """The TSU's certificate has the CA's name and a stranger's signature."""
    return by(ISSUING.issue("Forged TSU", signing_key=STRANGER.key))


@fails(11)
def forged_issuer() -> Vector:
    """The CA's certificate has the root's name and a stranger's signature."""
    return _below(ROOT.issue("Forged CA", extensions=CA_EXTENSIONS, signing_key=STRANGER.key))


@fails(11)
def issuer_not_a_ca() -> Vector:
    """The certificate between root and TSU has basicConstraints cA FALSE."""
    return _below(ROOT.issue("No CA", extensions=(basic_constraints(ca=False), key_usage(KEY_CERT_SIGN, CRL_SIGN))))


@fails(11)
def issuer_without_basic_constraints() -> Vector:
    """The certificate between root and TSU has no basicConstraints."""
    return _below(ROOT.issue("Unsaid CA", extensions=(key_usage(KEY_CERT_SIGN, CRL_SIGN),)))


@fails(11)
def issuer_without_key_cert_sign() -> Vector:
    """The CA's keyUsage is cRLSign only."""
    return _below(ROOT.issue("CRL signer", extensions=(basic_constraints(), key_usage(CRL_SIGN))))


@fails(11)
def issuer_is_a_tsu() -> Vector:
    """A certificate that another TSU signed with its own."""
    return by(TSU.issue("TSU by a TSU"), above=(TSU, ISSUING))


@fails(11)
def path_too_long() -> Vector:
    """A CA below a CA whose pathLenConstraint is 0."""
    upper = ROOT.issue("Short path CA", extensions=(basic_constraints(path_length=0), CA_EXTENSIONS[1]))
    lower = upper.issue("One too many", extensions=CA_EXTENSIONS)
    return by(lower.issue("TSU below"), above=(upper, lower), crls=(crl(ROOT), crl(upper), crl(lower)))


@fails(11, stored=False)
def issuers_in_a_circle() -> Vector:
    """Forty CAs that certified each other, without an anchor above them: more paths than can be tried."""
    keys = [ec_key(f"Circle {number}") for number in range(7)]
    circle = [Party(name("Circle"), key, 1, name("Circle")) for key in keys]
    pairs = [(one, other) for one in circle for other in circle if one is not other][:40]
    issued = [
        one.issue("Circle", key=other.key, serial=at, extensions=CA_EXTENSIONS)
        for at, (one, other) in enumerate(pairs, 1)
    ]
    return by(circle[0].issue("TSU in a circle"), above=tuple(issued))


@fails(11)
def name_not_permitted() -> Vector:
    """A CA that may certify only names below another name (nameConstraints)."""
    return _below(ROOT.issue("Narrow CA", extensions=(*CA_EXTENSIONS, name_constraints(0xA0, name("Elsewhere")))))


@fails(11)
def name_excluded() -> Vector:
    """A CA that must not certify this TSU's name (nameConstraints)."""
    return _below(ROOT.issue("Barred CA", extensions=(*CA_EXTENSIONS, name_constraints(0xA1, name("TSU below")))))


@proves()
def name_permitted() -> Vector:
    """A CA that may certify names below C=ZZ, O=Vectors (nameConstraints)."""
    subtree = der.sequence(*(each.raw for each in der.read(name("")).children()[:2]))
    return _below(ROOT.issue("Wide CA", extensions=(*CA_EXTENSIONS, name_constraints(0xA0, subtree))))


@fails(11, stored=False)
def names_without_end() -> Vector:
    """A TSU with 1000 alternative names below a CA with 1000 name constraints: a million comparisons."""
    names = [der.tlv(0x82, f"{at}.example".encode()) for at in range(1000)]
    excluded = der.sequence(der.tlv(0xA1, *(der.sequence(each[:2] + b"-" + each[3:]) for each in names)))
    middle = ROOT.issue("CA of many", extensions=(*CA_EXTENSIONS, extension("2.5.29.30", excluded, critical=True)))
    alternatives = extension("2.5.29.17", der.sequence(*names))
    return by(middle.issue("TSU of many", extensions=(*TSU_EXTENSIONS, alternatives)), above=(middle,))


@fails(11)
def unknown_critical_certificate_extension() -> Vector:
    """The TSU's certificate has an unknown critical extension."""
    return _with(UNKNOWN_CRITICAL)


@fails(11)
def unknown_critical_issuer_extension() -> Vector:
    """The CA's certificate has an unknown critical extension."""
    return _below(ROOT.issue("Odd CA", extensions=(*CA_EXTENSIONS, UNKNOWN_CRITICAL)))


@proves()
def unknown_certificate_extension() -> Vector:
    """The TSU's certificate has an unknown extension that is not critical."""
    return _with(UNKNOWN)


@proves()
def two_paths() -> Vector:
    """Two certificates of the CA's key: a certificate that is valid at genTime, and another that ended before."""
    old = ROOT.issue("Issuing CA", serial=0x99, valid=("20250101000000Z", "20250301000000Z"), extensions=CA_EXTENSIONS)
    return by(TSU, above=(ISSUING, old))


@proves("SHA-1")
def certificate_sha1() -> Vector:
    """The TSU's certificate is signed with SHA-1 and ECDSA."""
    return by(ISSUING.issue("TSU of old", scheme=ecdsa("sha1")))


@proves("SHA-1")
def issuer_sha1() -> Vector:
    """The CA's certificate is signed with SHA-1 and RSA."""
    return _below_an_rsa_root(RSA_ROOT.issue("CA of old", extensions=CA_EXTENSIONS, scheme=pkcs1("sha1")))


@fails(11)
def issuer_md5() -> Vector:
    """The CA's certificate is signed with MD5 and RSA: such a CA was forged in 2008."""
    return _below_an_rsa_root(RSA_ROOT.issue("CA of old", extensions=CA_EXTENSIONS, scheme=pkcs1("md5")))


@fails(11)
def certificate_md5() -> Vector:
    """The TSU's certificate is signed with MD5 and RSA."""
    return by(RSA_ROOT.issue("TSU of old", scheme=pkcs1("md5")), above=(), anchors=(RSA_ROOT,), crls=(crl(RSA_ROOT),))
