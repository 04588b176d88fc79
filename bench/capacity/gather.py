"""The files of the generator processes, read while they grow, and made into the samples of one run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.capacity.corpus import plain
from bench.capacity.plan import HEALTH, SAMPLES
from bench.capacity.record import NOT_PROVED, REPEATED, GeneratorSecond, Sample


class Kept(NamedTuple):
    """A token to be verified in full: the place of its sample, the TimeStampReq, the TimeStampResp."""

    place: int
    request: bytes
    response: bytes


class Gathering:
    """The samples and the health of all generator processes so far; read() adds the new ones."""

    def __init__(self, folder: Path, processes: int) -> None:
        self.samples: list[Sample] = []
        self.seconds: list[GeneratorSecond] = []
        self._kept: list[Kept] = []
        self._serials: set[bytes] = set()
        self._sources = [_Tail(folder / SAMPLES.format(process)) for process in range(processes)]
        self._health = [_Tail(folder / HEALTH.format(process)) for process in range(processes)]

    def read(self) -> None:
        """Read the lines added since the last call."""
        for source in self._sources:
            for line in source.lines():
                self._add(*line)
        for source in self._health:
            self.seconds.extend(GeneratorSecond(*line) for line in source.lines())

    def _add(
        self,
        phase: str,
        kind: str,
        scheduled: float,
        sent: float,
        done: float,
        expected: str,
        got: str,
        fault: str,
        gen_time: float | None,
        serial: str,
        request: str,
        response: str,
    ) -> None:
        if serial:
            # A repeated number may come by way of two processes.
            octets = bytes.fromhex(serial)
            if octets in self._serials:
                fault = fault or REPEATED
            self._serials.add(octets)
        if request:
            self._kept.append(Kept(len(self.samples), bytes.fromhex(request), bytes.fromhex(response)))
        # An hour of 100 licences is two million samples: each text is kept once.
        phase, kind, expected, got, fault = map(sys.intern, (phase, kind, expected, got, fault))
        self.samples.append(Sample(phase, kind, scheduled, sent, done, expected, got, fault, False, gen_time))

    def verify(self, check: Callable[[bytes, bytes], str]) -> None:
        """Check the kept tokens in full: `check` returns the fault of one, "" without a fault."""
        for place, request, response in self._kept:
            sample = self.samples[place]
            wrong = check(request, response)
            fault = sample.fault or (f"{NOT_PROVED}: {plain(wrong)}" if wrong else "")
            self.samples[place] = sample._replace(fault=fault, verified=not wrong)
        self._kept.clear()


class _Tail:
    """The whole lines added to a file of another process."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._at = 0

    def lines(self) -> Iterator[Any]:
        try:
            with self._file.open("rb") as stream:
                stream.seek(self._at)
                new = stream.read()
        except FileNotFoundError:  # its process has not begun yet
            return
        whole = new[: new.rfind(b"\n") + 1]
        self._at += len(whole)
        yield from map(json.loads, whole.splitlines())
