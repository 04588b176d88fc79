"""`tsa-bench licence`: offer what N licences are sold for, have Locust send it, and keep the record of it.

Locust runs in processes of its own, as gevent changes a process as a whole; what passes between it and us are a plan
and the files that its generators write.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import BenchError, api, host, server
from bench.capacity.gather import Gathering
from bench.capacity.launch import command
from bench.capacity.plan import COURSE, KEY_VARIABLE, LOG, STATISTICS, Plan
from bench.capacity.progress import Progress
from bench.capacity.record import PhaseRecord, Run
from bench.capacity.watch import OtherServer, OwnServer, Watch

WARM_UP_S = 2.0
HOUR_S = 3600
KEY_TYPE = "p256"
BURST_PER_S = 1500
"""Stamps a second for which a window of our own server leaves time; a generator does more as a rule."""

_LEAST_BURST_S = 4.0
_SPIN_S = 0.5
STARTING_S = 5.0
_SHORTEST_WINDOW_S = 5
_USERS = (32, 512)
_USERS_PER_RATE_S = 0.25


@dataclass(frozen=True)
class Options:
    """What a run is asked for. `url` None: a server of our own; `window_s` None: what the server has."""

    url: str | None
    licences: int
    stamps_per_licence_hour: int
    duration_s: float
    exhaust: bool
    pattern: str
    seed: int
    processes: int
    window_s: int | None = None
    verify_every: int = 50
    web_port: int | None = None
    warm_up_s: float = WARM_UP_S

    @property
    def capacity(self) -> int:
        """Stamps of a window."""
        return self.licences * self.stamps_per_licence_hour


@dataclass(frozen=True)
class Target:
    """The server under test: where it stamps, whether nobody else uses its licences, what tells its restart."""

    url: str
    window_s: int
    burst_s: float
    """About what it takes to use up a window."""
    sole: bool
    identity: Callable[[], str]


@contextmanager
def target(options: Options, key: str) -> Iterator[Target]:
    """The server that is asked for, looked at, or one of our own that is started for the run. Raises BenchError."""
    if options.url is not None:
        yield Target(options.url, reached(options, key), burst_s(options), False, OtherServer(options.url))
        return
    needed_s = burst_s(options, crowding())
    window_s = options.window_s or own_window_s(options, needed_s, time.time())
    settings = {"window_s": window_s, "stamps_per_licence_hour": options.stamps_per_licence_hour}
    with server.authority(KEY_TYPE, _cores(), options.licences, settings) as tsa:
        yield Target(f"http://127.0.0.1:{tsa.port}/", window_s, needed_s, True, OwnServer(tsa.pid))


def _cores() -> list[int]:
    """All that there are: unlike a measurement of cost, a proof of capacity takes a machine as it is."""
    return sorted(os.sched_getaffinity(0))


def own_window_s(options: Options, needed_s: float, now: float) -> int:
    """The window with which the run ends soonest, if the server is ready when it is as a rule.

    The stamps are used up in the window in which the steady phase ends, or else in the next, and that must last.
    """
    steady_ends = now + STARTING_S + options.warm_up_s + options.duration_s

    def over(length: int) -> float:
        left = length - steady_ends % length
        return left if left >= needed_s else left + length

    shortest = min(HOUR_S, max(_SHORTEST_WINDOW_S, math.ceil(needed_s)))
    longest = min(HOUR_S, math.ceil(shortest + options.warm_up_s + options.duration_s))
    return min(range(shortest, longest + 1), key=over)


def burst_s(options: Options, slower: float = 1.0) -> float:
    """The time to leave for using up a window, on a machine so many times slower than one with nothing else to do."""
    return max(_LEAST_BURST_S, options.capacity / BURST_PER_S * slower)


def crowding() -> float:
    """How many times its CPU time a process needs here now, because others want the cores as well; 1 for none."""
    began, cpu = time.perf_counter(), time.process_time()
    while (used := time.process_time() - cpu) < _SPIN_S:
        pass
    return max(1.0, (time.perf_counter() - began) / used)


def reached(options: Options, key: str) -> int:
    """The window in s of a server that is there and sells what is said. BenchError where it is not, or does not."""
    url = str(options.url)
    api.answers(url, key)
    if not key:
        return options.window_s or HOUR_S
    usage = api.usage(url, key)
    if usage.capacity != options.capacity:
        raise BenchError(
            f"{url} gives this application {usage.capacity:,} stamps a window, and {options.licences} licences of"
            f" {options.stamps_per_licence_hour:,} are {options.capacity:,}: correct --licences, or"
            " --stamps-per-licence-hour, or what the server sells"
        )
    if options.window_s not in (None, usage.window_s):
        raise BenchError(
            f"{url} counts in windows of {usage.window_s} s, not of {options.window_s}: leave out --window"
        )
    return usage.window_s


def conduct(options: Options, found: Target, key: str, folder: Path, progress: Progress) -> Run:
    """One run, and its record; the files of the generators stay in `folder`. BenchError when Locust cannot run."""
    started, plan = datetime.now(UTC), planned(options, found)
    gathering = Gathering(folder, plan.processes)
    watch = Watch(plan.origin, found.identity)
    _clean(folder)
    line = command(plan.write(folder), plan, options.web_port)
    environment = {**os.environ, KEY_VARIABLE: key}
    with (folder / LOG).open("wb") as log, server.running(line, _cores(), log, environment) as locust:
        follow(locust, plan, folder, gathering, watch, progress)
    course = _course(folder)
    if locust.returncode or course["state"] != "end":
        raise BenchError(f"Locust ended before the run did (exit status {locust.returncode}); {_last_words(folder)}")
    gathering.read()
    progress.tell(time.monotonic() - plan.origin, "verifying tokens", gathering.samples)
    gathering.verify(api.verifier(found.url))
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
        host=host.describe(),
        versions={name: version(name) for name in ("tsa", "locust", "gevent", "cryptography")},
        command=str(host.describe()["command"]),
        configuration=asdict(options) | {"plan": asdict(plan)},
        capacity=options.capacity,
        used_before=course["used_before"],
        not_done=_not_done(plan, watch, course),
    )


def planned(options: Options, found: Target) -> Plan:
    """What the generators are to do."""
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


def follow(
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
    """What an earlier run has left must not be taken for this one's."""
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
    """Keys of bench/capacity/words.py."""
    notes, used_before = list(course["not_done"]), course["used_before"]
    if not plan.exhaust:
        notes.append("not done: live quota")
    elif used_before is None:
        notes.append("not done: sole")
    if not watch.starts:
        notes.append("not done: restart")
    return notes
