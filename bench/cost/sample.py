"""The full verification of a sample of tokens, apart from the server that made them."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from bench import BenchError
from tsa.protocol.tsp import decode_request
from tsa.verify.datum import DigestDatum
from tsa.verify.proof import NotProved
from tsa.verify.verifier import Verifier

OPENSSL = "openssl ts -verify"
OWN = "tsa.verify"


def verify(key: str, sample: Sequence[tuple[bytes, bytes]], directory: Path) -> tuple[str, list[str]]:
    """The name of the verifier, and the reasons of the tokens that did not verify.

    `directory` is the authority's: its certs/ hold the trust anchor and the TSA certificate, which the tokens do
    not carry (certReq is absent). `openssl ts` knows no Ed25519 signature in CMS: tsa.verify takes those.
    """
    check = _ours if key == "ed25519" else _openssl
    complaints = [check(query, reply, directory) for query, reply in sample]
    return OWN if key == "ed25519" else OPENSSL, [complaint for complaint in complaints if complaint]


def _openssl(query: bytes, reply: bytes, directory: Path) -> str:
    """ "" when OpenSSL verifies the reply, else its complaint."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise BenchError("openssl is not on the PATH: it verifies the sample of tokens; install it")
    tsq, tsr, certs = directory / "sample.tsq", directory / "sample.tsr", directory / "certs"
    tsq.write_bytes(query)
    tsr.write_bytes(reply)
    command: list[str | Path] = [openssl, "ts", "-verify", "-queryfile", tsq, "-in", tsr, "-CAfile", certs / "ca.pem"]
    done = subprocess.run([*command, "-untrusted", certs / "tsa.pem"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr.strip() or "no reason given")


def _ours(query: bytes, reply: bytes, directory: Path) -> str:
    """ "" when tsa.verify proves the reply, else the step that failed."""
    asked = decode_request(query)
    digest = asked.message_imprint[-asked.hash_algorithm.digest_size :]
    authority, ca = (
        x509.load_pem_x509_certificate((directory / "certs" / name).read_bytes()) for name in ("tsa.pem", "ca.pem")
    )
    try:
        Verifier([ca], certificates=[authority]).verify(reply, DigestDatum(digest), query)
    except NotProved as fault:
        return str(fault)
    return ""
