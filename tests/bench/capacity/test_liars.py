"""The judge and the suite together, on servers that lie: each is found out for what it does, and none ever passes.

A machine that is busy with other things spoils the run of any generator, and what it spoils is not held against the
server. So each record is judged as it is, where it must not pass; and as if the generator had had all the CPU that it
wants, where the verdict must be the one and only right one.
"""

import asyncio
import io
import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from rich.console import Console

from bench.capacity import suite
from bench.capacity.progress import Progress
from bench.capacity.record import Run
from bench.capacity.target import Options, under_test
from bench.capacity.verdict import CapacityVerdict, Objectives, judge
from tests.support.liar import Honest, serving
from tsa.protocol import der, tsp

RATE = 150
SHORT = Options(
    url=None,
    licences=2,
    stamps_per_licence_hour=RATE * 1800,
    duration_s=3.0,
    exhaust=False,
    pattern="poisson",
    seed=7,
    processes=1,
    verify_every=5,
    warm_up_s=0.2,
)
EXHAUSTING = replace(SHORT, licences=2, stamps_per_licence_hour=150, duration_s=1.0, exhaust=True)
WINDOW_S = 4
PATIENT = Objectives(p99_ms=1_000.0)
"""What a server in this process, beside other tests, can be held to."""


def run_against(authority: Honest, options: Options, folder: Path) -> Run:
    """A run of the real suite against a server in this process."""
    key = "an APP_KEY" if options.exhaust else ""
    with serving(authority) as url:
        asked = replace(options, url=url)
        with under_test(asked, key) as found, Progress(Console(file=io.StringIO())) as progress:
            return suite.conduct(asked, found, key, folder, progress)


def calm(run: Run) -> Run:
    """The run as a generator with CPU to spare would have kept it."""
    return replace(run, seconds=[second._replace(cpu=0.1, late_ms=1.0) for second in run.seconds])


def fails(verdict: CapacityVerdict) -> set[str]:
    return {reason.objective for reason in verdict.reasons if reason.effect == "fail"}


def voids(verdict: CapacityVerdict) -> set[str]:
    return {reason.objective for reason in verdict.reasons if reason.effect == "void"}


def sentences(verdict: CapacityVerdict) -> str:
    return "\n".join(str(reason.sentence) for reason in verdict.reasons)


class Slow(Honest):
    """One request of ten takes a second and a half."""

    async def answer(self, number: int, octets: bytes) -> bytes | None:
        if number % 10 == 0:
            await asyncio.sleep(1.5)
        return await super().answer(number, octets)


def test_a_slow_one_fails_by_its_p99(tmp_path: Path) -> None:
    run = run_against(Slow(SHORT.capacity), SHORT, tmp_path)
    assert judge(run, PATIENT).verdict != "pass"
    verdict = judge(calm(run), PATIENT)
    assert "latency" in fails(verdict)
    assert fails(verdict) <= {"latency", "rate"}  # what comes so late also comes after the end
    assert "were to come within 1,000 ms" in sentences(verdict)


class Repeats(Honest):
    """Now and then it gives out a token that it has given before."""

    _calls = itertools.count()
    _last = b""

    def token(self, request: tsp.TimeStampReq, now: int) -> bytes:
        if next(self._calls) % 40 or not self._last:
            self._last = super().token(request, now)
        return self._last


class RepeatsSerials(Honest):
    """Each of its serialNumbers serves twice."""

    _serial_pairs = (der.integer(number // 2) for number in itertools.count(1 << 100))

    def serial(self) -> bytes:
        return next(self._serial_pairs)


class DropsNonces(Honest):
    """One token of forty has no nonce."""

    _calls = itertools.count(1)

    def nonce(self, request: tsp.TimeStampReq) -> bytes:
        return request.nonce if next(self._calls) % 40 else b""


class BackDates(Honest):
    """One token of forty is an hour old when it is given."""

    _calls = itertools.count(1)

    def token(self, request: tsp.TimeStampReq, now: int) -> bytes:
        return super().token(request, now if next(self._calls) % 40 else now - 3_600_000_000)


class SignsWithAnotherKey(Honest):
    """All is as it should be, but for the key."""

    _other = ec.generate_private_key(ec.SECP256R1())

    def sign(self, signed: bytes) -> bytes:
        return self._other.sign(signed, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("liar", "fault"),
    [
        (Repeats, "imprint"),
        (RepeatsSerials, "repeated serialNumber"),
        (DropsNonces, "nonce"),
        (BackDates, "genTime"),
        (SignsWithAnotherKey, "not proved: Step 7"),
    ],
)
def test_a_wrong_token_fails_whatever_else_the_run_proves(liar: type[Honest], fault: str, tmp_path: Path) -> None:
    short = replace(SHORT, duration_s=1.0)
    verdict = judge(run_against(liar(short.capacity), short, tmp_path), PATIENT)
    assert verdict.verdict == "fail"
    assert fails(verdict) == {"tokens"}
    assert fault in sentences(verdict)


class TooMany(Honest):
    """Grants 1 % more than is sold."""

    def grants(self) -> int:
        return self.capacity * 101 // 100


class TooFew(Honest):
    """Grants 1 % less than is sold."""

    def grants(self) -> int:
        return self.capacity * 99 // 100


@pytest.mark.parametrize(
    ("liar", "missed", "said"),
    [
        (TooMany, {"quota"}, "The licences give 300 stamps in a window of 4 s; 303 were granted in one: 3 too many."),
        (TooFew, {"quota", "answers"}, "it was refused (HTTP 429) after 297: 3 too few."),
        (Honest, set(), ""),
    ],
)
def test_the_quota_is_judged_to_the_stamp(liar: type[Honest], missed: set[str], said: str, tmp_path: Path) -> None:
    run = run_against(liar(EXHAUSTING.capacity, WINDOW_S), EXHAUSTING, tmp_path)
    verdict = judge(calm(run), PATIENT)
    assert fails(verdict) == missed
    assert said in sentences(verdict)
    assert voids(verdict) == {"too few"}  # a second of so few licences has no p99
    met = {objective.name: objective.met for objective in verdict.objectives}
    assert (met["quota"], met["recovery"]) == ("missed" if missed else "met", "met")


class Restarts(Honest):
    """Is replaced by its successor in the middle of the run; nothing is lost."""

    def started(self) -> float:
        return 1e9 + (sum(self.stamps.values()) > RATE)


def test_one_that_restarts_makes_the_run_void(tmp_path: Path) -> None:
    run = run_against(Restarts(SHORT.capacity), SHORT, tmp_path)
    assert judge(run, PATIENT).verdict == "void"
    verdict = judge(calm(run), PATIENT)
    assert (fails(verdict), voids(verdict)) == (set(), {"restarted"})


def test_an_honest_one_passes_and_a_saturated_generator_makes_that_void(tmp_path: Path) -> None:
    run = run_against(Honest(SHORT.capacity), SHORT, tmp_path)
    verdict = judge(calm(run), PATIENT)
    assert (verdict.verdict, verdict.reasons) == ("pass", [])
    assert not fails(judge(run, PATIENT))


def test_a_rate_that_no_generator_keeps_up_with_makes_the_run_void(tmp_path: Path) -> None:
    flood = replace(SHORT, stamps_per_licence_hour=20_000 * 1800, duration_s=1.0, verify_every=200)
    verdict = judge(run_against(Honest(flood.capacity), flood, tmp_path))
    assert verdict.verdict == "void"
    assert {"unsent", "generator late"} <= voids(verdict)
