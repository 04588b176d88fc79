"""The load suite as a whole: Locust against the real server, and what it leaves."""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench import BenchError
from bench.capacity import authority, licence, record, target
from bench.capacity.findings import latency_ms, percentile
from bench.capacity.plan import KEY_VARIABLE, STATISTICS
from bench.capacity.record import EXHAUSTED, GOOD, GRANTED, Phase, Run
from bench.capacity.suite import planned
from bench.capacity.target import Options, Target, burst_s, own_window_s
from bench.capacity.verdict import CapacityVerdict, Objectives
from tests.conftest import Fleet
from tests.support import applications
from tests.support.server import Server
from tsa.verify.inspect import describe

TSA_BENCH = Path(sys.executable).with_name("tsa-bench")
PER_HOUR = 300
LICENCES = 2
WINDOW_S = 6

# What a machine that is busy with something else does to a measurement: then it proves nothing, which is void.
BUSY = {"generator late", "generator busy", "watch missing", "unsent", "latency", "rate"}
# And to a server on it, whose generator may still have what it needs.
SLOW = {"latency", "rate"}


def options(url: str | None, **changed: Any) -> Options:
    """A short run at 200 good requests a second."""
    usual: dict[str, Any] = {
        "licences": LICENCES,
        "stamps_per_licence_hour": 360_000,
        "duration_s": 3.0,
        "exhaust": False,
        "pattern": "poisson",
        "seed": 1,
        "processes": 1,
        "warm_up_s": 0.5,
        "verify_every": 5,
    }
    return Options(url=url, **{**usual, **changed})


def prove(asked: Options, folder: Path, key: str = "") -> tuple[CapacityVerdict, Run]:
    """A run, with its record read back from the folder."""
    console = Console(stderr=True, quiet=True)
    verdict = licence.prove(asked, key, folder, Objectives(), console)
    return verdict, record.read(folder)


def reached(asked: Options, key: str) -> int:
    assert asked.url is not None
    return target.licensed_window_s(asked.url, asked, key)


def reasons(verdict: CapacityVerdict, effect: str) -> set[str]:
    return {reason.objective for reason in verdict.reasons if reason.effect == effect}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, "subprocess.CompletedProcess[str]"]:
    """The command on a server of its own, with few stamps to use up: its folder, and how it ended."""
    folder = tmp_path_factory.mktemp("own") / "report"
    command = [TSA_BENCH, "licence", "--licences", LICENCES, "--stamps-per-licence-hour", PER_HOUR, "--duration", 2]
    line = [*map(str, command), "--out", str(folder), "--seed", "7"]
    return folder, subprocess.run(line, capture_output=True, text=True, timeout=200, check=False)


@pytest.fixture(scope="module")
def live(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CapacityVerdict, Run]:
    """Two generator processes on a server that is there: the folder, the verdict, the record."""
    folder = tmp_path_factory.mktemp("live")
    return folder, *prove(options(server.url, processes=2), folder)


