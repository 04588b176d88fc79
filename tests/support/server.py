"""The real server as a process of its own: `tsa init`, edits to tsa.toml, `tsa serve`, SIGTERM at the end."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.http import Connection

TSA = Path(sys.executable).parent / "tsa"
START_LIMIT = 60.0  # seconds until /readyz must say 200
STOP_LIMIT = 30.0  # seconds from SIGTERM to the end of the process

Options = Mapping[tuple[str, str], object]


class Server:
    """A running `tsa serve`; `running` lists every one that has not been stopped."""

    running: "list[Server]" = []  # noqa: RUF012 - shared by intent: conftest looks at every server of a test

    def __init__(self, directory: Path, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.directory = directory
        self.process = process
        self.address = ("127.0.0.1", port)
        self.url = f"http://127.0.0.1:{port}/"
        self.log = log
        self._judged = 0  # how much of the log `check_log` has seen
        self.ca_pem = directory / "certs" / "ca.pem"
        self.tsa_pem = directory / "certs" / "tsa.pem"

    def connect(self, timeout: float = 20.0) -> Connection:
        """A new connection."""
        return Connection(self.address, timeout)

    def log_text(self) -> str:
        """Everything the process has printed."""
        return self.log.read_text(errors="replace")

    def check_log(self) -> None:
        """What was logged since the last check holds no traceback."""
        text = self.log_text()
        new, self._judged = text[self._judged :], len(text)
        assert "Traceback" not in new, f"server {self.directory.name} has logged a traceback:\n{new[:4000]}"

    def wait_ready(self, *statuses: int) -> None:
        """Wait until GET /readyz answers one of *statuses*, 200 if none is named.

        Fails with the log when the process ends or the limit passes.
        """
        limit = time.monotonic() + START_LIMIT
        while self.readiness()[0] not in (statuses or (200,)):
            assert self.process.poll() is None, f"tsa serve ended with {self.process.returncode}:\n{self.log_text()}"
            assert time.monotonic() < limit, f"not ready after {START_LIMIT} s:\n{self.log_text()}"
            time.sleep(0.05)

    def readiness(self) -> tuple[int, dict[str, Any]]:
        """What GET /readyz says: the status, 0 where nobody answers, and the body."""
        try:
            with urllib.request.urlopen(self.url + "readyz", timeout=5) as answer:  # noqa: S310 - our own http URL
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return 0, {}

    def stop(self) -> None:
        """SIGTERM, wait for the end; fails when it does not end cleanly or has logged a traceback."""
        if self in Server.running:
            Server.running.remove(self)
        self.process.terminate()
        try:
            code = self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"not ended {STOP_LIMIT} s after SIGTERM:\n{self.log_text()}") from None
        assert code == 0, f"tsa serve ended with {code} after SIGTERM:\n{self.log_text()}"
        self.check_log()


def tsa(*arguments: str | Path, timeout: float = 120.0) -> "subprocess.CompletedProcess[str]":
    """Run the `tsa` command; its exit code is the caller's to judge."""
    command = [str(TSA), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


def init(directory: Path, key: str = "p256") -> None:
    """`tsa init`: keys, certificates and tsa.toml in *directory*, and licences enough for a session of tests."""
    done = tsa("init", "--dir", directory, "--key", key, "--licences", "1000")
    assert done.returncode == 0, f"tsa init ended with {done.returncode}:\n{done.stdout}{done.stderr}"


def start_server(
    directory: Path,
    *,
    workers: int = 1,
    key: str = "p256",
    config: str | None = None,
    options: Options | None = None,
    ready: tuple[int, ...] = (200,),
    environment: Mapping[str, str] | None = None,
) -> Server:
    """Start `tsa serve` on a free port and wait until it is ready; the caller stops it.

    *directory* is initialised when it has no tsa.toml; *config* replaces that file whole, *options* then set single
    values: `{("policy", "accepted"): ["2.999.3161.2"]}`. *ready* are the statuses of /readyz to wait for; *environment*
    is added to that of the process.
    """
    toml = directory / "tsa.toml"
    if not toml.exists():
        init(directory, key)
    if config is not None:
        toml.write_text(config)
    for (table, name), value in (options or {}).items():
        set_option(directory, table, name, value)
    return _serve(directory, workers, ready, environment or {})


def _serve(directory: Path, workers: int, ready: tuple[int, ...], environment: Mapping[str, str]) -> Server:
    port, log = free_port(), directory / "serve.log"
    command = [str(TSA), "serve", "--dir", str(directory), "--listen", f"127.0.0.1:{port}", "--workers", str(workers)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
    server = Server(directory, process, port, log)
    Server.running.append(server)
    try:
        server.wait_ready(*ready)
    except AssertionError:
        Server.running.remove(server)
        process.kill()
        process.wait()
        raise
    return server


def free_port() -> int:
    """A TCP port of the loopback address that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def set_option(directory: Path, table: str, key: str, value: object) -> None:
    """Set `key = value` in [table] of DIR/tsa.toml, where the key may be commented out or absent."""
    path = directory / "tsa.toml"
    path.write_text(with_option(path.read_text(), table, key, value))


def with_option(text: str, table: str, key: str, value: object) -> str:
    """*text* with `key = value` in [table]; other lines stay as they are."""
    lines, line = text.splitlines(), f"{key} = {toml_value(value)}"
    header = re.compile(rf"\s*\[{re.escape(table)}\]\s*(#.*)?$")
    start = next((at for at, each in enumerate(lines, 1) if header.match(each)), None)
    if start is None:
        return "\n".join([*lines, "", f"[{table}]", line, ""])
    next_header = re.compile(r"\s*#?\s*\[[\w.]+\]\s*(#.*)?$")
    end = next((at for at in range(start, len(lines)) if next_header.match(lines[at])), len(lines))
    at = next((at for at in range(start, end) if re.match(rf"\s*{re.escape(key)}\s*=", lines[at])), None)
    if at is None:
        return "\n".join([*lines[:start], line, *lines[start:], ""])
    return "\n".join([*lines[:at], line, *lines[at + _value_lines(lines[at:end]) :], ""])


def _value_lines(lines: list[str]) -> int:
    """How many of *lines* the value that begins in the first one takes: an array may span several."""
    depth = 0
    for count, line in enumerate(lines, 1):
        depth += line.count("[") - line.count("]")
        if depth <= 0:
            return count
    return len(lines)


def toml_value(value: object) -> str:
    """*value* as TOML: a bool, number, string or a list of these."""
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(each) for each in value) + "]"
    return json.dumps(value)
