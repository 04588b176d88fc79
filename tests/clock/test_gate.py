"""The whole server, a real chronyd beside it, its wall clock stepped: what closes the gate, and what opens it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from asn1crypto.tsp import TimeStampResp

from tests.support.chronyd import Chronyd, needs_chronyd
from tests.support.faketime import WallClock, needs_faketime, wall_clock
from tests.support.processes import wait_until
from tests.support.query import Query
from tests.support.server import Server, init, set_option, start_server, tsa
from tests.support.token import refusal
from tsa.clock.journal import Journal
from tsa.ledger.archive import Archive

Make = Callable[..., Chronyd]

SETTINGS = {"poll_s": 0.5, "accuracy_floor_ms": 1, "max_accuracy_ms": 400, "drift_ppm": 100_000, "settle_s": 1.0}


@contextmanager
def serving(state: Path, clock: WallClock | None = None, **settings: object) -> Iterator[Server]:
    """A server whose [clock] is as `settings` say, under the wall clock `clock`."""
    init(state)
    options = {("clock", name): value for name, value in (SETTINGS | settings).items()}
    environment = clock.environment if clock else None
    server = start_server(state, workers=2, options=options, ready=(200, 503), environment=environment)
    try:
        yield server
    finally:
        server.stop()


def why_closed(server: Server) -> str:
    """What /readyz says against stamping; empty when it says nothing."""
    return " ".join(server.readiness()[1].get("reasons", ["nobody answers"]))


def assert_closed(server: Server) -> None:
    with server.connect() as connection:
        for _ in range(5):
            refusal(connection.post(Query().encode()), "timeNotAvailable")


def gen_time(server: Server) -> float:
    """Have something stamped: its genTime, seconds since the epoch."""
    with server.connect() as connection:
        response = TimeStampResp.load(connection.post(Query().encode()).body)
    info = response["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
    return float(info["gen_time"].native.timestamp())


def accuracy(server: Server) -> dict[str, Any]:
    with server.connect() as connection:
        response = TimeStampResp.load(connection.post(Query().encode()).body)
    info = response["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
    return dict(info["accuracy"].native)


def assert_all_between(server: Server, first: float, last: float) -> None:
    """No stamp of the ledger has a genTime that is not between two moments."""
    for record in Archive(server.directory / "ledger").records():
        assert first <= record.entry.gen_time / 1e6 <= last, record.gen_time


@needs_chronyd
def test_ntp_servers_that_are_wrong_and_that_fall_silent(tmp_path: Path, chronyd: Make) -> None:
    right = [chronyd().start() for _ in range(3)]
    wrong = [chronyd(follows=right[0], offset_s=offset).start().wait_synchronised() for offset in (5, -7)]
    names = [each.address for each in (right[0], wrong[0], right[1])]
    with serving(tmp_path / "state", sources=["ntp"], ntp_servers=names) as server:
        server.wait_ready()
        assert f"left out: {wrong[0].address}" in server.readiness()[1]["clock"]
        assert not accuracy(server)["seconds"], "better than the first run's second, because it is measured"

        names[2] = wrong[1].address
        set_option(server.directory, "clock", "ntp_servers", names)
        server.process.send_signal(1)
        wait_until(lambda: server.readiness()[0] == 503, "two of three are wrong")
        assert all(name in why_closed(server) for name in names)
        assert_closed(server)

        names = [each.address for each in right]
        set_option(server.directory, "clock", "ntp_servers", names)
        server.process.send_signal(1)
        server.wait_ready()
        for each in right:
            each.stop()
        wait_until(lambda: "more than [clock] max_accuracy_ms allows" in why_closed(server), "the bound outgrows it")
        assert_closed(server)
        for each in right:
            each.start()
        server.wait_ready()
        gen_time(server)
        with closing(Journal(server.directory)) as journal:
            kinds = [entry.kind for entry in journal.history() if entry.kind in ("opened", "closed")]
            verdicts = {entry.verdict for entry in journal.history()}
        assert [*dict.fromkeys(kinds)] == ["opened", "closed"]
        assert kinds[-1] == "opened"
        assert verdicts >= {"trusted", "not trusted", "no answer"}


@needs_chronyd
def test_chronyds_own_word(tmp_path: Path, chronyd: Make) -> None:
    servers = [chronyd().start() for _ in range(3)]
    follower = chronyd(follows=servers[0]).start().wait_synchronised()
    address, names = follower.command_address, [each.address for each in servers]
    with serving(tmp_path / "state", sources=["chrony", "ntp"], chrony=address, ntp_servers=names) as server:
        server.wait_ready()
        shown = tsa("clock", "--dir", server.directory, "--json")
        assert shown.returncode == 0
        sources = {row["source"]: row for row in json.loads(shown.stdout)["sources"]}
        assert sources["chrony"]["verdict"] == sources["ntp"]["verdict"] == "trusted"
        assert "stratum 2" in sources["chrony"]["why"]
        follower.stop()
        wait_until(lambda: server.readiness()[0] == 503, "the bound outgrows what is allowed")
        assert_closed(server)
        assert tsa("clock", "--dir", server.directory).returncode == 1
        follower.start().wait_synchronised()
        server.wait_ready()


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[WallClock]:
    with wall_clock(tmp_path / "wall") as made:
        yield made


@needs_chronyd
@needs_faketime
@pytest.mark.parametrize("by_s", [10, -10])
def test_a_measured_clock_that_is_stepped_and_set_right(
    tmp_path: Path, chronyd: Make, wall: WallClock, by_s: int
) -> None:
    """While it is wrong, every request is refused; no token has a genTime from the bad interval."""
    names = [chronyd().start().address for _ in range(3)]
    with serving(tmp_path / "state", wall, sources=["ntp"], ntp_servers=names) as server:
        began = time.time()
        server.wait_ready()
        gen_time(server)
        wall.set_offset(0.001)
        gen_time(server)
        wall.set_offset(by_s)
        assert_closed(server)
        wait_until(lambda: "may be off by" in why_closed(server), "it has been measured")
        assert_closed(server)
        wall.set_offset(0)
        server.wait_ready()
        gen_time(server)
        assert_all_between(server, began - 1, time.time() + 1)


@needs_faketime
def test_a_clock_taken_at_its_word_that_is_stepped(tmp_path: Path, wall: WallClock) -> None:
    with serving(tmp_path / "state", wall, sources=["system"], max_accuracy_ms=1000, drift_ppm=15) as server:
        server.wait_ready()
        gen_time(server)
        wall.set_offset(3600)
        assert_closed(server)
        server.wait_ready()
        assert abs(gen_time(server) - time.time() - 3600) < 60, "its word is all there is"
        wall.set_offset(0)
        assert_closed(server)
        wait_until(lambda: "tsa clock accept" in why_closed(server), "it has settled, before its own stamps")
        assert_closed(server)


def test_no_ledger_file_is_begun_by_a_clock_that_is_not_trusted(tmp_path: Path) -> None:
    """It would stand in whatever month that clock shows, and hold up every stamp before that."""
    nobody = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]
    with serving(tmp_path, sources=["ntp"], ntp_servers=nobody) as server:
        assert_closed(server)
        assert "opened when the clock is trusted" in why_closed(server)
        assert list((tmp_path / "ledger").glob("*/*")) == []
        with server.connect() as connection:
            page = connection.get("/metrics").body
        assert b"tsa_clock_trusted 0.0" in page
        assert b"tsa_clock_error_bound_seconds" not in page, "0 would be the best bound of all"
        set_option(tmp_path, "clock", "sources", ["system"])
        server.process.send_signal(1)
        server.wait_ready()
        gen_time(server)


def test_a_kernel_clock_that_nobody_synchronises_is_refused_at_start(tmp_path: Path) -> None:
    """As in many containers; where the kernel's clock is synchronised, the server starts."""
    init(tmp_path)
    set_option(tmp_path, "clock", "sources", ["kernel"])
    shown = tsa("clock", "--dir", tmp_path, "--json")
    if shown.returncode == 0:
        pytest.skip("this machine's kernel clock is synchronised")
    served = tsa("serve", "--dir", tmp_path, "--listen", "127.0.0.1:0")
    assert served.returncode == 1
    assert "The kernel's clock is not synchronised: start chronyd" in served.stderr
    assert "Traceback" not in served.stderr
