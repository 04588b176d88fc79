"""Another time-stamp authority, run with `openssl ts`: its tokens, and a CA that can revoke it."""

import hashlib
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

_CONFIGURATION = """[tsa]
default_tsa = one
[one]
serial = serial
signer_digest = sha256
default_policy = 2.999.77
digests = sha256, sha512
ess_cert_id_alg = sha256
accuracy = secs:1, millisecs:500
"""
_EXTENSIONS = "basicConstraints=critical,CA:false\nextendedKeyUsage=critical,timeStamping\n"


class Elsewhere:
    """An authority with RSA keys; its files are in *folder*: ca.pem, tsa.pem, and the keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.pem"
        (folder / "ts.cnf").write_text(_CONFIGURATION)
        (folder / "tsa.ext").write_text(_EXTENSIONS)
        (folder / "serial").write_text("01\n")
        make = ("req", "-newkey", "rsa:2048", "-nodes")
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign", "-days", "30")
        self._openssl(*make, "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Elsewhere CA", *usage)
        self._openssl(*make, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=Elsewhere TSA")
        issue = ("x509", "-req", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "10")
        self._openssl(*issue, "-in", "tsa.csr", "-extfile", "tsa.ext", "-out", "tsa.pem")

    def _openssl(self, *arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], cwd=self.folder, capture_output=True, check=True)

    def stamp(self, file: Path, *options: str) -> Path:
        """Stamp a file with `-cert` or what *options* say; its token is FILE.tsr, the request FILE.tsq."""
        query, reply = file.with_name(f"{file.name}.tsq"), file.with_name(f"{file.name}.tsr")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        self._openssl("ts", "-query", "-digest", digest, "-sha256", *(options or ("-cert",)), "-out", query)
        reading = ("-config", "ts.cnf", "-queryfile", query, "-signer", "tsa.pem", "-inkey", "tsa.key")
        self._openssl("ts", "-reply", *reading, "-out", reply)
        return reply

    def revoke(self, reason: x509.ReasonFlags | None = None, ago: timedelta = timedelta(0)) -> Path:
        """A CRL, of now, that has the TSA certificate revoked so long ago; a new file each time."""
        [certificate] = x509.load_pem_x509_certificates((self.folder / "tsa.pem").read_bytes())
        key = load_pem_private_key((self.folder / "ca.key").read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        now = datetime.now(UTC)
        entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now - ago)
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        builder = x509.CertificateRevocationListBuilder().issuer_name(certificate.issuer)
        builder = builder.last_update(now).next_update(now + timedelta(1)).add_revoked_certificate(entry.build())
        file = self.folder / f"{reason and reason.name}-{ago.total_seconds()}.crl"
        file.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return file
