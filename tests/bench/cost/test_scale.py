"""tsa-bench scale: its slopes on figures that we know, and each dimension once, tiny, on real servers."""

import json
import math
import os
import tempfile
from collections import Counter
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from typer.testing import CliRunner

from bench import BenchError, cli, server
from bench.cost import dimension, limit, load, scale
from bench.cost.dimension import Loader, Point, summed_up
from bench.cost.scale import Extent, Scale


def points(*pairs: tuple[float, float]) -> list[Point]:
    return [Point(x, stamps_per_s=1.0, cpu_us=y, latency_ms={"p50": 1.0, "p99": 2.0}) for x, y in pairs]


@pytest.mark.parametrize("exponent", [-0.5, 0.0, 1.0])
def test_the_slope_is_that_of_the_logarithms(exponent: float) -> None:
    found = summed_up("workers", points(*((x, 50 * x**exponent) for x in (1, 10, 1000))))
    assert found.exponent == pytest.approx(exponent)
    assert f"costs {2**exponent:.3f} times as much CPU" in found.sentence


def test_cells_not_done_do_not_bend_the_slope() -> None:
    found = summed_up("workers", [*points((1, 50), (2, 100)), Point(4, "not done: this machine has 2 cores")])
    assert found.exponent == pytest.approx(1.0)
    assert len(found.points) == 3
    alone = summed_up("workers", [*points((1, 50)), Point(4, "not done: this machine has 2 cores")])
    assert alone.exponent is None
    assert "no slope" in alone.sentence


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Scale:
    """A run with very little in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "WARM_UP_S", 0.05)
        patch.setattr(limit, "constant_per_s", lambda *_, **__: 1e9)
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("left")))
        return scale.measure(Extent(2_000, [1, 1000], [1, 8], [1, 3]), 0.2, 1, lambda _: None)


def test_every_dimension_is_measured(found: Scale) -> None:
    assert [each.name for each in found.dimensions] == ["workers", "connections", "applications", "ledger rows"]
    assert found.exit_status == 0
    for each in found.dimensions:
        done = [point for point in each.points if not point.not_done]
        assert done
        for point in done:
            assert point.wrong == 0
            assert point.stamps_per_s is not None
            assert point.stamps_per_s > 0
            assert point.cpu_us is not None
            assert point.cpu_us > 0
            assert point.latency_ms is not None
            assert 0 < point.latency_ms["p50"] <= point.latency_ms["p99"]


def test_what_was_varied_is_told(found: Scale) -> None:
    workers, connections, applications, rows = found.dimensions
    assert [point.x for point in connections.points] == [1, 8]
    assert [point.x for point in applications.points] == [1, 3]
    exponents = [each.exponent for each in (connections, applications, rows)]
    assert all(exponent is not None and math.isfinite(exponent) for exponent in exponents)
    empty, filled = (point for point in rows.points if not point.not_done)
    assert 0 < empty.x < filled.x
    assert filled.x > 2_000
    assert [point.x for point in rows.points if point.not_done] == [100_000, 1_000_000, 10_000_000]
    assert workers.points[1].not_done == f"not done: this machine has {len(os.sched_getaffinity(0))} cores"


def test_the_load_is_shared_out_among_the_applications(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "WARM_UP_S", 0.05)
    keys: list[str] = []

    def register(directory: Path) -> None:
        keys.extend(server.register(directory, name, scale.LICENCES) for name in ("one", "other"))

    with server.authority(scale.KEY, 0, prepare=register) as tsa:
        lines = [f"Authorization: Bearer {key}\r\n" for key in keys]
        run = load.drive(tsa.port, 4, 0.2, lambda: 0, way=load.Way(lines=lines))
        usage = [json.loads(_get(tsa.port, key))[0] for key in keys]
    assert not run.faults
    assert sum(each["stamps"] for each in usage) >= len(run.latencies)
    for each in usage:
        assert each["stamps"] > 0
        assert each["capacity"] == scale.LICENCES * 20_000


def _get(port: int, key: str) -> bytes:
    request = Request(f"http://127.0.0.1:{port}/api/v1/usage", headers={"Authorization": f"Bearer {key}"})
    with urlopen(request, timeout=10) as answer:  # noqa: S310
        return bytes(answer.read())


def test_a_ledger_is_filled_by_stamping_and_told_by_its_size(found: Scale) -> None:
    empty, filled = (point for point in found.dimensions[3].points if not point.not_done)
    assert [point.remark.endswith(" MiB at first") for point in (empty, filled)] == [True, True]
    assert int(empty.remark.split()[0].replace(",", "")) <= int(filled.remark.split()[0].replace(",", ""))


def test_a_ledger_that_cannot_be_filled_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrong = load.Run(faults=Counter({"HTTP status 503": 3}))
    monkeypatch.setattr(dimension, "drive", lambda *_: wrong)
    monkeypatch.setattr(server.Server, "batches", lambda _: (0.0, 0.0))
    with pytest.raises(BenchError, match=r"could not be filled; wrong answers: .*HTTP status 503"):
        Loader(0.1, 1, lambda _: None).fill(server.Server(1, 1, tmp_path), 1)


def test_the_ledger_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(load, "WARM_UP_S", 0.05)
    monkeypatch.setattr(limit, "constant_per_s", lambda *_, **__: 1e9)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    arguments = ["scale", "--only", "ledger rows", "--rows", "500", "--seconds", "0.2", "--rounds", "2", "--json"]
    done = CliRunner().invoke(cli.app, arguments)
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    (rows,) = json.loads(done.stdout)["dimensions"]
    empty, filled = (point for point in rows["points"] if not point["not_done"])
    assert f"CPU a stamp {filled['cpu_us'] / empty['cpu_us']:.3f}" in rows["sentence"]
    assert f"p99 {filled['latency_ms']['p99'] / empty['latency_ms']['p99']:.3f} times" in rows["sentence"]
    assert not list(tmp_path.iterdir()), "servers and their folders are gone"


def test_table_json_and_plot(found: Scale, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scale, "measure", lambda *_: found)
    table = CliRunner().invoke(cli.app, ["scale", "--plot", str(tmp_path / "plot.svg")])
    assert table.exit_code == 0
    assert "ledger rows: a stamp's CPU time goes as" in table.stdout
    assert "applications" in (tmp_path / "plot.svg").read_text()
    told = json.loads(CliRunner().invoke(cli.app, ["scale", "--json"]).stdout)
    assert [each["exponent"] for each in told["dimensions"]] == [each.exponent for each in found.dimensions]
