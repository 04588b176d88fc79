"""A run of the load suite as it should be, made up for the judge and the report; each part of it can be changed."""

from dataclasses import replace
from typing import Any

from bench.capacity.record import (
    EXHAUSTED,
    GOOD,
    GRANTED,
    ClockReading,
    GeneratorSecond,
    Phase,
    PhaseRecord,
    Run,
    Sample,
    ServerStart,
)

EPOCH = 1_700_000_000.0  # the run's start on the wall clock; a window of 50 s begins with it
WINDOW_S = 50
CAPACITY = 1_000
PER_S = 10
STEADY = (2.0, 42.0)
LATENCY_S = 0.004


def stamp(phase: str, at: float, **changed: Any) -> Sample:
    """A good request that was sent at its moment and granted 4 ms later."""
    sample = Sample(phase, GOOD, at, at, at + LATENCY_S, GRANTED, GRANTED, gen_time=EPOCH + at + LATENCY_S / 2)
    return sample._replace(**changed)


def refused(phase: str, at: float, kind: str, why: str) -> Sample:
    """A request that is to be refused, and is."""
    return stamp(phase, at, kind=kind, expected=why, got=why, gen_time=None)


def steady() -> list[Sample]:
    """10 good requests a second, every 20th verified in full, and a bad one every 2 s."""
    start, end = STEADY
    moments = [start + number / PER_S for number in range(int((end - start) * PER_S))]
    good = [stamp(Phase.STEADY, at, verified=number % 20 == 0) for number, at in enumerate(moments)]
    return good + [refused(Phase.STEADY, at, "SHA-1", "badAlg") for at in moments[::20]]


def warm_up() -> list[Sample]:
    return [stamp(Phase.WARM_UP, 0.5 + number / PER_S) for number in range(10)]


def exhaustion() -> list[Sample]:
    """A whole window used up, 20 requests more refused, 10 granted in the next window."""
    return [
        *(stamp(Phase.BURST, 51 + number / 100) for number in range(CAPACITY)),
        *(refused(Phase.EDGE, 62 + number / 100, GOOD, EXHAUSTED) for number in range(20)),
        *(stamp(Phase.RECOVERY, 101 + number / 10) for number in range(10)),
    ]


PERIODS = {
    Phase.WARM_UP: (0.5, 1.5),
    Phase.STEADY: STEADY,
    Phase.BURST: (51.0, 61.1),
    Phase.EDGE: (62.0, 62.3),
    Phase.RECOVERY: (101.0, 102.0),
}


def run_of(samples: list[Sample], **changed: Any) -> Run:
    """The run that these are the samples of: all that was planned was sent, Locust and all else agree."""
    phases = [
        PhaseRecord(phase, *period, count, count)
        for phase, period in PERIODS.items()
        if (count := sum(sample.phase == phase for sample in samples))
    ]
    last = int(max((phase.end for phase in phases), default=0)) + 1
    run = Run(
        url="http://tsa.example/",
        licences=2,
        stamps_per_licence_hour=PER_S * 1800,
        window_s=WINDOW_S,
        started="2023-11-14T22:13:20+00:00",
        duration_s=STEADY[1] - STEADY[0],
        phases=phases,
        samples=samples,
        seconds=[GeneratorSecond(float(second), 0, 0.2, 1.5) for second in range(last)],
        clock=[ClockReading(second + 0.1, EPOCH + second * 1e-5) for second in range(last)],
        server_starts=[ServerStart(second + 0.1, "42@1000") for second in range(last)],
        locust=locust_of(samples),
        host={"cpu": "a processor", "cores": 2, "kernel": "6.1", "python": "3.11"},
        versions={"tsa": "0.1.0", "locust": "2.47"},
        command="tsa-bench licence --licences 2",
        configuration={"seed": 7, "plan": {"pattern": "poisson"}},
        capacity=CAPACITY,
    )
    return replace(run, **changed)


def locust_of(samples: list[Sample]) -> dict[str, float]:
    """What Locust would have of them; its percentiles come in whole ms."""
    ordered = sorted(round((sample.done - sample.scheduled) * 1000) for sample in samples)
    return {
        "requests": len(samples),
        "failures": sum(each.got != each.expected or each.fault in ("imprint", "nonce") for each in samples),
        "median_ms": ordered[len(ordered) // 2] if ordered else 0,
        "p99_ms": ordered[int(len(ordered) * 0.99)] if ordered else 0,
    }


def good_run() -> Run:
    """A run that passes, with every phase."""
    return run_of([*warm_up(), *steady(), *exhaustion()])
