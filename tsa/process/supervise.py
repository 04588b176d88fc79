"""The supervisor: binds once, forks the workers, brings the dead ones back, passes reloads on, and drains at the end.

It never reads a key. What must be proved before the port opens or a reload is passed on is proved in a child of its
own, which ends with the answer.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import structlog

from tsa.clock.clock import ClockFault
from tsa.clock.gate import SharedGate
from tsa.clock.measurer import Measurer
from tsa.clock.sources.registry import read_source, refuse_unsynchronised
from tsa.ledger.segment import LedgerFault
from tsa.licensing.applications import ensure_anonymous
from tsa.licensing.capacity import worker_count
from tsa.licensing.counters import Counters
from tsa.licensing.store import SqliteApplications
from tsa.licensing.usage import restore
from tsa.process.bookkeeping import keep
from tsa.process.child import guarded, trial
from tsa.process.jobs import PeriodicJob
from tsa.process.witness import stamp_heads
from tsa.process.worker import Inherited, run
from tsa.server.listening import listen, refuse_new
from tsa.stamping.tsu import UnusableTsu
from tsa.state import layout
from tsa.state.config import Config, ConfigFault
from tsa.state.control import Control, ControlFault
from tsa.state.meter import shared_meters

FIRST_BACKOFF_S = 0.1
LONGEST_BACKOFF_S = 30.0
STEADY_S = 60.0  # a worker that lived this long failed for a new reason
BOOKKEEPING_EVERY_S = 60.0
LOCK_WAIT_S = 10.0  # for the workers of a supervisor that was killed to end
FIRST_MEASUREMENT_S = 5.0
IDLE_S = 60.0  # how long it waits for a signal while nothing is due
MEASURER_EVERY_S = 1.0  # one that fails at once is not started more often
KILL_AFTER_S = 5.0  # beyond [server] drain_s

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}

log = structlog.get_logger()


@dataclass(slots=True)
class _Slot:
    """One worker's place: its process while it has one, and when it may be started again (monotonic seconds)."""

    pid: int | None = None
    started: float = 0.0
    backoff_s: float = 0.0
    due: float = 0.0


