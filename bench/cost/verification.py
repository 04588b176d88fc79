"""The CPU time of a verification beside that of its signature alone, on this machine, in this run.

    python -m bench.cost.verification [--tokens 10000] [--json]

One P-256 authority, with a CA between it and the root, gives all tokens, for a digest each. One Verifier verifies them:
it builds the path for the first token, and finds it again for the others.
"""

import argparse
import hashlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from rich.console import Console

from bench import host, proc
from bench.cost import raw
from tsa.protocol import cms, der, tsp
from tsa.protocol.oids import HASHES
from tsa.verify.datum import DigestDatum
from tsa.verify.verifier import Verifier

SHA256 = HASHES["sha256"]
ECDSA = ec.ECDSA(hashes.SHA256())
ECDSA_WITH_SHA256 = der.sequence(der.oid("1.2.840.10045.4.3.2"))


@dataclass(frozen=True)
class Token:
    """A TimeStampResp and the digest of its datum."""

    response: bytes
    digest: bytes


@dataclass(frozen=True)
class Found:
    """The result; µs are of the thread's CPU."""

    host: dict[str, str | int]
    tokens: int
    tokens_per_s: float
    verify_us: float
    """A token whose path is known already."""
    first_us: float
    """The first token: its path is built."""
    raw_us: float
    """A P-256 verification alone: the median of chunks just before and just after."""
    ratio: float


class Authority:
    """A root, a CA and a time-stamping certificate, all P-256."""

    def __init__(self) -> None:
        root_key, ca_key, self._key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self.root = _certificate("CN=Root", "CN=Root", root_key, root_key, _CA)
        ca = _certificate("CN=CA", "CN=Root", ca_key, root_key, _CA)
        certificate = _certificate("CN=TSA", "CN=CA", self._key, ca_key, _TSA)
        signer = cms.Signer(
            certificate.public_bytes(Encoding.DER),
            (ca.public_bytes(Encoding.DER),),
            certificate.issuer.public_bytes(),
            certificate.serial_number,
            "sha256",
            ECDSA_WITH_SHA256,
        )
        self._template = cms.TokenTemplate(signer)

    def token(self, number: int) -> Token:
        """A token with a serialNumber and a digest of its own."""
        digest = hashlib.sha256(number.to_bytes(8, "big")).digest()
        now = time.time_ns() // 1_000
        moment = tsp.generalized_time(now, 3) + tsp.accuracy(1_000_000)
        imprint = tsp.message_imprint(SHA256, digest)
        info = tsp.tst_info(der.oid("2.999.3161.1"), imprint, der.integer(number + 1), moment, b"", b"")
        attributes = self._template.signed_attributes(self._template.before_digest(now), info)
        return Token(self._template.response(info, attributes, self._key.sign(attributes, ECDSA), True), digest)


_CA: tuple[x509.ExtensionType, ...] = (x509.BasicConstraints(ca=True, path_length=None),)
_TSA: tuple[x509.ExtensionType, ...] = (
    x509.BasicConstraints(ca=False, path_length=None),
    x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]),
)


def _certificate(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    extensions: Sequence[x509.ExtensionType],
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(subject))
        .issuer_name(x509.Name.from_rfc4514_string(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


def measure(count: int) -> Found:
    """Verify `count` tokens on one core. Raises NotProved where one of them is not proved."""
    authority = Authority()
    tokens = [authority.token(number) for number in range(count + 1)]
    verifier = Verifier([authority.root])
    with proc.pinned(proc.cores()[0]):
        first_us = _thread_us(verifier, tokens[:1])
        before = raw.chunks_us(_raw_verification())
        started = time.perf_counter()
        verify_us = _thread_us(verifier, tokens[1:])
        elapsed = time.perf_counter() - started
        raw_us = statistics.median(before + raw.chunks_us(_raw_verification()))
    return Found(host.describe(), count, count / elapsed, verify_us, first_us, raw_us, verify_us / raw_us)


def _thread_us(verifier: Verifier, tokens: Sequence[Token]) -> float:
    """µs of this thread's CPU a token."""
    started = time.thread_time_ns()
    for token in tokens:
        verifier.verify(token.response, DigestDatum(token.digest))
    return (time.thread_time_ns() - started) / 1000 / len(tokens)


def _raw_verification() -> Callable[[], object]:
    """A call that verifies one P-256 signature over about as many octets as a token's attributes."""
    key, data = ec.generate_private_key(ec.SECP256R1()), os.urandom(raw.OCTETS)
    signature, public = key.sign(data, ECDSA), key.public_key()
    return lambda: public.verify(signature, data, ECDSA)


def main(arguments: list[str]) -> int:
    """Exit status 0. A token that is not proved raises NotProved, as that is a fault of ours."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.cost.verification", description="Cost of a verification beside its raw signature."
    )
    parser.add_argument("--tokens", type=int, default=10_000)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output, and nothing else")
    options = parser.parse_args(arguments)
    if options.tokens < 1:
        parser.error("--tokens must be 1 at least")
    found = measure(options.tokens)
    if options.json:
        print(json.dumps(asdict(found), indent=2, ensure_ascii=False))
        return 0
    console = Console(highlight=False)
    console.print(f"{found.host['cpu']}, {found.host['cores']} cores, {found.host['date']}", markup=False)
    console.print(
        f"{found.tokens:,} tokens, {found.tokens_per_s:,.0f} a second on one core; µs of CPU: a token"
        f" {found.verify_us:.0f}, a raw P-256 verification {found.raw_us:.0f}; the first token {found.first_us:,.0f}.",
        soft_wrap=True,
    )
    console.print(f"A verification costs {found.ratio:.2f} times its raw signature.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
