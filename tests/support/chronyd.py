"""A real chronyd on loopback ports that leaves this machine's clock alone: right, wrong by an offset, or lost."""

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

CHRONYD = shutil.which("chronyd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
START_LIMIT = 20.0  # seconds until it must answer, and until it must have heard from the one it follows
SURE_S = 0.1  # root dispersion: after its first samples a chronyd puts it at a second or more

needs_chronyd = pytest.mark.skipif(
    CHRONYD is None or shutil.which("chronyc") is None, reason="chrony is not installed: apt-get install chrony"
)


class Chronyd:
    """One chronyd, whose files are in `directory`, on the same ports for as long as this object lives.

    On its own it takes this machine's clock for the true time, as stratum 1. With `follows` it is synchronised to that
    other one, or to nothing while that is not running, and holds the true time to be `offset_s` ahead of what it hears.
    """

    def __init__(self, directory: Path, *, follows: "Chronyd | None" = None, offset_s: float = 0.0) -> None:
        directory.mkdir(mode=0o750)  # chronyd makes no command socket where others might
        self._directory = directory
        self._follows = follows
        self._process: subprocess.Popen[bytes] | None = None
        self.port, self._command_port = _free_ports()
        self.address = f"127.0.0.1:{self.port}"
        self.command_address = f"127.0.0.1:{self._command_port}"
        self.command_socket = str(directory / "command.sock")
        source = (
            f"server 127.0.0.1 port {follows.port} offset {offset_s} iburst minpoll -4 maxpoll -2" if follows else ""
        )
        self._write_configuration(source or "local stratum 1")

    def _write_configuration(self, source: str) -> None:
        lines = (
            source,
            f"port {self.port}",
            f"cmdport {self._command_port}",
            "bindaddress 127.0.0.1",
            "bindcmdaddress 127.0.0.1",
            f"bindcmdaddress {self.command_socket}",
            "allow 127.0.0.1",
            f"pidfile {self._directory / 'chronyd.pid'}",
            f"user {getpass.getuser()}",
        )
        (self._directory / "chrony.conf").write_text("\n".join([*lines, ""]))

    def start(self) -> "Chronyd":
        """Start it, and wait until it answers."""
        assert CHRONYD is not None
        assert self._process is None, "it runs"
        (self._directory / "chronyd.pid").unlink(missing_ok=True)
        command = [CHRONYD, "-x", "-U", "-d", "-f", str(self._directory / "chrony.conf")]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._wait(lambda: self.tracking() is not None, "it answers")
        return self

    def wait_synchronised(self) -> "Chronyd":
        """Wait until it follows what it was made to follow, and has heard enough from it to be sure."""
        self._wait(self._is_sure, "it is synchronised")
        return self

    def _is_sure(self) -> bool:
        fields = self.tracking()
        return fields is not None and fields[0] != "00000000" and float(fields[11]) < SURE_S

    def tracking(self) -> list[str] | None:
        """The fields of its tracking data, or None when it does not answer."""
        command = ["chronyc", "-n", "-c", "-h", "127.0.0.1", "-p", str(self._command_port), "tracking"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        return done.stdout.strip().split(",") if done.returncode == 0 else None

    def stop(self) -> None:
        """Kill it, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        limit = time.monotonic() + START_LIMIT
        while not condition():
            log = (self._directory / "log").read_text(errors="replace")
            assert self._process is not None, "it was not started"
            assert self._process.poll() is None, f"chronyd ended with {self._process.returncode}:\n{log}"
            assert time.monotonic() < limit, f"not {what} within {START_LIMIT} s:\n{log}"
            time.sleep(0.02)


def _free_ports() -> tuple[int, int]:
    """Two UDP ports of the loopback address that nothing listens on."""
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(other.getsockname()[1])
