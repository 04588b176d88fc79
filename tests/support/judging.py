"""The judges of the vectors: our verifier, its verdict in the words of INDEX.md, and `openssl ts -verify`."""

import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cryptography import x509

from tests.vectors.vector import NOT_JUDGED, Vector
from tsa.verify.datum import OctetsDatum
from tsa.verify.proof import NotJudged, NotProved, VerifiedTimestamp
from tsa.verify.verifier import Verifier


def verifier_for(vector: Vector) -> Verifier:
    """A verifier with what the vector has beside its token; raises NotJudged."""
    anchors, others = (
        [x509.load_der_x509_certificate(each) for each in group] for group in (vector.anchors, vector.certificates)
    )
    return Verifier(anchors, certificates=others, crls=vector.crls, ocsps=vector.ocsps)


def proof_of(vector: Vector) -> VerifiedTimestamp:
    """What the vector proves; raises NotProved or NotJudged."""
    return verifier_for(vector).verify(vector.token, OctetsDatum(vector.data), vector.query)


def verdict_on(vector: Vector) -> str:
    """The verdict; the warnings of a proof are after it."""
    try:
        proof = proof_of(vector)
    except NotProved as failure:
        return _with_its_facts(failure)
    except NotJudged as failure:
        return NOT_JUDGED if str(failure).endswith(".") else f"not a sentence: {failure}"
    return f"proved, with a warning: {' '.join(proof.warnings)}" if proof.warnings else "proved"


def _with_its_facts(failure: NotProved) -> str:
    assert str(failure).startswith(f"Step {failure.step:d} (")
    assert all((failure.expected, failure.found, failure.clause)), f"a failure without its facts: {failure}"
    return f"not proved, step {failure.step:d}"


@cache
def openssl_version() -> str:
    """Such as "OpenSSL 3.0.19 27 Jan 2026 …"."""
    return subprocess.run(["openssl", "version"], capture_output=True, text=True, timeout=60, check=True).stdout


def openssl_proves(folder: Path, vector: Vector) -> bool:
    """Whether openssl proves the vector whose files are in *folder*, at its genTime.

    Without -attime it would judge the path at the clock's time. CRLs and OCSP responses it is not given: with
    -crl_check it takes any revocation for the end of all tokens, and no CRL that is newer than -attime.
    """
    command = ["openssl", "ts", "-verify", "-in", "token.tsr", "-attime", str(_epoch(vector.moment))]
    command += ["-CAfile", "ca.pem" if vector.anchors else "/dev/null"]
    command += ["-untrusted", "certs.pem"] if vector.certificates else []
    command += ["-token_in"] if _is_bare(vector.token) else []
    against = [["-data", "data"], *([["-queryfile", "query.tsq"]] if vector.query else [])]
    return all(_succeeds([*command, *each], folder) for each in against)


def _succeeds(command: list[str], folder: Path) -> bool:
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0


def _epoch(moment: str) -> int:
    return int(datetime.strptime(moment, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp())


def _is_bare(token: bytes) -> bool:
    """Whether DER octets are a ContentInfo: its first field is an OBJECT IDENTIFIER, a response's is a SEQUENCE."""
    return token[4:5] == b"\x06"
