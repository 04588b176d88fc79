"""Servers of our own, for as long as a measurement lasts: on chosen cores, ended by SIGTERM, nothing left behind."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from prometheus_client.parser import text_string_to_metric_families

from bench import BenchError, proc, settings
from bench.settings import Settings

HOST = "127.0.0.1"
READY_S = 30.0
DRAIN_S = 20.0
TSA = Path(sys.executable).with_name("tsa")
LICENCES = 10_000
"""Of the anonymous application: more stamps than any measurement asks for within the hour."""


@dataclass(frozen=True)
class Server:
    """A running time-stamp authority: its supervisor's process, its port on 127.0.0.1, its folder."""

    pid: int
    port: int
    directory: Path

    def get(self, path: str) -> str:
        """The body of GET path. OSError without an answer of status 200."""
        with urllib.request.urlopen(f"http://{HOST}:{self.port}{path}", timeout=10) as response:
            return str(response.read(), "utf-8")

    def batches(self) -> tuple[float, float]:
        """Stamps signed so far and their batches, from the histogram tsa_batch_size; (0, 0) without it."""
        samples = [
            sample
            for family in text_string_to_metric_families(self.get("/metrics"))
            if family.name == "tsa_batch_size"
            for sample in family.samples
        ]
        stamps = sum(sample.value for sample in samples if sample.name == "tsa_batch_size_sum")
        return stamps, sum(sample.value for sample in samples if sample.name == "tsa_batch_size_count")


@contextmanager
def authority(
    key: str,
    cores: int | Sequence[int],
    licences: int = LICENCES,
    changed: Settings | None = None,
    *,
    workers: int = 1,
    prepare: Callable[[Path], None] = lambda _: None,
) -> Iterator[Server]:
    """A new authority with a key of this type, served on these cores; its folder goes with it.

    `licences` are those of the anonymous application, `changed` are settings of its tsa.toml; `prepare` is given the
    folder before it is served. BenchError as serving().
    """
    with TemporaryDirectory(prefix="tsa-bench-") as name:
        directory = Path(name)
        initialise(directory, key, licences)
        settings.change(directory, changed or {})
        prepare(directory)
        with serving(directory, cores, workers) as server:
            yield server


@contextmanager
def serving(directory: Path, cores: int | Sequence[int], workers: int = 1) -> Iterator[Server]:
    """The authority in a folder, with `workers` worker processes, on these cores, ready to stamp.

    BenchError, with the last lines of its log, when it does not become ready within 30 s.
    """
    port, log = free_port(), directory / "bench-server.log"
    serve: list[str | Path] = [TSA, "serve", "--dir", directory, "--listen", f"{HOST}:{port}"]
    serve += ["--workers", str(workers)]
    with log.open("wb") as output, running(serve, cores, output) as process:
        server = Server(process.pid, port, directory)
        _wait_ready(server, process, log)
        yield server


@contextmanager
def running(
    command: Sequence[str | Path],
    cores: int | Sequence[int],
    output: int | IO[bytes],
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process on these cores, in a group of its own: Ctrl-C at the terminal reaches us, and we end it."""
    on = [cores] if isinstance(cores, int) else cores
    with ExitStack() as ending:
        with _uninterrupted(), proc.pinned(*on):
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
                env=environment,
            )
            ending.callback(_end, process)
        yield process


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block: within Popen it would lose the process that was just made."""
    waiting: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: waiting.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if waiting:
            signal.raise_signal(signal.SIGINT)


def _end(process: subprocess.Popen[bytes]) -> None:
    with process:
        process.terminate()
        try:
            process.wait(DRAIN_S)
        except subprocess.TimeoutExpired:
            process.kill()


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listened just now."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def initialise(directory: Path, key: str, licences: int = LICENCES) -> None:
    """Make a state folder with a key of this type; the licences are the anonymous application's. BenchError."""
    tsa("init", "--key", key, "--licences", str(licences), "--dir", str(directory))


def register(directory: Path, name: str, licences: int) -> str:
    """Register an application with licences, oversold if need be; its APP_KEY. BenchError when `tsa app add` fails."""
    return tsa("app", "add", name, "--licences", str(licences), "--oversell", "--dir", str(directory)).strip()


def tsa(*arguments: str) -> str:
    """Run a `tsa` command; its standard output. BenchError, with its first three arguments, when it fails."""
    if shutil.which(TSA) is None:
        raise BenchError(f"{TSA} is missing: install the project into this environment (make setup)")
    done = subprocess.run([TSA, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        why = done.stderr.strip() or f"exit status {done.returncode}"
        raise BenchError(f"tsa {' '.join(arguments[:3])} failed: {why}")
    return done.stdout


def _wait_ready(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            server.get("/readyz")
        except (OSError, urllib.error.URLError) as error:
            why = error
        else:
            return
        if process.poll() is not None or time.monotonic() > deadline:
            wrote = log.read_text(errors="replace").strip().splitlines()[-5:]
            raise BenchError("\n".join([f"the server did not become ready ({why}); it wrote:", *wrote]))
        time.sleep(0.05)
