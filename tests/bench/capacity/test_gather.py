"""What is read of the generators while they write, what is watched beside them, and what is told of it."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from bench.capacity.gather import Gathering
from bench.capacity.plan import HEALTH, SAMPLES
from bench.capacity.progress import PLAIN_EVERY_S, Progress, SoFar, line
from bench.capacity.record import EXHAUSTED, GOOD, GRANTED, Sample
from bench.capacity.watch import OtherServer, OwnServer, Watch
from tests.support.server import Server


def written(serial: str, request: bytes = b"", fault: str = "") -> str:
    """A line as a generator writes it."""
    values = ["steady", GOOD, 1.0, 1.001, 1.002, GRANTED, GRANTED, fault, 1.7e9, serial, request.hex(), b"reply".hex()]
    return json.dumps(values) + "\n"


def test_a_serial_number_is_seen_twice_over_all_processes(tmp_path: Path) -> None:
    for process, serials in enumerate((("0a", "0b"), ("0c", "0a"))):
        (tmp_path / SAMPLES.format(process)).write_text("".join(map(written, serials)))
    gathering = Gathering(tmp_path, 2)
    gathering.read()
    assert [sample.fault for sample in gathering.samples] == ["", "", "", "repeated serialNumber"]


def test_a_line_is_read_once_it_is_whole(tmp_path: Path) -> None:
    file, gathering = tmp_path / SAMPLES.format(0), Gathering(tmp_path, 1)
    gathering.read()
    first, second = written("01"), written("02")
    for text, count in ((first + second[:20], 1), (second[20:], 2), ("", 2)):
        with file.open("a") as stream:
            stream.write(text)
        gathering.read()
        assert len(gathering.samples) == count
    (tmp_path / HEALTH.format(0)).write_text("[1.0, 0, 0.5, 3.0]\n")
    gathering.read()
    assert gathering.seconds == [(1.0, 0, 0.5, 3.0)]


def test_a_token_that_is_kept_is_verified(tmp_path: Path) -> None:
    lines = [written("01", b"right"), written("02", b"wrong"), written("03"), written("04", b"right", "nonce")]
    (tmp_path / SAMPLES.format(0)).write_text("".join(lines))
    gathering = Gathering(tmp_path, 1)
    gathering.read()
    gathering.verify(lambda request, reply: "" if (request, reply) == (b"right", b"reply") else "Step 7: no")
    found = [(sample.fault, sample.verified) for sample in gathering.samples]
    assert found == [("", True), ("not proved: Step 7: no", False), ("", False), ("nonce", True)]


def page(stamps: float, start: float | None = None) -> str:
    started = "" if start is None else f"# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {start}\n"
    return f"# TYPE tsa_stamps counter\ntsa_stamps_total {stamps}\n{started}"


def test_a_restart_shows_in_metrics() -> None:
    server = OtherServer("http://127.0.0.1:1/")
    identities = [server.identity(page(stamps)) for stamps in (5, 9, 2, 3)]
    assert identities[0] == identities[1] != identities[2] == identities[3]
    assert server.identity(page(4, 100.0)) != server.identity(page(4, 200.0))
    assert server.identity("") == ""


def test_a_worker_s_restart_shows_in_metrics() -> None:
    server = OtherServer("http://127.0.0.1:1/")
    name = "tsa_worker_start_time_seconds"
    pages = [
        page(5, 100.0) + f'{name}{{worker="0"}} {zero}\n{name}{{worker="1"}} 101\n' for zero in (101.5, 101.5, 160)
    ]
    identities = [server.identity(text) for text in pages]
    assert identities[0] == identities[1] != identities[2]


def test_a_moment_lost_between_the_clocks_is_no_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = {"monotonic": [100.0, 105.0, 105.0, 105.001, 106.0, 107.0], "time": [1004.9, 1005.0, 1006.9]}
    for name, values in moments.items():
        monkeypatch.setattr(time, name, iter(values).__next__)
    watch = Watch(100.0, lambda: "")
    watch.tick()
    monkeypatch.undo()
    assert watch.clock == [(5.0, 1000.0)]


def test_what_a_server_says_is_one_short_printable_line(tmp_path: Path) -> None:
    (tmp_path / SAMPLES.format(0)).write_text(written("01", b"any"))
    gathering = Gathering(tmp_path, 1)
    gathering.read()
    gathering.verify(lambda *_: "\x1b[31mred\n" + "x" * 1000)
    fault = gathering.samples[0].fault
    assert fault.startswith("not proved:  [31mred xxx")
    assert len(fault) < 250


def test_a_server_that_tells_nothing_gives_no_reading() -> None:
    watch = Watch(time.monotonic(), OtherServer("http://127.0.0.1:1/"))
    watch.tick()
    assert (len(watch.clock), watch.starts) == (1, [])


def test_a_server_that_is_there_gives_readings(server: Server) -> None:
    watch = Watch(time.monotonic() - 5, OtherServer(server.url))
    for _ in range(2):
        watch.tick()
    assert len({start.identity for start in watch.starts}) == 1
    assert len(watch.starts) == 2
    assert watch.starts[0].at >= 5
    assert abs(watch.clock[0].offset + watch.clock[0].at - time.time()) < 60


def test_a_process_that_another_replaced_is_another_server() -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    parent = OwnServer(os.getpid())
    with subprocess.Popen(sleeper) as child:
        one = OwnServer(os.getpid())
        before = one()
        assert str(child.pid) in before
        assert str(child.pid) not in parent()  # what is started later is none of those that serve
        child.kill()
    assert one() != before


def sample(done: float, got: str = GRANTED, expected: str = GRANTED) -> Sample:
    return Sample("steady", GOOD, done - 0.01, done - 0.005, done, expected, got)


def test_the_line_tells_rates_latencies_and_refusals() -> None:
    samples = [sample(at / 10) for at in range(100, 200)]
    samples += [sample(20.0, EXHAUSTED, EXHAUSTED), sample(20.0, "HTTP 503")]
    line(15.0, "steady", samples[:50], so_far := SoFar())
    told = line(20.0, "steady", samples, so_far)
    assert "granted 9.9/s" in told or "granted 10.0/s" in told
    assert "p50 10.0 ms, p99 10.0 ms" in told
    assert "102 requests, 1 due refusals, 1 wrong answers" in told
    assert "0 requests" in line(0.0, "starting", [], SoFar())


def test_without_a_terminal_a_line_comes_now_and_then() -> None:
    console = Console(file=(sink := io.StringIO()), force_terminal=False, width=200)
    with Progress(console) as progress:
        for at in range(PLAIN_EVERY_S * 2 + 1):
            progress.tell(float(at), "steady", [])
        progress.tell(PLAIN_EVERY_S * 2 + 2, "burst", [])
    assert [text.split()[0] for text in sink.getvalue().splitlines()] == [
        "0",
        str(PLAIN_EVERY_S),
        str(2 * PLAIN_EVERY_S),
        "22",
    ]
