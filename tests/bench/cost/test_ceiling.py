"""tsa-bench ceiling, end to end: well-formed figures, nothing left behind, and a sample that is really verified."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench import cli, proc, server
from bench.cost import ceiling, limit
from bench.cost.ceiling import FIGURES, Ceiling, Cell
from bench.cost.load import drive
from bench.cost.sample import OPENSSL, OWN, verify

TSA_BENCH = Path(sys.executable).with_name("tsa-bench")


def bench(tmp_path: Path, *arguments: str) -> "subprocess.Popen[str]":
    """`tsa-bench ceiling` with its temporary files in tmp_path, so that what it leaves behind can be seen."""
    return subprocess.Popen(
        [TSA_BENCH, "ceiling", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "TMPDIR": str(tmp_path)},
    )


def serving(tmp_path: Path) -> list[int]:
    """The processes that were started with a folder in tmp_path."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"serve" in command and bytes(tmp_path) in command:
            found.append(int(process.name))
    return found


def test_figures_are_well_formed(tmp_path: Path) -> None:
    with bench(tmp_path, "--key", "p256,ed25519", "--seconds", "0.5", "--connections", "4", "--json") as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    found = json.loads(out)
    assert {"cpu", "cores", "kernel", "python", "openssl", "cryptography", "date", "command"} <= found["host"].keys()
    assert found["shared_core"] == (found["server_core"] == found["load_core"])
    assert found["stamps_per_licence_hour"] == 20_000
    assert [cell["connections"] for cell in found["results"]] == [4, 4]
    assert [cell["key"] for cell in found["results"]] == ["p256", "ed25519"]
    assert [cell["verifier"] for cell in found["results"]] == [OPENSSL, OWN]
    for cell in found["results"]:
        assert cell["not_measured"] == ""
        assert cell["generator_ceiling_per_s"] > cell["stamps_per_s"]
        assert cell["licences"] == pytest.approx(cell["stamps_per_s"] * 3600 / 20_000)
        assert cell["licences_per_core"] == pytest.approx(1e6 / cell["cpu_us"] * 3600 / 20_000)
        assert sum(cell["stages_us"].values()) == pytest.approx(cell["cpu_us"])
        assert (cell["wrong"], cell["faults"], cell["unverified"]) == (0, {}, [])
        assert cell["verified"] == cell["sampled"] > 0
        assert cell["ratio"] == cell["cpu_us"] / cell["raw_us"] > 0
        assert cell["stamps_per_s"] == pytest.approx(cell["stamps"] / cell["seconds"])
        assert 0 < cell["latency_ms"]["p50"] <= cell["latency_ms"]["p99"]
        assert 1 <= cell["mean_batch"] <= cell["connections"]
        assert cell["rss_mib"] > 0
    assert not serving(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_server_too_fast_for_the_generator_has_no_figure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def constant_per_s(*_: object, **__: object) -> float:
        asked.append(1)
        return 1.0

    monkeypatch.setattr(limit, "constant_per_s", constant_per_s)
    result = CliRunner().invoke(cli.app, ["ceiling", "--seconds", "0.2", "--connections", "2", "--json"])
    assert result.exit_code == 2
    assert len(asked) == 1 + limit.AGAIN  # the ceiling was measured again before the server was given up
    (cell,) = json.loads(result.stdout)["results"]
    assert cell["not_measured"] == limit.NOT_MEASURED == "not measured: the generator was the limit"
    assert {cell[name] for name in FIGURES} == {None}
    assert (cell["wrong"], cell["verified"]) == (0, cell["sampled"])


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_takes_its_server_along(tmp_path: Path, end: signal.Signals) -> None:
    with bench(tmp_path, "--seconds", "600", "--connections", "4") as process:
        while not serving(tmp_path):
            assert process.poll() is None
        process.send_signal(end)
        out, err = process.communicate()
    assert process.returncode not in (0, 1, 2)
    assert "Traceback" not in out + err
    assert not serving(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.fixture(params=["p256", "ed25519"])
def kept(request: pytest.FixtureRequest) -> Iterator[tuple[str, list[tuple[bytes, bytes]], Path]]:
    """Key, sample and folder of an authority that has just been under load."""
    with server.authority(request.param, proc.cores()[0]) as tsa:
        yield request.param, drive(tsa.port, 2, 0.2, lambda: 0, sample=4).sample, tsa.directory


def test_the_sample_is_verified_in_earnest(kept: tuple[str, list[tuple[bytes, bytes]], Path]) -> None:
    key, sample, directory = kept
    assert verify(key, sample, directory)[1] == []
    tampered = [(query, reply[:-1] + bytes([reply[-1] ^ 1])) for query, reply in sample]
    assert len(verify(key, tampered, directory)[1]) == len(sample) > 1
    crossed = [(query, reply) for (query, _), (_, reply) in pairwise(sample)]
    assert len(verify(key, crossed, directory)[1]) == len(crossed)


WITHOUT = {**dict.fromkeys(FIGURES), "not_measured": limit.NOT_MEASURED}


def found(**changed: Any) -> Ceiling:
    """A result as measured, with some figures changed."""
    cell: dict[str, Any] = {
        "key": "p256",
        "connections": 32,
        "stamps": 100_000,
        "seconds": 5.0,
        "not_measured": "",
        "stamps_per_s": 20_000.0,
        "licences": 3600.0,
        "licences_per_core": 3750.0,
        "cpu_us": 48.0,
        "raw_us": 24.0,
        "ratio": 2.0,
        "stages_us": {"signature": 24.0, "the rest": 24.0},
        "latency_ms": {"p50": 1.5, "p99": 2.5},
        "mean_batch": 30.0,
        "rss_mib": 60.0,
        "wrong": 0,
        "faults": {},
        "sampled": 20,
        "verified": 20,
        "verifier": OPENSSL,
        "unverified": [],
        "generator_us": 12.0,
        "generator_ceiling_per_s": 80_000.0,
    }
    host: dict[str, str | int] = dict.fromkeys(
        ["cpu", "cores", "kernel", "date", "python", "cryptography", "cryptography_openssl"], "x"
    )
    return Ceiling(host, 0, 1, False, 20_000, [Cell(**{**cell, **changed})])


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({}, 0, "20 of 20"),
        ({"wrong": 3, "faults": {"HTTP status 503": 3}}, 1, "3 wrong: HTTP status 503"),
        ({"verified": 19, "unverified": ["no trust"]}, 1, "did not verify: no trust"),
        ({"mean_batch": None}, 0, "not told"),
        (WITHOUT, 2, "32 connections: not measured: the generator was the limit"),
        ({**WITHOUT, "wrong": 1}, 1, "not measured"),
    ],
)
def test_exit_status_and_table(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, object], status: int, said: str
) -> None:
    monkeypatch.setattr(ceiling, "measure", lambda *_: found(**changed))
    result = CliRunner().invoke(cli.app, ["ceiling"])
    assert result.exit_code == status
    assert said in result.stdout


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_plot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    monkeypatch.setattr(ceiling, "measure", lambda *_: found())
    assert CliRunner().invoke(cli.app, ["ceiling", "--plot", str(tmp_path / f"plot.{kind}")]).exit_code == 0
    drawn = (tmp_path / f"plot.{kind}").read_bytes()
    words = [b"p256, 32", b"signature", b"the rest", b"20,000 stamps/s", b"3,600 licences"]
    assert drawn.startswith(b"\x89PNG") if kind == "png" else all(word in drawn for word in words)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--connections", "32,none"], "is not a list of numbers"),
        (["--connections", "0"], "is not a list of numbers"),
        (["--key", "p256,dsa"], "is none of p256"),
        (["--plot", "plot.gif"], "is no name of an .svg or .png file"),
        (["--plot", "/nowhere/plot.svg"], "is no name of an .svg or .png file"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(cli.app, ["ceiling", *arguments])
    assert result.exit_code == 2
    assert arguments[0] in result.stderr
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_what_stops_the_measurement_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failing = tmp_path / "tsa"
    failing.write_text("#!/bin/sh\necho 'tsa: the disk is full' >&2; exit 1\n")
    failing.chmod(0o755)
    monkeypatch.setattr(server, "TSA", failing)
    result = CliRunner().invoke(cli.app, ["ceiling", "--seconds", "0.1"])
    assert result.exit_code == 2
    assert "tsa init --key p256 failed: tsa: the disk is full" in result.stderr
    monkeypatch.setattr(server, "TSA", tmp_path / "absent")
    result = CliRunner().invoke(cli.app, ["ceiling", "--seconds", "0.1"])
    assert result.exit_code == 2
    assert "make setup" in result.stderr
