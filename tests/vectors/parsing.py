"""Octets that are no token, responses that grant none, and the encodings in which a good token may come."""

import base64
from dataclasses import replace

from tests.support import der
from tests.vectors.tokens import ID_DATA, SIGNED_DATA, Token, TstInfo, octet_string, response, status_string
from tests.vectors.vector import armoured, fails, proves

GOOD = Token()
RESPONSE = GOOD.response()
END = b"\0\0"  # of an element of indefinite length
BAD_ALG = der.tlv(der.BIT_STRING, b"\x07\x80")


def _indefinite(octets: bytes) -> bytes:
    return b"\x30\x80" + der.read(octets).contents + END


@fails(1)
def empty() -> bytes:
    """No octets at all."""
    return b""


@fails(1)
def text() -> bytes:
    """A sentence in place of a token."""
    return b"This is the time-stamp you asked for.\n"


@fails(1)
def truncated() -> bytes:
    """A good response without its second half."""
    return RESPONSE[: len(RESPONSE) // 2]


@fails(1)
def truncated_by_one() -> bytes:
    """A good response without its last octet."""
    return RESPONSE[:-1]


@fails(1)
def trailing_octet() -> bytes:
    """A good response with one more octet after it, which is no padding."""
    return RESPONSE + b"\1"


@proves()
def padded() -> bytes:
    """A good token with 00 octets after it, as a PDF has it."""
    return GOOD.encode() + bytes(5000)


@proves()
def padded_indefinite() -> bytes:
    """A good response whose outermost length is indefinite, with 00 octets after its end."""
    return _indefinite(RESPONSE) + bytes(7)


@fails(1)
def padded_and_more() -> bytes:
    """A good token with 00 octets after it, and another octet after these."""
    return GOOD.encode() + bytes(100) + b"\1"


@fails(1)
def two_responses() -> bytes:
    """Two good responses, one after the other."""
    return RESPONSE + RESPONSE


@proves()
def indefinite_length() -> bytes:
    """A good response whose outermost length is indefinite: RFC 5652 allows BER, and some authorities write it."""
    return _indefinite(RESPONSE)


@proves()
def indefinite_throughout() -> bytes:
    """A good token with indefinite lengths down to its eContent, which is in two pieces of an OCTET STRING."""
    octets = GOOD.e_content
    return _holding(b"\x24\x80" + octet_string(octets[:20]) + octet_string(octets[20:]) + END)


@fails(1)
def indefinite_but_primitive() -> bytes:
    """A good token whose eContent is a primitive OCTET STRING of indefinite length (X.690 8.1.3.2)."""
    return _holding(b"\x04\x80" + GOOD.e_content + END)


def _holding(pieces: bytes) -> bytes:
    """The good token with indefinite lengths down to its eContent, which is those octets."""
    version, digests, content, *others = der.read(GOOD.signed_data()).children()
    held = b"\x30\x80" + content.children()[0].raw + b"\xa0\x80" + pieces + END + END
    signed_data = b"\x30\x80" + version.raw + digests.raw + held + b"".join(each.raw for each in others) + END
    return b"\x30\x80" + der.oid(SIGNED_DATA) + b"\xa0\x80" + signed_data + END + END


@fails(1)
def indefinite_without_an_end() -> bytes:
    """A good response whose outermost length is indefinite, without the end-of-contents octets."""
    return _indefinite(RESPONSE)[:-2]


@fails(1)
def indefinite_with_a_trailing_octet() -> bytes:
    """A good response whose outermost length is indefinite, with one more octet after its end, which is no padding."""
    return _indefinite(RESPONSE) + b"\1"


@fails(1)
def long_length() -> bytes:
    """A good response whose outermost length has one octet more than it needs (X.690 10.1)."""
    return b"\x30\x83" + len(der.read(RESPONSE).contents).to_bytes(3, "big") + der.read(RESPONSE).contents


@fails(1)
def length_beyond_the_end() -> bytes:
    """A SEQUENCE whose length octets say 4 GiB."""
    return b"\x30\x84\xff\xff\xff\xff" + RESPONSE[4:]


@fails(1)
def third_field() -> bytes:
    """A TimeStampResp with a third field, an INTEGER, after its token."""
    return response(GOOD.encode() + der.integer(1))


@fails(1)
def pem_damaged() -> bytes:
    """A token in PEM with a character that base64 does not have."""
    return armoured(GOOD.encode(), "PKCS7").replace(b"\nM", b"\n!", 1)


@fails(1)
def pem_truncated() -> bytes:
    """A token in PEM whose last line is missing."""
    return armoured(GOOD.encode(), "PKCS7").partition(b"-----END")[0]


@fails(1)
def query_as_token() -> bytes:
    """A TimeStampReq where the token should be."""
    return der.sequence(der.integer(1), TstInfo().imprint)


@fails(1)
def certificate_as_token() -> bytes:
    """The TSU's certificate where the token should be."""
    return GOOD.party.certificate


@fails(1, stored=False)
def nested_ten_megabytes() -> bytes:
    """10 MB of nested SEQUENCEs of indefinite length."""
    return b"\x30\x80" * 5_000_000


@fails(1, stored=False)
def nested_below_the_limit() -> bytes:
    """Half a megabyte of nested SEQUENCEs of definite length."""
    heads, size = [], 0
    while size < 500_000:
        heads.append(b"\x30" + der.length(size))
        size += len(heads[-1])
    return b"".join(reversed(heads))


@proves(stored=False)
def nested_unsigned_attribute() -> bytes:
    """A good token with an unsigned attribute of 10,000 nested SETs."""
    inner = b""
    for _ in range(10_000):
        inner = der.tlv(der.SET, inner)
    return replace(GOOD, unsigned=der.tlv(0xA1, der.sequence(der.oid(ID_DATA), der.tlv(der.SET, inner)))).response()


@fails(1, stored=False)
def two_megabytes() -> bytes:
    """A token that is good except for an unsigned attribute of 2 MiB."""
    padding = der.sequence(der.oid("2.999.1"), der.tlv(der.SET, octet_string(bytes(2 << 20))))
    return replace(GOOD, unsigned=der.tlv(0xA1, padding)).response()


@proves()
def good() -> Token:
    """A response by a P-256 key with its certificates: everything is right."""
    return GOOD


@proves()
def bare_token() -> bytes:
    """A TimeStampToken without the TimeStampResp around it."""
    return GOOD.encode()


@proves()
def bare_token_in_pem() -> bytes:
    """A TimeStampToken in PEM."""
    return armoured(GOOD.encode(), "PKCS7")


@proves()
def bare_token_in_base64() -> bytes:
    """A TimeStampToken in base64, in lines of 76 characters."""
    return base64.encodebytes(GOOD.encode())


@proves()
def response_in_base64() -> bytes:
    """A TimeStampResp in base64 without line ends."""
    return base64.b64encode(RESPONSE)


@fails(2)
def refusal() -> bytes:
    """The authority's refusal: rejection, badAlg, no token."""
    return response(b"", 2, status_string("Use SHA-256."), BAD_ALG)


@fails(2)
def refusal_with_a_token() -> bytes:
    """A refusal with a good token."""
    return response(GOOD.encode(), 2)


@fails(2)
def waiting() -> bytes:
    """PKIStatus waiting(3), with a good token."""
    return response(GOOD.encode(), 3)


@fails(2)
def revocation_warning() -> bytes:
    """PKIStatus revocationWarning(4), with a good token."""
    return response(GOOD.encode(), 4)


@fails(2)
def revocation_notification() -> bytes:
    """PKIStatus revocationNotification(5), with a good token."""
    return response(GOOD.encode(), 5)


@fails(2)
def unknown_status() -> bytes:
    """PKIStatus 6, which is not defined, with a good token."""
    return response(GOOD.encode(), 6)


@fails(2)
def negative_status() -> bytes:
    """PKIStatus -1, with a good token."""
    return response(GOOD.encode(), -1)


@proves()
def granted_with_mods() -> bytes:
    """PKIStatus grantedWithMods(1), with a good token."""
    return response(GOOD.encode(), 1)


@proves()
def granted_with_a_text() -> bytes:
    """PKIStatus granted with a statusString, as some authorities write it."""
    return response(GOOD.encode(), 0, status_string("Operation Okay"))


@fails(3)
def granted_without_a_token() -> bytes:
    """PKIStatus granted, without a token."""
    return response()
