"""`openssl ts -verify` as another judge of the vectors."""

import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from tests.vectors.vector import Vector


@cache
def version() -> str:
    """Such as "OpenSSL 3.0.19 27 Jan 2026 …"."""
    return subprocess.run(["openssl", "version"], capture_output=True, text=True, timeout=60, check=True).stdout


def judges_good(folder: Path, vector: Vector) -> bool:
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
