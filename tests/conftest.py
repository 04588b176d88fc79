"""The real server for the black-box tests: started once a key type or configuration, its log judged after each test."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.support import counts
from tests.support.server import Options, Server, start_server
from tests.support.stamping import Authority

KEY_TYPES = ["p256", "p384", "p521", "rsa2048", "rsa3072", "rsa4096", "ed25519"]
SECOND_POLICY = "2.999.3161.2"
TESTS = Path(__file__).parent
# Folders, files and tests with servers of their own, time that must pass, or much repetition.
SLOW = (
    "bench/capacity/test_liars.py",
    "bench/capacity/test_suite.py",
    "bench/cost/test_ceiling.py",
    "bench/cost/test_compare.py",
    "bench/cost/test_scale.py",
    "clock/test_gate.py",
    "commands/test_cli.py::test_inspect_what_was_damaged",
    "commands/test_verify.py",
    "conformance/test_limits.py",
    "conformance/test_token.py",
    "faults/test_disk.py",
    "faults/test_kill.py",
    "house/test_setup.py",
    "interop",
    "ledger/test_audit.py",
    "operate/test_initialise.py",
    "pages",
    "process/test_supervise.py",
    "protocol/test_fuzz_server.py",
    "protocol/test_tokens.py",
    "server/test_api.py",
    "server/test_application_changes.py",
    "server/test_applications.py",
    "server/test_capacity.py",
    "server/test_clock_accept.py",
    "server/test_deadlines.py",
    "server/test_drain.py",
    "server/test_hand_over.py::test_every_split",
    "server/test_logs.py",
    "server/test_metrics.py",
    "server/test_reload.py",
    "server/test_tls.py",
    "stamping/test_fairness.py::test_over_sockets",
    "stamping/test_fuzz.py",
    "verify/test_agreement.py",
    "verify/test_mutation.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the long proofs are."""
    parser.addoption("--long", type=int, default=1, metavar="N", help="tests marked `long` repeat N times as often")


def pytest_configure(config: pytest.Config) -> None:
    """Say so before the modules with these tests are imported."""
    counts.FACTOR = config.getoption("--long")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what `make test-quick` leaves out."""
    if f"{item.path.relative_to(TESTS)}::{item.name}".startswith(SLOW):
        item.add_marker("slow")


class Fleet:
    """Servers shared by a session: one for each name, started when first asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._servers: dict[str, Server] = {}

    def get(self, name: str, *, key: str = "p256", options: Options | None = None) -> Server:
        """The server of that name; *key* and *options* count when it is started."""
        if name not in self._servers:
            directory = self._root / name
            directory.mkdir()
            self._servers[name] = start_server(directory, key=key, options=options)
        return self._servers[name]

    def of_key(self, key: str) -> Server:
        """The server with a key of that type: one worker, a second accepted policy, else as `tsa init` leaves it."""
        return self.get(key, key=key, options={("policy", "accepted"): [SECOND_POLICY]})

    def stop(self) -> None:
        """Stop every server, then raise what went wrong with any."""
        failures = []
        for server in self._servers.values():
            try:
                server.stop()
            except AssertionError as failure:
                failures.append(str(failure))
        assert not failures, "\n".join(failures)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The servers of this session."""
    servers = Fleet(tmp_path_factory.mktemp("servers"))
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def server(fleet: Fleet) -> Server:
    """The server with the default key, P-256."""
    return fleet.of_key("p256")


@pytest.fixture(scope="session")
def authority(server: Server) -> Authority:
    """Asks `server` and judges its answers."""
    return Authority(server)


@pytest.fixture(params=KEY_TYPES)
def any_key(request: pytest.FixtureRequest, fleet: Fleet) -> Authority:
    """An authority for each key type."""
    return Authority(fleet.of_key(request.param))


LOG_POSITIONS = pytest.StashKey[dict[Server, int]]()


@pytest.fixture(autouse=True)
def judged_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test: no running server has logged a traceback."""
    request.node.stash[LOG_POSITIONS] = {server: len(server.log_text()) for server in Server.running}
    yield
    for server in list(Server.running):
        server.check_log()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the servers logged during a failed test to its report."""
    report = yield
    before = item.stash.get(LOG_POSITIONS, {})
    for server in Server.running if report.failed else ():
        if text := server.log_text()[before.get(server, 0) :]:
            report.sections.append((f"log of server {server.directory.name}", text[-4000:]))
    return report
