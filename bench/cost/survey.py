"""The survey of a machine: our authority beside others, its ceiling, its scaling; a page with raw records and plots.

    python -m bench.cost.survey --out bench/reports [--rows 10000000] [--seconds 8] [--rounds 3]

certomancer is compared where it and gunicorn are on the PATH: see bench/reports/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from bench import BenchError, host, proc, server
from bench.cost import ceiling, compare, raw, scale
from bench.cost.introduce import Subject, introduce
from bench.cost.survey_page import SurveyPage

COMPARED_KEYS = ("p256", "rsa2048")
CONNECTIONS = (32, 256)
READY_S = 30.0
CERTOMANCER = Path(__file__).with_name("certomancer.yml")


def main(arguments: Sequence[str]) -> int:
    """Exit status 1 when any answer was wrong, 2 when nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.cost.survey", description="The survey of this machine.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the report and its records")
    parser.add_argument("--rows", type=int, default=scale.ROWS, help="of the largest ledger")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each cell")
    parser.add_argument("--rounds", type=int, default=3, help="of each comparison and dimension")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, highlight=False)
    try:
        return _survey(options, lambda line: console.print(line, markup=False))
    except (BenchError, OSError) as error:
        console.print(f"bench.cost.survey: {error}", markup=False, soft_wrap=True)
        return 2


def _survey(options: argparse.Namespace, tell: Callable[[str], None]) -> int:
    host.require("matplotlib")
    from bench.cost import charts

    if not options.out.is_dir():
        raise BenchError(f"{options.out} is no folder")
    stem = options.out / f"{datetime.now(UTC):%Y-%m-%d}-survey"
    page, status = SurveyPage(stem.with_suffix(".md"), os.getloadavg()), 0
    for key in COMPARED_KEYS:
        with peers(key) as subjects:
            compared = compare.measure(subjects, CONNECTIONS[0], options.seconds, options.rounds, tell)
        page.comparison(key, compared, _keep(stem, f"compare-{key}", compared, charts.comparison))
        status |= compared.exit_status
    found = ceiling.measure(raw.KEYS, CONNECTIONS, options.seconds, tell)
    page.ceiling(found, _keep(stem, "ceiling", found, charts.ceiling))
    grown = scale.measure(scale.Extent(options.rows), options.seconds, options.rounds, tell)
    page.scale(grown, _keep(stem, "scale", grown, charts.scale))
    not_done = {} if has_certomancer() else {"certomancer": "it was not on the PATH"}
    page.write(os.getloadavg(), not_done)
    return 1 if (status | found.exit_status | grown.exit_status) & 1 else 0


def _keep(stem: Path, name: str, found: Any, draw: Callable[[Any, Path], None]) -> str:
    """Write the raw record and its plot; the name of both without its ending."""
    record = stem.with_name(f"{stem.name}-{name}.json")
    record.write_text(json.dumps(asdict(found), indent=2, ensure_ascii=False) + "\n", "utf-8")
    draw(found, record.with_suffix(".svg"))
    return record.stem


def has_certomancer() -> bool:
    """Whether certomancer can be compared."""
    return all(map(shutil.which, ("certomancer", "gunicorn")))


@contextmanager
def peers(key: str) -> Iterator[list[Subject]]:
    """Our authority and the others, with one and the same key of this type, on the server's core."""
    core = proc.cores()[0]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="tsa-bench-")))
        server.initialise(directory, key)
        ours = stack.enter_context(server.serving(directory, core))
        subjects = [Subject("ours", f"http://127.0.0.1:{ours.port}/", ours.pid)]
        port = server.free_port()
        command: list[str | Path] = [sys.executable, "-m", "bench.cost.openssl_ts"]
        command += ["--dir", directory, "--port", str(port)]
        subjects.append(_started(stack, "openssl ts", command, f"http://127.0.0.1:{port}/", core))
        if has_certomancer():
            subjects.append(_certomancer(stack, directory, core))
        yield subjects


def _certomancer(stack: ExitStack, directory: Path, core: int) -> Subject:
    """certomancer under gunicorn, one worker."""
    folder, port = directory / "certomancer", server.free_port()
    folder.mkdir()
    shutil.copy(directory / "keys" / "tsa.key", folder)
    shutil.copy(CERTOMANCER, folder)
    settings: dict[str, object] = {"CONFIG": folder / CERTOMANCER.name, "KEY_DIR": folder, "NO_WEB_UI": 1}
    environment = os.environ | {f"CERTOMANCER_{name}": str(value) for name, value in settings.items()}
    command = ["gunicorn", "--workers", "1", "--bind", f"127.0.0.1:{port}"]
    command.append("certomancer.integrations.animator:app")
    return _started(stack, "certomancer", command, f"http://127.0.0.1:{port}/bench/tsa/tsa", core, environment)


def _started(
    stack: ExitStack,
    name: str,
    command: Sequence[str | Path],
    url: str,
    core: int,
    environment: Mapping[str, str] | None = None,
) -> Subject:
    """Start a server and wait for its first token. BenchError when none comes within 30 s."""
    process = stack.enter_context(server.running(command, core, subprocess.DEVNULL, environment))
    subject, deadline = Subject(name, url, process.pid), time.monotonic() + READY_S
    while True:
        try:
            introduce(subject)
        except BenchError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return subject


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
