"""Tokens whose content is no TSTInfo, or a wrong or unusual TSTInfo (RFC 3161 2.4.2), all properly signed."""

from collections.abc import Callable
from dataclasses import replace

from tests.support import der
from tests.vectors.parties import ISSUING, TRUE, TSU, TSU_EXTENSIONS, extension, name
from tests.vectors.tokens import ID_DATA, Token, TstInfo, accuracy
from tests.vectors.vector import Vector, by, fails, proves, register

GOOD = Token()
ENVELOPED_DATA = "1.2.840.113549.1.7.3"


@fails(3)
def content_type_data() -> Token:
    """A ContentInfo whose contentType is id-data and whose content is SignedData."""
    return replace(GOOD, content_type=ID_DATA)


@fails(3)
def content_type_enveloped_data() -> Token:
    """A ContentInfo whose contentType is id-envelopedData and whose content is SignedData."""
    return replace(GOOD, content_type=ENVELOPED_DATA)


@fails(3)
def e_content_type_data() -> Token:
    """A signed file rather than a token: eContentType is id-data, and the contentType attribute says so too."""
    return replace(GOOD, e_content_type=ID_DATA)


@fails(3)
def detached() -> Token:
    """SignedData without eContent; the signature is over the empty content."""
    return replace(GOOD, content=b"")


@fails(3)
def content_not_a_tst_info() -> Token:
    """An eContent of a SEQUENCE of one INTEGER, properly signed."""
    return replace(GOOD, content=der.sequence(der.integer(1)))


@fails(3)
def content_of_text() -> Token:
    """An eContent of text, properly signed as a TSTInfo."""
    return replace(GOOD, content=b"2025-06-01 12:00")


@fails(3)
def content_trailing_octets() -> Token:
    """An eContent with a second TSTInfo, of another time, after the first."""
    return replace(GOOD, content=TstInfo().encode() + TstInfo(gen_time="20200101000000Z").encode())


@fails(3)
def tst_info_version_2() -> Token:
    """TSTInfo version 2."""
    return Token(TstInfo(version=2))


@fails(3)
def tst_info_version_0() -> Token:
    """TSTInfo version 0."""
    return Token(TstInfo(version=0))


@fails(3)
def unknown_critical_extension() -> Token:
    """TSTInfo with an unknown critical extension."""
    return Token(TstInfo(extensions=der.tlv(0xA1, extension("2.999.7", der.integer(1), critical=True))))


@proves()
def unknown_extension() -> Token:
    """TSTInfo with an unknown extension that is not critical."""
    return Token(TstInfo(extensions=der.tlv(0xA1, extension("2.999.7", der.integer(1)))))


def _at(gen_time: str) -> Callable[[], Token]:
    return lambda: Token(TstInfo(gen_time=gen_time))


for _name, _text, _why in (
    ("without-z", "20250601120000", "no Z, so it is local time"),
    ("with-offset", "20250601120000+0000", "an offset in place of Z"),
    ("trailing-zeros", "20250601120000.500Z", "a fraction that ends in zeros (X.690 11.7)"),
    ("empty-fraction", "20250601120000.Z", "a decimal point with nothing after it"),
    ("comma", "20250601120000,5Z", "a comma before its fraction"),
    ("month-13", "20251301120000Z", "a month 13"),
    ("february-30", "20250230120000Z", "a 30 February"),
    ("hour-24", "20250601240000Z", "an hour 24"),
    ("without-seconds", "202506011200Z", "no seconds"),
    ("of-letters", "2025O6O112OOOOZ", "letters O in place of zeros"),
    ("empty", "", "no octets"),
):
    register(_at(_text), "not proved, step 3", name=f"gen-time-{_name}",
             sentence=f"A genTime that has {_why}.")  # fmt: skip


@proves()
def gen_time_with_a_fraction() -> Token:
    """A genTime to the nanosecond."""
    return Token(TstInfo(gen_time="20250601120000.123456789Z"))


@fails(3)
def gen_time_as_utc_time() -> Token:
    """A genTime of two-digit years, as UTCTime."""
    written = der.tlv(der.GENERALIZED_TIME, TstInfo().gen_time.encode())
    short = der.tlv(der.UTC_TIME, TstInfo().gen_time[2:].encode())
    return replace(GOOD, content=der.sequence(der.read(TstInfo().encode()).contents.replace(written, short)))


def _accurate_to(value: bytes) -> Callable[[], Token]:
    return lambda: Token(TstInfo(accuracy=value))


for _name, _accuracy, _why in (
    ("millis-0", accuracy(1, 0), "millis 0"),
    ("millis-1000", accuracy(1, 1000), "millis 1000"),
    ("micros-1000", accuracy(1, 1, 1000), "micros 1000"),
    ("micros-negative", accuracy(1, None, -1), "micros -1"),
    ("negative", accuracy(-1), "seconds -1"),
):
    register(_accurate_to(_accuracy), "not proved, step 3", name=f"accuracy-{_name}",
             sentence=f"An accuracy of {_why}.")  # fmt: skip


@proves()
def accuracy_absent() -> Token:
    """No accuracy."""
    return Token(TstInfo(accuracy=b""))


@proves()
def accuracy_in_full() -> Token:
    """An accuracy of seconds, millis and micros."""
    return Token(TstInfo(accuracy=accuracy(2, 999, 1)))


@proves()
def serial_zero() -> Token:
    """A serialNumber of 0, which RFC 3161 does not forbid."""
    return Token(TstInfo(serial=0))


@proves()
def serial_negative() -> Token:
    """A serialNumber of -5, which RFC 3161 does not forbid."""
    return Token(TstInfo(serial=-5))


@proves()
def serial_of_160_bits() -> Token:
    """A serialNumber of 160 bits, the length that RFC 3161 2.4.2 asks a user to be ready for."""
    return Token(TstInfo(serial=(1 << 160) - 1))


@proves()
def ordering_true() -> Token:
    """ordering TRUE."""
    return Token(TstInfo(ordering=TRUE))


@proves()
def ordering_false_written_out() -> Token:
    """ordering FALSE, which DER leaves out and some authorities write."""
    return Token(TstInfo(ordering=der.tlv(der.BOOLEAN, b"\0")))


@proves()
def tsa_is_the_subject() -> Token:
    """A tsa field with the subject of the TSU's certificate."""
    return Token(TstInfo(tsa=der.tlv(0xA4, TSU.subject)))


@fails(5)
def tsa_is_another() -> Token:
    """A tsa field with a name that the TSU's certificate does not have (RFC 3161 2.4.2: MUST correspond)."""
    return Token(TstInfo(tsa=der.tlv(0xA4, name("Another authority"))))


@proves()
def tsa_is_an_alternative_name() -> Vector:
    """A tsa field with a subjectAltName of the TSU's certificate, a DNS name."""
    dns = der.tlv(0x82, b"tsu.example")
    alternative = extension("2.5.29.17", der.sequence(dns))
    party = ISSUING.issue("TSU with a DNS name", extensions=(*TSU_EXTENSIONS, alternative))
    return by(party, Token(TstInfo(tsa=dns)))
