"""The machine of a measurement: a figure says nothing without it."""

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from cryptography.hazmat.backends.openssl.backend import backend

from bench import BenchError

_KEY = re.compile(r"(https?://[^/\s]+/tsa/)[^/?#,'\"\s]+")


def describe() -> dict[str, str | int]:
    """Host, versions, time (UTC) and command of this run."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "openssl": _openssl(),
        "cryptography": version("cryptography"),
        "cryptography_openssl": backend.openssl_version_text(),
        "uvloop": version("uvloop"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": without_key(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])),
    }


def require(*packages: str) -> None:
    """BenchError unless these packages are installed: a signing host, set up by `make run`, has no load suite."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise BenchError(f"not installed here: {', '.join(missing)}; run `make setup`")


def without_key(text: str) -> str:
    """The text without the APP_KEY of a URL such as /tsa/APP_KEY, as records are passed on."""
    return _KEY.sub(r"\1…", text)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _openssl() -> str:
    """The version of the `openssl` command; `cryptography` has another inside."""
    openssl = shutil.which("openssl")
    return subprocess.check_output([openssl, "version"], text=True).strip() if openssl else "absent"
