"""Whole verification of a sample of tokens, apart from the server that made them."""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from asn1crypto import tsp
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bench import BenchError

OPENSSL = "openssl ts -verify"
OWN = "asn1crypto and cryptography"


def verify(key: str, sample: Sequence[tuple[bytes, bytes]], directory: Path) -> tuple[str, list[str]]:
    """The verifier used, and for each token that did not verify, why.

    `directory` is the authority's: its certs/ hold the trust anchor and the TSA certificate, which the tokens do
    not carry (certReq is absent). `openssl ts` knows no Ed25519 signature in CMS, so ours verifies those.
    """
    check = _ed25519 if key == "ed25519" else _openssl
    complaints = [check(query, reply, directory) for query, reply in sample]
    return OWN if key == "ed25519" else OPENSSL, [complaint for complaint in complaints if complaint]


def _openssl(query: bytes, reply: bytes, directory: Path) -> str:
    """ "" when OpenSSL verifies the reply, what it says otherwise."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise BenchError("openssl is not on the PATH: it verifies the sample of tokens; install it")
    tsq, tsr, certs = directory / "sample.tsq", directory / "sample.tsr", directory / "certs"
    tsq.write_bytes(query)
    tsr.write_bytes(reply)
    command: list[str | Path] = [openssl, "ts", "-verify", "-queryfile", tsq, "-in", tsr, "-CAfile", certs / "ca.pem"]
    done = subprocess.run([*command, "-untrusted", certs / "tsa.pem"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr.strip() or "no reason given")


def _ed25519(query: bytes, reply: bytes, directory: Path) -> str:
    """ "" when the token is the authority's and answers the query, what is wrong otherwise."""
    request, signed = tsp.TimeStampReq.load(query), tsp.TimeStampResp.load(reply)["time_stamp_token"]["content"]
    content, signer = signed["encap_content_info"]["content"], signed["signer_infos"][0]
    attributes = {attribute["type"].native: attribute["values"][0].native for attribute in signer["signed_attrs"]}
    authority, ca = (
        x509.load_pem_x509_certificate((directory / "certs" / name).read_bytes()) for name in ("tsa.pem", "ca.pem")
    )
    try:
        authority.verify_directly_issued_by(ca)
        public = authority.public_key()
        if not isinstance(public, Ed25519PublicKey):
            return "the TSA certificate has no Ed25519 key"
        # RFC 5652 5.4: signed as a SET OF, not under the [0] it has in the SignerInfo.
        public.verify(signer["signature"].native, signer["signed_attrs"].untag().dump())
    except InvalidSignature:
        return "signature of the token or of the TSA certificate is not valid"
    digest = hashlib.new(signer["digest_algorithm"]["algorithm"].native, bytes(content)).digest()
    if attributes["message_digest"] != digest:
        return "messageDigest is not that of the TSTInfo"
    tst_info = content.parsed
    same = all(tst_info[name].dump() == request[name].dump() for name in ("message_imprint", "nonce"))
    return "" if same else "messageImprint or nonce is not the one asked for"
