"""How Locust is started for a plan: headless or with its own page, as one process or as a master and its workers."""

from __future__ import annotations

import sys
from pathlib import Path

from bench import server
from bench.capacity.plan import Plan
from bench.cost.load import HOST

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
SPAWN_PER_S = 100
"""Users a second; Locust warns of more."""


def command(file: Path, plan: Plan, web_port: int | None) -> list[str]:
    """The command that runs the plan in `file`, with Locust's own page on a port where one is given.

    Everything that it opens is on the loopback address.
    """
    line = [sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--plan", str(file), "--host", plan.url]
    line += ["--users", str(plan.users), "--spawn-rate", str(SPAWN_PER_S), "--exit-code-on-error", "0"]
    line += ["--only-summary", "--loglevel", "WARNING"]
    if web_port:
        line += ["--web-host", HOST, "--web-port", str(web_port), "--autostart"]
    else:
        line += ["--headless"]
    if plan.processes > 1:
        port = str(server.free_port())
        line += ["--processes", str(plan.processes), "--expect-workers-max-wait", "60"]
        line += ["--master-host", HOST, "--master-bind-host", HOST]
        line += ["--master-port", port, "--master-bind-port", port]
    return line
