"""`openssl ts` as a server: one process a request, behind a minimal HTTP server. For `tsa-bench compare`.

    python -m bench.cost.openssl_ts --dir DIR --port PORT

DIR is that of `tsa init` with a P-256 or RSA key: its key and certificates sign. Nothing is stored but a serial number.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

LIMIT = 16_384
SETTINGS = """[tsa]
default_tsa = tsu
[tsu]
serial = {folder}/serial
signer_cert = {state}/certs/tsa.pem
certs = {state}/certs/tsa.pem
signer_key = {state}/keys/tsa.key
signer_digest = sha256
default_policy = 2.999.3161.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""


class Handler(BaseHTTPRequestHandler):
    """Gives a request to a process, and answers with its output. HTTP/1.0: the answer ends the connection."""

    folder: Path

    def do_POST(self) -> None:
        query, reply = self.folder / "query.tsq", self.folder / "reply.tsr"
        query.write_bytes(self.rfile.read(min(LIMIT, int(self.headers.get("Content-Length", 0)))))
        command: list[str | Path] = ["openssl", "ts", "-reply", "-config", self.folder / "ts.cnf"]
        command += ["-queryfile", query, "-out", reply]
        done = subprocess.run(command, capture_output=True, check=False)
        body = reply.read_bytes() if done.returncode == 0 else done.stderr
        self.send_response(200 if done.returncode == 0 else 500)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no log: a line a request would be measured too."""


class Server(HTTPServer):
    """Serves one request after the other; further ones wait in the listening socket's queue."""

    request_queue_size = 1024


def main(arguments: Sequence[str]) -> None:
    """Serve on 127.0.0.1 until ended."""
    parser = argparse.ArgumentParser(prog="python -m bench.cost.openssl_ts", description="openssl ts as a server.")
    parser.add_argument("--dir", type=Path, required=True, help="made by tsa init")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the folder goes
    with tempfile.TemporaryDirectory(prefix="tsa-bench-") as name:
        Handler.folder = Path(name)
        (Handler.folder / "serial").write_text("01\n")
        (Handler.folder / "ts.cnf").write_text(SETTINGS.format(folder=name, state=options.dir.absolute()))
        Server(("127.0.0.1", options.port), Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
