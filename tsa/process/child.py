"""What the supervisor has done in a process of its own: guarded, so that it says why it fails; and the trial."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import structlog

from tsa.clock.gate import SharedGate
from tsa.server.tls import server_context
from tsa.stamping.opening import open_authority, trial_books
from tsa.state.config import Config
from tsa.state.faults import Fault

log = structlog.get_logger()


def trial(config: Config) -> str | None:
    """Sign and verify a token in a child process; why it failed, or None."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        os._exit(guarded(lambda: asyncio.run(_prove(config)), writer))
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        reason = pipe.read()
    _, status = os.waitpid(pid, 0)
    if status == 0:
        return None
    return reason or f"The trial process ended with {os.waitstatus_to_exitcode(status)}."


async def _prove(config: Config) -> None:
    server_context(config)
    authority = await open_authority(config, trial_books(config, 0, SharedGate()))
    authority.pool.close()


def guarded(work: Callable[[], None], tell: int | None = None, failing: str = "worker cannot serve") -> int:
    """Do a child's work; its exit code. What it fails with is told to the pipe `tell`, or to the log as `failing`."""
    try:
        work()
    except Fault as fault:
        if tell is None:
            log.error(failing, reason=str(fault))
        else:
            os.write(tell, str(fault).encode())
        return 1
    except BaseException:
        log.exception(failing)
        return 1
    return 0
