"""The judge of answers: TimeStampResp and TimeStampToken walked octet by octet against docs/conformance.md.

`granted` and `refusal` take an HTTP answer; each raises AssertionError that says what is wrong.
"""

import datetime as dt
import hashlib
import re
from dataclasses import dataclass

from asn1crypto import cms, tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support import der
from tests.support.der import Element
from tests.support.http import REPLY_TYPE, Answer
from tests.support.query import DEFAULT_POLICY, DIGEST_OIDS, Query

FAILURES = {
    "badAlg": 0,
    "badRequest": 2,
    "badDataFormat": 5,
    "timeNotAvailable": 14,
    "unacceptedPolicy": 15,
    "unacceptedExtension": 16,
    "addInfoNotAvailable": 17,
    "systemFailure": 25,
}
SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
TST_INFO = der.oid("1.2.840.113549.1.9.16.1.4")
CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3")
MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4")
SIGNING_TIME = der.oid("1.2.840.113549.1.9.5")
SIGNING_CERTIFICATE_V2 = der.oid("1.2.840.113549.1.9.16.2.47")
DIGESTS = {der.oid(DIGEST_OIDS[name]): name for name in ("sha256", "sha384", "sha512")}
ED25519 = der.oid("1.3.101.112")
ECDSA = {"sha256": "1.2.840.10045.4.3.2", "sha384": "1.2.840.10045.4.3.3", "sha512": "1.2.840.10045.4.3.4"}
RSA_SHA256, RSA_ENCRYPTION = der.oid("1.2.840.113549.1.1.11"), der.oid("1.2.840.113549.1.1.1")
CURVE_DIGESTS = {"secp256r1": "sha256", "secp384r1": "sha384", "secp521r1": "sha512"}


def refusal(answer: Answer, failure: str, status: int = 200) -> str:
    """*answer* refuses with exactly that PKIFailureInfo bit; returns its statusString."""
    assert answer.status == status, answer
    assert answer.header("content-type") == REPLY_TYPE
    parts = der.read(answer.body).of(der.SEQUENCE)
    assert len(parts) == 1, "a refusal carries no timeStampToken"
    pki_status, text, fail_info = parts[0].of(der.SEQUENCE)
    assert pki_status.integer() == 2
    assert _fail_bits(fail_info) == {FAILURES[failure]}, f"{_fail_bits(fail_info)} where {failure} was expected"
    (line,) = text.of(der.SEQUENCE)
    sentence = line.expect(der.UTF8_STRING).contents.decode()
    assert re.fullmatch(r"\S[^\r\n]+[.!?]", sentence), f"not one sentence: {sentence!r}"
    return sentence