def test_the_quota_is_exact_to_the_stamp(own: tuple[Path, "subprocess.CompletedProcess[str]"]) -> None:
    run = record.read(own[0])
    assert [phase.name for phase in run.phases] == list(Phase)
    window = max(each.gen_time for each in run.of(Phase.BURST) if each.gen_time) // run.window_s
    stamps = [each for each in run.samples if each.gen_time and each.gen_time // run.window_s == window]
    assert len(stamps) == LICENCES * PER_HOUR == run.capacity
    assert {each.got for each in run.of(Phase.EDGE)} == {EXHAUSTED}
    assert {each.got for each in run.of(Phase.RECOVERY)} == {GRANTED}
    assert run.not_done == []


def test_the_command_says_its_verdict(own: tuple[Path, "subprocess.CompletedProcess[str]"]) -> None:
    folder, done = own
    kept = json.loads((folder / "verdict.json").read_text())
    # Two seconds at one stamp in six are too few for a p99, so this run can be nothing but void.
    assert (kept["verdict"], done.returncode) == ("void", 2), done.stderr
    assert "verdict: void" in done.stdout
    assert {each["met"] for each in kept["objectives"] if each["name"] in ("quota", "recovery", "tokens")} == {"met"}
    assert "burst" in done.stderr


def test_the_report_has_a_token_of_the_authority(own: tuple[Path, "subprocess.CompletedProcess[str]"]) -> None:
    page, token = ((own[0] / name).read_bytes() for name in ("report.html", "report.html.tsr"))
    assert hashlib.sha256(page).digest() in token
    assert describe(token)[0] == "TimeStampResp"


def test_the_report_s_token_is_proved_when_its_server_is_gone(
    own: tuple[Path, "subprocess.CompletedProcess[str]"],
) -> None:
    command = ["openssl", "ts", "-verify", "-data", "report.html", "-in", "report.html.tsr", "-CAfile", licence.CA]
    done = subprocess.run(command, cwd=own[0], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_server_that_does_it_right_does_not_fail(live: tuple[Path, CapacityVerdict, Run]) -> None:
    _, verdict, run = live
    assert reasons(verdict, "fail") <= SLOW
    assert reasons(verdict, "void") <= BUSY
    good = [each for each in run.of(Phase.STEADY) if each.kind == GOOD]
    assert len(good) == 600
    assert {each.got for each in good} == {GRANTED}
    assert {each.fault for each in run.samples} == {""}
    assert {each.kind for each in run.samples} > {GOOD}
    assert all(each.got == each.expected for each in run.samples)
    assert sum(each.verified for each in run.samples) > 100
    assert run.not_done == ["not done: live quota"]
    assert {second.process for second in run.seconds} == {0, 1}


def test_latency_counts_from_the_scheduled_moment(live: tuple[Path, CapacityVerdict, Run]) -> None:
    for sample in live[2].samples:
        assert sample.scheduled <= sample.sent <= sample.done


def test_locust_counted_what_we_counted(live: tuple[Path, CapacityVerdict, Run]) -> None:
    """Of each phase and kind: as many requests, and percentiles within Locust's rounding (ms, or two digits)."""
    folder, _, run = live
    theirs = json.loads((folder / STATISTICS).read_text())
    ours: dict[str, list[float]] = {"Aggregated": sorted(map(latency_ms, run.samples))}
    for sample in run.samples:
        ours.setdefault(f"{sample.phase}: {sample.kind}", []).append(latency_ms(sample))
    assert {name: entry["requests"] for name, entry in theirs.items()} == {
        name: len(latencies) for name, latencies in ours.items()
    }
    assert {entry["failures"] for entry in theirs.values()} == {0}
    for name in ("Aggregated", "steady: good"):
        ordered = sorted(ours[name])
        for figure, percent in (("median_ms", 50), ("p99_ms", 99)):
            low, high = (percentile(ordered, percent + by) for by in (-1, 1))
            assert 0.95 * low - 1 <= theirs[name][figure] <= 1.05 * high + 1


def test_an_application_is_known_by_its_key_which_is_kept_nowhere(fleet: Fleet, tmp_path: Path) -> None:
    server = fleet.get(
        "bench-application",
        options={("licence", "window_s"): WINDOW_S, ("licence", "stamps_per_licence_hour"): PER_HOUR},
    )
    key = applications.add(server.directory, "bench", LICENCES)
    wait_until_known(server, key)
    asked = options(server.url, stamps_per_licence_hour=PER_HOUR, duration_s=1.0, exhaust=True)
    verdict, run = prove(asked, tmp_path, key)
    assert reasons(verdict, "fail") <= SLOW
    assert (run.window_s, run.capacity, run.used_before) == (WINDOW_S, LICENCES * PER_HOUR, 0)
    assert {each.got for each in run.of(Phase.EDGE)} == {EXHAUSTED}
    assert not [file for file in tmp_path.iterdir() if key.encode() in file.read_bytes()]
    with pytest.raises(BenchError, match="600 stamps a window, and 3 licences of 300 are 900"):
        reached(options(server.url, licences=3, stamps_per_licence_hour=PER_HOUR), key)


def wait_until_known(server: Server, key: str) -> None:
    limit = time.monotonic() + 30
    while True:
        try:
            authority.usage(server.url, key)
        except BenchError:
            assert time.monotonic() < limit
            time.sleep(0.05)
        else:
            return


@pytest.mark.parametrize(
    ("url", "key", "sentence"),
    [
        ("http://[::1/", "", "is no address of a time-stamp authority"),
        ("http://127.0.0.1:99999/", "", "is no address of a time-stamp authority"),
        ("{url}tsa/SECRET", "", "seems to hold a credential"),
        ("http://user:SECRET@127.0.0.1:1/", "", "seems to hold a credential"),
        ("http://127.0.0.1:1/?key=SECRET", "", "seems to hold a credential"),
        ("ftp://tsa.example/", "", "is no address of a time-stamp authority"),
        ("http://127.0.0.1:1/", "", "cannot be reached"),
        ("{url}healthz", "", "does not answer as a time-stamp authority"),
        ("{url}", "nobody's", "does not know the APP_KEY"),
    ],
)
def test_what_is_wrong_with_the_target_is_a_sentence(server: Server, url: str, key: str, sentence: str) -> None:
    with pytest.raises(BenchError, match=sentence) as raised:
        reached(options(url.format(url=server.url)), key)
    assert "SECRET" not in str(raised.value)


def test_the_key_is_taken_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    monkeypatch.setenv(KEY_VARIABLE, "from the environment")
    assert licence.app_key(None) == "from the environment"
    file.write_text("of the file\n")
    assert licence.app_key(file) == "of the file"
    for wrong in ("", "two\nlines", "schlüssel"):
        file.write_text(wrong)
        with pytest.raises(BenchError, match="holds no APP_KEY"):
            licence.app_key(file)
    with pytest.raises(BenchError, match="cannot be read"):
        licence.app_key(tmp_path / "absent")


@given(st.integers(1, 100_000), st.floats(1, 7200), st.floats(1.7e9, 1.8e9), st.floats(1, 8))
def test_a_window_of_our_own_leaves_time_to_use_it_up(
    per_hour: int, duration: float, now: float, slower: float
) -> None:
    asked = options(None, stamps_per_licence_hour=per_hour, duration_s=duration)
    needed = burst_s(asked, slower)
    assert asked.capacity / target.BURST_PER_S <= needed
    window = own_window_s(asked, needed, now)
    ends = window - (now + target.STARTING_S + asked.warm_up_s + duration) % window
    assert needed <= window <= 3600
    assert ends + window >= needed


def test_a_machine_is_crowded_by_others() -> None:
    assert target.crowding() >= 1


def test_a_live_customers_stamps_are_left_alone_unless_asked() -> None:
    live = Target("http://127.0.0.1:9/", 3600, 60.0, False, lambda: "")
    assert planned(options(live.url), live).exhaust == 0
    assert planned(options(live.url, exhaust=True), live).exhaust == LICENCES * 360_000


def test_gevent_stays_in_the_process_of_locust_and_matplotlib_waits() -> None:
    """gevent changes a process as a whole, and the other commands measure; matplotlib takes most of a second."""
    check = "import sys, bench.cli; sys.exit(bool({'gevent', 'locust', 'matplotlib'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", check], timeout=60, check=False).returncode == 0
