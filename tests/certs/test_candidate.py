"""A certificate is read once, with its names; what cannot be read of it is none."""

import pytest

from certs.candidate import MAX_OCTETS, Candidate, candidate, is_name_of
from tests.support import der
from tests.vectors.keys import public_octets
from tests.vectors.parties import ISSUING, ROOT, TSU, TSU_EXTENSIONS, Party, extension, name

DNS = der.tlv(0x82, b"tsa.example")
NAMED = ISSUING.issue("TSU", extensions=(*TSU_EXTENSIONS, extension("2.5.29.17", der.sequence(DNS))))


def known(party: Party) -> Candidate:
    found = candidate(party.certificate)
    assert found is not None
    return found


def changed(party: Party, old: bytes, new: bytes) -> bytes:
    assert party.certificate.count(old) >= 1
    return party.certificate.replace(old, new)


def test_a_certificate_is_read_once() -> None:
    one = known(TSU)
    assert one is candidate(bytes(bytearray(TSU.certificate)))
    assert (one.name, one.subject, one.issuer) == ("CN=TSU,O=Vectors,C=ZZ", TSU.subject, TSU.issuer)
    assert one.serial_number == der.integer(TSU.serial)


def test_a_certificate_of_version_1_has_no_extensions() -> None:
    body = der.sequence(
        der.integer(1),
        (algorithm := der.sequence(der.oid("1.2.840.10045.4.3.2"))),
        name("a"),
        der.sequence(*(der.tlv(der.UTC_TIME, each) for each in (b"250101000000Z", b"260101000000Z"))),
        name("b"),
        public_octets(TSU.key),
    )
    one = candidate(der.sequence(body, algorithm, der.tlv(der.BIT_STRING, b"\0" + bytes(8))))
    assert one is not None
    assert (one.name, list(one.extensions or ())) == ("CN=b,O=Vectors,C=ZZ", [])


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        der.sequence(),
        TSU.certificate + b"\0",
        changed(TSU, b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07"),  # a version that there is not
        changed(TSU, b"Z\x17\x0d360101", b"Z\x17\x0d361301"),  # a month that there is not
    ],
)
def test_a_certificate_that_cannot_be_read_is_none(octets: bytes) -> None:
    assert candidate(octets) is None


def test_a_certificate_is_not_too_large() -> None:
    large = ISSUING.issue("Large", extensions=(*TSU_EXTENSIONS, extension("2.999.1", bytes(MAX_OCTETS))))
    assert candidate(large.certificate) is None


def test_what_no_signature_covers_in_a_certificate_is_as_it_must_be() -> None:
    body, algorithm, signature = der.read(TSU.certificate).children()
    assert candidate(der.sequence(body.raw, algorithm.raw, signature.raw)) is not None
    other = der.sequence(der.oid("1.2.840.10045.4.3.3"))
    unused = der.tlv(der.BIT_STRING, b"\1" + signature.contents[1:])
    assert candidate(der.sequence(body.raw, other, signature.raw)) is None
    assert candidate(der.sequence(body.raw, algorithm.raw, unused)) is None


def test_keys_and_extensions_that_cannot_be_read_are_none() -> None:
    odd = changed(TSU, der.oid("1.2.840.10045.3.1.7"), der.oid("1.2.840.10045.3.9.7"))
    one = candidate(odd)
    assert one is not None
    assert one.key is None
    twice = ISSUING.issue("Twice", extensions=TSU_EXTENSIONS + TSU_EXTENSIONS)
    assert known(twice).extensions is None
    assert not is_name_of(DNS, known(twice))


def test_the_tsa_field_is_a_name_of_the_certificate() -> None:
    subject = der.tlv(0xA4, NAMED.subject)
    printable = der.tlv(0xA4, NAMED.subject.replace(b"\x0c\x03TSU", b"\x13\x03tsu"))
    assert printable != subject
    for general_name in (subject, printable, DNS):
        assert is_name_of(general_name, known(NAMED))
    for general_name in (b"", der.tlv(0x82, b"tsb.example"), der.tlv(0xA4, ROOT.subject), der.tlv(0xA4, b"\x30\x05")):
        assert not is_name_of(general_name, known(NAMED))