def _fail_bits(element: Element) -> set[int]:
    """The bits of a BIT STRING, which must be a minimal named bit list (X.690 11.2)."""
    unused, bits = element.expect(der.BIT_STRING).contents[0], element.contents[1:]
    assert bits, "an empty failInfo"
    assert unused < 8
    assert bits[-1] & ((1 << (unused + 1)) - 1) == 1 << unused, f"trailing zero bits: {element.raw.hex()}"
    return {at for at in range(len(bits) * 8) if bits[at // 8] >> (7 - at % 8) & 1}


@dataclass(frozen=True)
class TstInfo:
    """The fields of a TSTInfo (RFC 3161 2.4.2), as octets where they must be echoed octet for octet."""

    policy: bytes
    imprint: bytes
    serial: int
    gen_time: str
    accuracy_us: int
    nonce: bytes | None
    tsa: bytes | None

    @property
    def moment(self) -> dt.datetime:
        """genTime."""
        whole, _, fraction = self.gen_time.removesuffix("Z").partition(".")
        moment = dt.datetime.strptime(whole, "%Y%m%d%H%M%S").replace(tzinfo=dt.UTC)
        return moment + dt.timedelta(seconds=float(f"0.{fraction or 0}"))


@dataclass(frozen=True)
class Token:
    """A TimeStampToken taken apart."""

    raw: bytes
    tst_info: bytes
    info: TstInfo
    certificates: list[x509.Certificate]
    attributes: dict[bytes, Element]
    digest: str


def granted(answer: Answer, query: Query, signer: x509.Certificate, chain: list[x509.Certificate]) -> Token:
    """*answer* grants *query* with a token by *signer* that holds in every point; *chain* is what certReq gets.

    `chain` holds the TSA certificate and what is above it, below the root.
    """
    assert answer.status == 200, answer
    assert answer.header("content-type") == REPLY_TYPE
    assert answer.header("content-length") == str(len(answer.body))
    status_info, token = der.read(answer.body).of(der.SEQUENCE)
    assert status_info.raw == der.sequence(der.integer(0)), "granted: no statusString, no failInfo"
    found = read_token(token.raw, signer)
    assert found.info.imprint == query.imprint, "messageImprint is echoed octet for octet"
    assert found.info.nonce == query.nonce, "the nonce's octets come back"
    assert found.info.policy == der.oid(query.policy or DEFAULT_POLICY)
    wanted = chain if query.wants_certificates else []
    assert sorted(map(_der, found.certificates)) == sorted(map(_der, wanted))
    return found


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def read_token(raw: bytes, signer: x509.Certificate) -> Token:
    """The parts of a TimeStampToken, checked against "The token" in docs/conformance.md, the signature included."""
    content_type, content = der.read(raw).of(der.SEQUENCE)
    assert content_type.raw == SIGNED_DATA
    (signed_data,) = content.of(0xA0)
    version, digests, encapsulated, *certificates, signers = signed_data.of(der.SEQUENCE)
    assert version.integer() == 3
    e_content_type, e_content = encapsulated.of(der.SEQUENCE)
    assert e_content_type.raw == TST_INFO
    (octets,) = e_content.of(0xA0)
    tst_info = octets.expect(der.OCTET_STRING).contents
    (signer_info,) = signers.of(der.SET)
    digest, attributes = _signer_info(signer_info, tst_info, signer)
    assert digests.raw == der.tlv(der.SET, der.sequence(der.oid(DIGEST_OIDS[digest])))
    return Token(raw, tst_info, _tst_info(tst_info, signer), _certificates(certificates), attributes, digest)


def encodes_again(token: Token) -> None:
    """asn1crypto, another encoder, makes the same octets of *token*: so it is DER. Takes ~0.1 s."""
    assert cms.ContentInfo.load(token.raw, strict=True).dump(force=True) == token.raw
    assert tsp.TSTInfo.load(token.tst_info, strict=True).dump(force=True) == token.tst_info


def _certificates(fields: list[Element]) -> list[x509.Certificate]:
    if not fields:
        return []
    (found,) = fields  # no crls [1]
    encoded = [each.raw for each in found.of(0xA0)]
    assert encoded, "an empty certificates field"
    assert encoded == sorted(encoded), "certificates is a SET OF (X.690 11.6)"
    return [x509.load_der_x509_certificate(each) for each in encoded]


def _signer_info(element: Element, tst_info: bytes, signer: x509.Certificate) -> tuple[str, dict[bytes, Element]]:
    """Check the SignerInfo; the name of its digest and the value of each signed attribute."""
    version, sid, digest_algorithm, signed, signature_algorithm, signature = element.of(der.SEQUENCE)
    assert version.integer() == 1
    assert sid.raw == der.sequence(signer.issuer.public_bytes(), der.integer(signer.serial_number))
    (digest_oid,) = digest_algorithm.of(der.SEQUENCE)  # RFC 5754 2: parameters absent
    digest = DIGESTS[digest_oid.raw]
    attributes = _attributes(signed)
    assert attributes[CONTENT_TYPE].raw == TST_INFO
    hashed = hashlib.new(digest, tst_info).digest()
    assert attributes[MESSAGE_DIGEST].raw == der.tlv(der.OCTET_STRING, hashed)
    _signing_certificate(attributes[SIGNING_CERTIFICATE_V2], signer)
    to_be_signed = der.tlv(der.SET, signed.contents)  # RFC 5652 5.4: signed as a SET, not as [0]
    _signature(signer, digest, signature_algorithm, signature.expect(der.OCTET_STRING).contents, to_be_signed)
    return digest, attributes


def _attributes(signed: Element) -> dict[bytes, Element]:
    encoded = signed.of(0xA0)
    assert [each.raw for each in encoded] == sorted(each.raw for each in encoded), "signed attributes in DER SET order"
    found = {}
    for each in encoded:
        kind, values = each.of(der.SEQUENCE)
        assert kind.raw not in found, "a signed attribute twice"
        (found[kind.raw],) = values.of(der.SET)
    required = {CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_CERTIFICATE_V2}
    assert required <= set(found) <= required | {SIGNING_TIME}
    return found


def _signing_certificate(value: Element, signer: x509.Certificate) -> None:
    """SigningCertificateV2 (RFC 5035 3, RFC 5816 2.2.1): the first ESSCertIDv2 names the signer."""
    (certs,) = value.of(der.SEQUENCE)
    *algorithm, cert_hash, issuer_serial = certs.of(der.SEQUENCE)[0].of(der.SEQUENCE)
    name = "sha256"
    if algorithm:
        (hash_oid,) = algorithm[0].of(der.SEQUENCE)
        name = DIGESTS[hash_oid.raw]
        assert name != "sha256", "hashAlgorithm is omitted for the DEFAULT (X.690 11.5)"
    assert cert_hash.raw == der.tlv(der.OCTET_STRING, hashlib.new(name, _der(signer)).digest())
    names = der.sequence(der.tlv(0xA4, signer.issuer.public_bytes()))
    assert issuer_serial.raw == der.sequence(names, der.integer(signer.serial_number))


def _signature(signer: x509.Certificate, digest: str, algorithm: Element, signature: bytes, signed: bytes) -> None:
    """The digest pairs with the key, the AlgorithmIdentifier with both, and the signature verifies."""
    key = signer.public_key()
    oid, *parameters = (each.raw for each in algorithm.of(der.SEQUENCE))
    hashed = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[digest]
    if isinstance(key, ec.EllipticCurvePublicKey):
        assert (CURVE_DIGESTS[key.curve.name], der.oid(ECDSA[digest]), []) == (digest, oid, parameters)
        key.verify(signature, signed, ec.ECDSA(hashed))
    elif isinstance(key, rsa.RSAPublicKey):
        assert digest == "sha256"
        assert oid in (RSA_SHA256, RSA_ENCRYPTION)  # RFC 5754 3.2 allows either, both with NULL
        assert parameters == [bytes([der.NULL, 0])]
        key.verify(signature, signed, padding.PKCS1v15(), hashed)
    else:
        assert isinstance(key, ed25519.Ed25519PublicKey)
        assert (digest, oid, parameters) == ("sha512", ED25519, [])  # RFC 8419 3.1
        key.verify(signature, signed)


def _tst_info(octets: bytes, signer: x509.Certificate) -> TstInfo:
    """TSTInfo (RFC 3161 2.4.2); its optional fields are told apart by their tags, in their order."""
    version, policy, imprint, serial, gen_time, *rest = der.read(octets).of(der.SEQUENCE)
    assert version.integer() == 1
    assert serial.integer() > 0
    assert serial.integer().bit_length() <= 159
    tags = [each.tag for each in rest]
    assert tags == [tag for tag in (der.SEQUENCE, der.INTEGER, 0xA0) if tag in tags], "accuracy, nonce, tsa: no others"
    optional = {each.tag: each for each in rest}
    assert der.SEQUENCE in optional, "no accuracy"
    tsa = optional.get(0xA0)
    if tsa:
        assert tsa.contents == der.tlv(0xA4, signer.subject.public_bytes()), "tsa is the certificate's subject"
    nonce = optional.get(der.INTEGER)
    return TstInfo(
        policy=policy.expect(der.OID).raw,
        imprint=imprint.expect(der.SEQUENCE).raw,
        serial=serial.integer(),
        gen_time=_gen_time(gen_time),
        accuracy_us=_accuracy(optional[der.SEQUENCE]),
        nonce=nonce.contents if nonce else None,
        tsa=tsa.contents if tsa else None,
    )


def _gen_time(element: Element) -> str:
    text = element.expect(der.GENERALIZED_TIME).contents.decode("ascii")
    assert re.fullmatch(r"\d{14}(\.\d*[1-9])?Z", text), f"genTime {text}: UTC, no trailing zeros (X.690 11.7)"
    return text


def _accuracy(element: Element) -> int:
    """Microseconds; zero parts are omitted, so every part that is there is at least 1."""
    units = {der.INTEGER: 1_000_000, 0x80: 1000, 0x81: 1}
    parts = element.of(der.SEQUENCE)
    assert parts, "an accuracy without parts"
    assert [each.tag for each in parts] == sorted({each.tag for each in parts})
    total = 0
    for each in parts:
        value = der.integer_value(each.contents)
        assert value >= 1
        assert each.tag == der.INTEGER or value <= 999
        total += value * units[each.tag]
    return total
