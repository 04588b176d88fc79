"""`tsa-bench licence`: the load that N licences are sold for, sent by Locust, and the record of it.

Locust runs in processes of its own, as gevent changes a process as a whole. The plan goes to them in a file, and their
samples come back in files.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import BenchError, host, server
from bench.capacity import authority
from bench.capacity.gather import Gathering
from bench.capacity.plan import COURSE, KEY_VARIABLE, LOG, STATISTICS, Plan
from bench.capacity.progress import Progress
from bench.capacity.record import PhaseRecord, Run
from bench.capacity.target import HOUR_S, Options, Target, all_cores
from bench.capacity.watch import Watch

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
SPAWN_PER_S = 100
"""Users a second; Locust warns of more."""

_USERS = (32, 512)
_USERS_PER_RATE_S = 0.25


def conduct(options: Options, found: Target, key: str, folder: Path, progress: Progress) -> Run:
    """One run, and its record; the files of the generators stay in `folder`. BenchError when Locust cannot run."""
    started, plan = datetime.now(UTC), planned(options, found)
    gathering, watch = Gathering(folder, plan.processes), Watch(plan.origin, found.identity)
    course = _course_of_locust(plan, options.web_port, key, folder, gathering, watch, progress)
    progress.tell(time.monotonic() - plan.origin, "verifying tokens", gathering.samples)
    gathering.verify(authority.verifier(found.url))
    described = host.describe()
    return Run(
        url=found.url,
        licences=options.licences,
        stamps_per_licence_hour=options.stamps_per_licence_hour,
        window_s=found.window_s,
        started=started.isoformat(timespec="seconds"),
        duration_s=options.duration_s,
        phases=[PhaseRecord(*phase) for phase in course["phases"]],
        samples=gathering.samples,
        seconds=gathering.seconds,
        clock=watch.clock,
        server_starts=watch.starts,
        locust=json.loads((folder / STATISTICS).read_text("utf-8"))["Aggregated"],
        host=described,
        versions={name: version(name) for name in ("tsa", "locust", "gevent", "cryptography")},
        command=str(described["command"]),
        configuration=asdict(options) | {"plan": asdict(plan)},
        capacity=options.capacity,
        used_before=course["used_before"],
        not_done=_not_done(plan, watch, course),
    )


def planned(options: Options, found: Target) -> Plan:
    """The orders of the generators."""
    rate = options.capacity / HOUR_S
    fewest, most = _USERS
    return Plan(
        url=found.url,
        rate=rate,
        pattern=options.pattern,
        seed=options.seed,
        salt=secrets.token_hex(16),
        warm_up_s=options.warm_up_s,
        duration_s=options.duration_s,
        window_s=found.window_s,
        exhaust=options.capacity if options.exhaust or found.sole else 0,
        burst_s=found.burst_s / 2,
        sole=found.sole,
        users=max(fewest, min(most, math.ceil(rate * _USERS_PER_RATE_S))),
        processes=options.processes,
        verify_every=options.verify_every,
        origin=time.monotonic(),
    )


def _course_of_locust(
    plan: Plan, web_port: int | None, key: str, folder: Path, gathering: Gathering, watch: Watch, progress: Progress
) -> dict[str, Any]:
    """Run Locust to its end, with everything read that it writes; the course that its conductor kept. BenchError."""
    _clean(folder)
    command = locust_command(plan.write(folder), plan, web_port)
    environment = {**os.environ, KEY_VARIABLE: key}
    with (folder / LOG).open("wb") as log, server.running(command, all_cores(), log, environment) as locust:
        _follow(locust, plan, folder, gathering, watch, progress)
    course = _course(folder)
    if locust.returncode or course["state"] != "end":
        raise BenchError(f"Locust ended before the run did (exit status {locust.returncode}); {_last_words(folder)}")
    gathering.read()
    return course


def locust_command(file: Path, plan: Plan, web_port: int | None) -> list[str]:
    """The command that runs the plan in `file`: headless, or with Locust's own page on a port; as one process or more.

    Everything that it opens is on the loopback address.
    """
    line = [sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--plan", str(file), "--host", plan.url]
    line += ["--users", str(plan.users), "--spawn-rate", str(SPAWN_PER_S), "--exit-code-on-error", "0"]
    line += ["--only-summary", "--loglevel", "WARNING"]
    if web_port:
        line += ["--web-host", server.HOST, "--web-port", str(web_port), "--autostart"]
    else:
        line += ["--headless"]
    if plan.processes > 1:
        port = str(server.free_port())
        line += ["--processes", str(plan.processes), "--expect-workers-max-wait", "60"]
        line += ["--master-host", server.HOST, "--master-bind-host", server.HOST]
        line += ["--master-port", port, "--master-bind-port", port]
    return line


def _follow(
    locust: subprocess.Popen[bytes], plan: Plan, folder: Path, gathering: Gathering, watch: Watch, progress: Progress
) -> None:
    """Look at everything once a second until Locust ends."""
    while locust.poll() is None:
        watch.tick()
        gathering.read()
        at = time.monotonic() - plan.origin
        progress.tell(at, _course(folder)["state"], gathering.samples)
        try:
            locust.wait(1 - (time.monotonic() - plan.origin) % 1)
        except subprocess.TimeoutExpired:
            continue


def _clean(folder: Path) -> None:
    """Remove the files of an earlier run, which must not be taken for this one's."""
    for name in (COURSE, STATISTICS, "generator-*"):
        for file in folder.glob(name):
            file.unlink()


def _course(folder: Path) -> dict[str, Any]:
    try:
        course: dict[str, Any] = json.loads((folder / COURSE).read_text("utf-8"))
    except FileNotFoundError:
        return {"state": "starting"}
    return course


def _last_words(folder: Path) -> str:
    wrote = (folder / LOG).read_text(errors="replace").strip().splitlines()[-5:]
    return "\n".join(["it wrote:", *wrote]) if wrote else "it wrote nothing"


def _not_done(plan: Plan, watch: Watch, course: Mapping[str, Any]) -> list[str]:
    """Keys of bench/capacity/words.py for the parts that were left out."""
    notes, used_before = list(course["not_done"]), course["used_before"]
    if not plan.exhaust:
        notes.append("not done: live quota")
    elif used_before is None:
        notes.append("not done: sole")
    if not watch.starts:
        notes.append("not done: restart")
    return notes
