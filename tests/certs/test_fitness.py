"""Fitness: the development chain of every key type passes, and each way of being unfit is told in its own sentence."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto.x509 import Certificate as Asn1Certificate
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.chain import CertificateFault, Chain, build_chain, write_pem
from certs.devca import create_development_chain
from certs.fitness import check_fitness, usable_until
from certs.profile import ca_extensions, signature_hash, tsa_extensions
from signer.key import PrivateKey
from signer.software import KEY_TYPES, generate

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
ROOT_KEY, SUB_KEY, TSA_KEY = (generate("p256") for _ in range(3))
KEY = TSA_KEY.public_key()
NON_REPUDIATION = "content_commitment"
FLAGS = (
    *("digital_signature", NON_REPUDIATION, "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
Extension = tuple[x509.ExtensionType, bool]


def key_usage(*names: str) -> Extension:
    return x509.KeyUsage(**{flag: flag in names for flag in FLAGS}), True


def changed(
    extensions: Sequence[Extension],
    *present: Extension,
    absent: type[x509.ExtensionType] | tuple[type[x509.ExtensionType], ...] = (),
) -> list[Extension]:
    """The extensions, with those of `present` in place of any of their kind, and without those of `absent`."""
    new = {type(extension) for extension, _ in present}
    kept = [pair for pair in extensions if type(pair[0]) not in new and not isinstance(pair[0], absent)]
    return [*kept, *present]


def issue(
    subject: str,
    key: PrivateKey,
    issuer: str,
    issuer_key: PrivateKey,
    extensions: Sequence[Extension],
    start: datetime = NOW - DAY,
    end: datetime = NOW + 30 * DAY,
) -> x509.Certificate:
    builder = x509.CertificateBuilder(
        x509.Name.from_rfc4514_string(f"CN={issuer}"),
        x509.Name.from_rfc4514_string(f"CN={subject}"),
        key.public_key(),
        x509.random_serial_number(),
        start,
        end,
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer_key, signature_hash(issuer_key))


TSA_EXTENSIONS = tsa_extensions(KEY, SUB_KEY.public_key())
SUB_EXTENSIONS = changed(
    ca_extensions(SUB_KEY.public_key()),
    (x509.AuthorityKeyIdentifier.from_issuer_public_key(ROOT_KEY.public_key()), False),
)
ROOT_EXTENSIONS = changed(ca_extensions(ROOT_KEY.public_key()), (x509.BasicConstraints(True, 1), True))


def tsa(
    *present: Extension, absent: type[x509.ExtensionType] = x509.IssuerAlternativeName, **period: datetime
) -> Chain:
    """The fit chain with another TSA certificate."""
    extensions = changed(TSA_EXTENSIONS, *present, absent=absent)
    return replace(FIT, certificate=issue("tsa", TSA_KEY, "sub", SUB_KEY, extensions, **period))


def sub(
    *present: Extension, absent: type[x509.ExtensionType] = x509.IssuerAlternativeName, **period: datetime
) -> Chain:
    """The fit chain with another intermediate certificate."""
    extensions = changed(SUB_EXTENSIONS, *present, absent=absent)
    return replace(FIT, intermediates=(issue("sub", SUB_KEY, "root", ROOT_KEY, extensions, **period),))


def root(
    *present: Extension, absent: type[x509.ExtensionType] = x509.IssuerAlternativeName, **period: datetime
) -> Chain:
    """The fit chain with another anchor."""
    extensions = changed(ROOT_EXTENSIONS, *present, absent=absent)
    return replace(FIT, anchor=issue("root", ROOT_KEY, "root", ROOT_KEY, extensions, **period))


FIT = Chain(
    issue("tsa", TSA_KEY, "sub", SUB_KEY, TSA_EXTENSIONS),
    (issue("sub", SUB_KEY, "root", ROOT_KEY, SUB_EXTENSIONS),),
    issue("root", ROOT_KEY, "root", ROOT_KEY, ROOT_EXTENSIONS),
)


def forged(certificate: x509.Certificate, change: Callable[[Asn1Certificate], None]) -> x509.Certificate:
    """A certificate that no library would issue; its signature is void, which fitness does not look at."""
    parsed = Asn1Certificate.load(certificate.public_bytes(Encoding.DER))
    change(parsed)
    return x509.load_der_x509_certificate(parsed.dump(force=True))


def version_1(certificate: Asn1Certificate) -> None:
    certificate["tbs_certificate"]["version"] = "v1"
    del certificate["tbs_certificate"]["extensions"]


def signed_with(algorithm: str) -> Callable[[Asn1Certificate], None]:
    def change(certificate: Asn1Certificate) -> None:
        for identifier in (certificate["tbs_certificate"]["signature"], certificate["signature_algorithm"]):
            identifier["algorithm"] = algorithm

    return change


def twice(certificate: Asn1Certificate) -> None:
    certificate["tbs_certificate"]["extensions"].append(certificate["tbs_certificate"]["extensions"][0])


def short_rsa_root() -> Chain:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - the fault that is tested
    return replace(FIT, anchor=issue("root", key, "root", ROOT_KEY, ROOT_EXTENSIONS))


def usage(*purposes: x509.ObjectIdentifier, critical: bool = True) -> Extension:
    return x509.ExtendedKeyUsage(purposes), critical


def signing_period(start: datetime | None, end: datetime | None) -> Extension:
    return x509.PrivateKeyUsagePeriod(start, end), False


def authority(key: PrivateKey) -> Extension:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False


STAMPING, CODE = ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING
JUNK = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.16"), b"\x30\x00"), False
UNFIT: dict[str, tuple[Callable[[], Chain], str]] = {
    "version 1": (lambda: replace(FIT, certificate=forged(FIT.certificate, version_1)), "CN=tsa is not of version 3"),
    "no EKU": (lambda: tsa(absent=x509.ExtendedKeyUsage), "has no extendedKeyUsage, .*: have the CA issue it anew"),
    "EKU not critical": (lambda: tsa(usage(STAMPING, critical=False)), "extendedKeyUsage that is not critical"),
    "two purposes": (lambda: tsa(usage(STAMPING, CODE)), "another extendedKeyUsage than timeStamping alone"),
    "other purpose": (lambda: tsa(usage(CODE)), "another extendedKeyUsage than timeStamping alone"),
    "key encipherment": (
        lambda: tsa(key_usage("digital_signature", "key_encipherment")),
        "keyUsage of CN=tsa must be digitalSignature and nonRepudiation, or one of them",
    ),
    "no key usage set": (lambda: tsa(key_usage()), "keyUsage of CN=tsa must be digitalSignature"),
    "CA as TSA": (lambda: tsa((x509.BasicConstraints(True, None), True)), "CN=tsa is that of a CA, not of a TSA"),
    "TSA too early": (lambda: tsa(start=NOW + DAY), "CN=tsa is valid from .* UTC on only: wait"),
    "TSA ended": (lambda: tsa(start=NOW - 2 * DAY, end=NOW - DAY), "CN=tsa ended on .* UTC: replace it"),
    "intermediate ended": (lambda: sub(start=NOW - 2 * DAY, end=NOW - DAY), "CN=sub ended on"),
    "root ended": (lambda: root(start=NOW - 2 * DAY, end=NOW - DAY), "CN=root ended on"),
    "root too early": (lambda: root(start=NOW + DAY), "CN=root is valid from"),
    "signing too early": (
        lambda: tsa(signing_period(NOW + DAY, None)),
        "privateKeyUsagePeriod of CN=tsa begins on .* UTC only: wait",
    ),
    "signing ended": (
        lambda: tsa(signing_period(NOW - 2 * DAY, NOW - DAY)),
        "privateKeyUsagePeriod of CN=tsa ended on .* UTC: make a new key",
    ),
    "signing period empty": (lambda: tsa(JUNK), "extensions of the certificate of CN=tsa cannot be read"),
    "extension twice": (
        lambda: replace(FIT, certificate=forged(FIT.certificate, twice)),
        "extensions of the certificate of CN=tsa cannot be read",
    ),
    "issuer no CA": (lambda: sub((x509.BasicConstraints(False, None), True)), "CN=sub is not that of a CA"),
    "no constraints": (lambda: root(absent=x509.BasicConstraints), "CN=root is not that of a CA"),
    "issuer may not issue": (lambda: sub(key_usage("crl_sign")), "CN=sub does not allow issuing certificates"),
    "path too long": (
        lambda: root((x509.BasicConstraints(True, 0), True)),
        "CN=root allows 0 CAs below it, and there are 1",
    ),
    "SHA-1": (
        lambda: replace(FIT, certificate=forged(FIT.certificate, signed_with("sha1_ecdsa"))),
        "CN=tsa is signed with sha1, which is broken",
    ),
    "intermediate MD5": (
        lambda: replace(FIT, intermediates=(forged(FIT.intermediates[0], signed_with("md5_rsa")),)),
        "CN=sub is signed with md5, which is broken",
    ),
    "unknown signature": (
        lambda: replace(FIT, certificate=forged(FIT.certificate, signed_with("2.999.1"))),
        "CN=tsa is signed with an unknown algorithm",
    ),
    "short RSA": (short_rsa_root, "RSA key of CN=root has 1024 bits, and 2048 are the least"),
    "other issuer key": (
        lambda: tsa(authority(ROOT_KEY)),
        "authorityKeyIdentifier of CN=tsa is not the subjectKeyIdentifier of its issuer CN=sub",
    ),
    "other root key": (lambda: sub(authority(SUB_KEY)), "authorityKeyIdentifier of CN=sub is not"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_an_unfit_chain_is_refused_with_its_sentence(name: str) -> None:
    make, sentence = UNFIT[name]
    with pytest.raises(CertificateFault, match=sentence) as caught:
        check_fitness(make(), KEY, NOW)
    assert str(caught.value).endswith(".")


def test_the_certificate_of_another_key_is_refused() -> None:
    with pytest.raises(CertificateFault, match="CN=tsa is for another key"):
        check_fitness(FIT, ROOT_KEY.public_key(), NOW)


@pytest.mark.parametrize(
    "make",
    [
        lambda: FIT,
        lambda: tsa(absent=x509.KeyUsage),
        lambda: tsa(key_usage("digital_signature")),
        lambda: tsa(key_usage(NON_REPUDIATION)),
        lambda: tsa(absent=x509.BasicConstraints),
        lambda: tsa(absent=x509.AuthorityKeyIdentifier),
        lambda: tsa(signing_period(NOW - DAY, NOW + DAY)),
        lambda: tsa(start=NOW, end=NOW),
        lambda: sub(absent=x509.KeyUsage),
        lambda: replace(FIT, anchor=forged(FIT.anchor, signed_with("sha1_ecdsa"))),
    ],
)
def test_what_the_profile_leaves_open_is_fit(make: Callable[[], Chain]) -> None:
    check_fitness(make(), KEY, NOW)


def test_it_is_usable_until_the_first_of_its_ends() -> None:
    assert usable_until(FIT) == NOW + 30 * DAY
    assert usable_until(tsa(end=NOW + 3 * DAY)) == NOW + 3 * DAY
    assert usable_until(sub(end=NOW + 4 * DAY)) == NOW + 4 * DAY
    assert usable_until(root(end=NOW + 5 * DAY)) == NOW + 5 * DAY
    assert usable_until(tsa(signing_period(None, NOW + 2 * DAY))) == NOW + 2 * DAY
    assert usable_until(tsa(signing_period(NOW, None))) == NOW + 30 * DAY


def openssl_verify(chain: Chain, folder: Path) -> str:
    """What OpenSSL says of a chain as that of a TSA, judged strictly."""
    write_pem(folder / "ca.pem", [chain.anchor])
    write_pem(folder / "tsa.pem", [chain.certificate])
    write_pem(folder / "between.pem", chain.intermediates)
    command = ["openssl", "verify", "-purpose", "timestampsign", "-x509_strict", "-CAfile", str(folder / "ca.pem")]
    if chain.intermediates:
        command += ["-untrusted", str(folder / "between.pem")]
    done = subprocess.run([*command, str(folder / "tsa.pem")], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_the_development_chain_is_fit_and_openssl_agrees(tmp_path: Path, key_type: str) -> None:
    key = generate(key_type)
    chain = create_development_chain(key.public_key(), NOW)
    check_fitness(chain, key.public_key(), NOW)
    assert build_chain(key.public_key(), [chain.anchor, chain.certificate], []) == chain
    assert openssl_verify(chain, tmp_path) == f"{tmp_path}/tsa.pem: OK\n"

    digest = signature_hash(key)
    for certificate in (chain.certificate, chain.anchor):
        used = certificate.signature_hash_algorithm
        assert (used and used.name) == (digest and digest.name)
        assert "not for production" in certificate.subject.rfc4514_string()
        assert 0 < certificate.serial_number < 2**159
        assert certificate.not_valid_before_utc < NOW
        assert type(certificate.public_key()) is type(key.public_key())
    assert usable_until(chain) == chain.certificate.not_valid_after_utc < chain.anchor.not_valid_after_utc
    assert chain.anchor.public_key() != chain.certificate.public_key()


def test_openssl_agrees_on_the_chain_the_unfit_ones_are_made_from(tmp_path: Path) -> None:
    assert openssl_verify(FIT, tmp_path) == f"{tmp_path}/tsa.pem: OK\n"