class Supervisor:
    """Serves what `read_config` says until SIGTERM or SIGINT."""

    def __init__(self, read_config: Callable[[], Config]) -> None:
        self._read_config = read_config
        self._draining = False

    def run(self) -> None:
        """Raises ConfigFault, ClockFault, UnusableTsu or ListenFault when serving cannot begin."""
        self._config = config = self._read_config()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        refuse_unsynchronised(config.clock)
        if (reason := trial(config)) is not None:
            raise UnusableTsu(reason)
        _allow_connections()
        self._lock = _only_one(config.dir)
        self._gate = SharedGate()
        self._counters = Counters(config.licence.window_s)
        with closing(Control(config.dir)) as control:
            ensure_anonymous(SqliteApplications(control))
        restore(config, self._counters, time.time_ns() // 1_000)
        keep(config, self._counters, time.time_ns() // 1_000, at_start=True)
        self._listening = listen(config.server.listen)
        self._lifeline, self._lifeline_end = os.pipe()  # closes with this process, however it ends
        self._measuring = PeriodicJob(
            self._measure, MEASURER_EVERY_S, failing="clock not measured", ended="clock's measurer ended"
        )
        self._bookkeeping = PeriodicJob(
            self._keep_books, min(BOOKKEEPING_EVERY_S, config.licence.window_s), failing="books not kept"
        )
        self._jobs = (self._measuring, self._bookkeeping)
        self._measuring.begin(self._let_go)
        _await_first(self._gate)
        self._slots = [_Slot() for _ in range(worker_count(config))]
        self._meters = shared_meters(len(self._slots))
        host, port = self._listening.getsockname()[:2]
        self._event("server started")
        log.info("listening", host=host, port=port, workers=len(self._slots), clock=self._gate.read().text)
        self._supervise()
        self._drain(self._config.server.drain_s)
        self._measuring.kill()
        try:
            keep(self._config, self._counters, time.time_ns() // 1_000)
        except (ControlFault, LedgerFault, OSError) as fault:
            log.error("books not kept at the end", reason=str(fault))
        self._event("server stopped")

    def _supervise(self) -> None:
        """Until SIGTERM or SIGINT: start what is due, notice what died, pass reloads on."""
        while True:
            now = time.monotonic()
            for number, slot in enumerate(self._slots):
                if slot.pid is None and now >= slot.due:
                    self._start(number)
            for job in self._jobs:
                if job.due is not None and now >= job.due:
                    job.begin(self._let_go)
            dues = [slot.due for slot in self._slots if slot.pid is None]
            dues += [job.due for job in self._jobs if job.due is not None]
            wait = max(0.0, min(dues, default=now + IDLE_S) - time.monotonic())
            received = signal.sigtimedwait(_SIGNALS, wait)
            if received is None:
                continue
            if received.si_signo == signal.SIGCHLD:
                self._reap()
            elif received.si_signo == signal.SIGHUP:
                self._reload()
            else:
                return

    def _start(self, number: int) -> None:
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os.close(self._lifeline_end)
            inherited = Inherited(number, self._listening, self._lifeline, self._meters, self._counters, self._gate)
            os._exit(guarded(lambda: run(self._config, self._read_config, inherited)))
        slot = self._slots[number]
        slot.pid, slot.started = pid, time.monotonic()
        log.info("worker started", worker=number, pid=pid)

    def _let_go(self) -> None:
        """In a child that does not serve: it must hold up neither the port, nor the state folder, nor the workers."""
        self._listening.close()
        os.close(self._lock)
        os.close(self._lifeline_end)

    def _measure(self) -> None:
        """Measure the clock, by the settings of now, until this process's supervisor ends."""
        Measurer(self._config, self._gate, read_source).run(self._lifeline)

    def _keep_books(self) -> None:
        """Heads and usage, and each hour the stamp on the heads."""
        keep(self._config, self._counters, time.time_ns() // 1_000)
        stamp_heads(self._config, self._gate)

    def _fixed(self, config: Config) -> str | None:
        """Why these settings need a restart, or None."""
        if config.licence.window_s != self._counters.window_s:
            return "[licence] window_s is read at start alone: stop the server and start it again."
        if "kernel" not in self._config.clock.sources:
            try:
                refuse_unsynchronised(config.clock)
            except ClockFault as fault:
                return str(fault)
        return None

    def _event(self, what: str, **detail: str) -> None:
        """Journal what happened; a journal that cannot be written does not stop the service."""
        try:
            with closing(Control(self._config.dir)) as control, control.change():
                control.log_event(what, **detail)
        except ControlFault as fault:
            log.error("event not journalled", what=what, reason=str(fault))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for job in self._jobs:
                job.reaped(pid)
            for number, slot in enumerate(self._slots):
                if slot.pid == pid:
                    self._bury(number, slot, os.waitstatus_to_exitcode(status))

    def _bury(self, number: int, slot: _Slot, code: int) -> None:
        """A worker has ended: after SIGTERM as it should, before that to be started again after a while."""
        if self._draining:
            slot.pid = None
            return
        now = time.monotonic()
        steady = now - slot.started > STEADY_S
        slot.backoff_s = FIRST_BACKOFF_S if steady or not slot.backoff_s else min(slot.backoff_s * 2, LONGEST_BACKOFF_S)
        slot.pid, slot.due = None, now + slot.backoff_s
        self._event("worker died", worker=str(number), exit_code=str(code))
        self._meters[number].queue = self._meters[number].connections = 0
        log.error("worker died", worker=number, exit_code=code, restart_in_s=slot.backoff_s)

    def _reload(self) -> None:
        """Only settings that stand a trial are passed on; listen and workers are read at start alone."""
        try:
            config = self._read_config()
            reason = self._fixed(config) or trial(config)
        except ConfigFault as fault:
            reason = str(fault)
        if reason is not None:
            log.error("reload refused, the old settings stay", reason=reason)
            self._event("reload refused", reason=reason)
            return
        self._config = config
        self._event("reloaded")
        self._measuring.kill()  # the next one has the new settings
        self._signal_all(signal.SIGHUP)

    def _drain(self, patience_s: float) -> None:
        log.info("draining", patience_s=patience_s)
        self._draining = True
        refuse_new(self._listening)
        self._listening.close()
        self._signal_all(signal.SIGTERM)
        self._bookkeeping.kill()  # the books are kept once more when the workers have ended
        end = time.monotonic() + patience_s + KILL_AFTER_S
        while any(slot.pid for slot in self._slots):
            received = signal.sigtimedwait(_SIGNALS, max(0.0, end - time.monotonic()))
            if received is None or received.si_signo in (signal.SIGTERM, signal.SIGINT):
                log.error("workers killed that did not end in time")
                self._signal_all(signal.SIGKILL)
                end = time.monotonic() + KILL_AFTER_S
            else:
                self._reap()
        log.info("stopped")

    def _signal_all(self, number: signal.Signals) -> None:
        for slot in self._slots:
            if slot.pid is not None:
                os.kill(slot.pid, number)


def _await_first(gate: SharedGate) -> None:
    """Wait for the first measurement, so that what is said at start is true; a slow one need not be waited for."""
    end = time.monotonic() + FIRST_MEASUREMENT_S
    while not gate.number and time.monotonic() < end:
        time.sleep(0.01)


def _allow_connections() -> None:
    """Each is an open file: workers may have as many as the system allows, not the shell's soft limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _only_one(state: Path) -> int:
    """Hold the state folder: workers inherit the lock, so it is free only when all of them have ended too."""
    lock = os.open(layout.lock(state), os.O_RDWR | os.O_CREAT, 0o600)
    end = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < end:
                time.sleep(0.05)
                continue
            raise ControlFault(
                f"{state} is served by another `tsa serve`: stop that one, or choose another --dir."
            ) from None
        return lock
