"""The load suite for Locust: `tsa-bench licence` starts it with a plan, in a process of its own.

Every request is sent by a FastHttpUser and stands in Locust's statistics, under its phase and kind, with the time from
its due moment on: so a slow answer flatters no figure of Locust's own page (no coordinated omission).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from bench.capacity import plan as plans
from bench.capacity.conductor import Conductor
from bench.capacity.generator import Generator, Order, Outcome
from bench.capacity.plan import KEY_VARIABLE, PATIENCE_S, STATISTICS

_PHASE, _DONE = "phase", "done"  # messages between Locust's master and its workers


class Stamper(FastHttpUser):
    """A user: takes the next request, waits for its moment, sends it, has the answer judged."""

    network_timeout = connection_timeout = PATIENCE_S
    max_redirects = 0
    insecure = False
    generator: Generator

    @task
    def stamp(self) -> None:
        generator = self.generator
        due = generator.take()
        generator.wait(due)
        body: Any = due.asked.request  # octets, which Locust sends as they are, though it is not declared so
        sent = generator.now()
        with self.client.post("", data=body, name=f"{due.phase}: {due.asked.kind}", catch_response=True) as response:
            done = generator.now()
            if due.scheduled:
                response.request_meta["response_time"] += (sent - due.at) * 1000
            error = response.request_meta["exception"]
            wrong = generator.judge(due, sent, done, response.status_code, response.content, str(error or ""))
            if wrong:
                response.failure(wrong)
            else:
                response.success()


@events.init_command_line_parser.add_listener
def _arguments(parser: LocustArgumentParser) -> None:
    parser.add_argument("--plan", required=True, include_in_web_ui=False, help="The plan, as tsa-bench writes it.")


@events.init.add_listener
def _set_up(environment: Environment, **_: Any) -> None:
    options: Any = environment.parsed_options
    file = Path(options.plan)
    plan, key, runner = plans.read(file), os.environ.get(KEY_VARIABLE, ""), environment.runner
    if not isinstance(runner, MasterRunner):
        _generate(plan, file.parent, key, runner)
    if not isinstance(runner, WorkerRunner):
        _conduct(plan, file.parent, key, environment)


def _generate(plan: plans.Plan, folder: Path, key: str, runner: Any) -> None:
    """Make this process a generator of the plan's."""
    generator = Generator(plan, folder, lambda outcome: runner.send_message(_DONE, list(outcome)))
    Stamper.generator = generator
    Stamper.default_headers = {"Content-Type": "application/timestamp-query"}
    if key:
        Stamper.default_headers["Authorization"] = f"Bearer {key}"
    events.test_start.add_listener(lambda **_: generator.open(runner.worker_index))
    runner.register_message(_PHASE, lambda msg, **_: generator.begin(Order(*msg.data)))


def _conduct(plan: plans.Plan, folder: Path, key: str, environment: Environment) -> None:
    """Run the phases as soon as all users are there; then keep Locust's statistics, and end."""
    runner: Any = environment.runner
    conductor = Conductor(plan, folder, key, lambda order: runner.send_message(_PHASE, list(order)))

    def run() -> None:
        conductor.conduct()
        runner.quit()
        if environment.web_ui:
            environment.web_ui.stop()

    runner.register_message(_DONE, lambda msg, **_: conductor.done(Outcome(*msg.data)))
    events.spawning_complete.add_listener(lambda **_: gevent.spawn(run))
    events.quitting.add_listener(lambda **_: _keep_statistics(environment, folder / STATISTICS))


def _keep_statistics(environment: Environment, file: Path) -> None:
    """Locust's own figures, of each name and of all; times in ms."""
    stats = environment.stats
    entries = [*stats.entries.values(), stats.total]
    figures = {
        entry.name: {
            "requests": entry.num_requests,
            "failures": entry.num_failures,
            "median_ms": entry.median_response_time,
            "p99_ms": entry.get_response_time_percentile(0.99),
        }
        for entry in entries
    }
    file.write_text(json.dumps(figures, indent=1, ensure_ascii=False), "utf-8")
