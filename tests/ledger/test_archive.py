"""All files as one ledger: what is found in it, octet for octet, and how few rows are read to find it."""

import asyncio
import base64
import csv
import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.support.faulty_ledger import START, Desk, application, control, query_for
from tests.support.token import read_token
from tests.support.units import unit
from tsa.commands.ledger import app
from tsa.ledger import imprints, segment
from tsa.ledger.archive import Archive, Record, newest_gen_time
from tsa.ledger.segment import LedgerFault
from tsa.licensing.applications import add, new_key
from tsa.licensing.store import SqliteApplications
from tsa.operate.ledger import Stamp
from tsa.protocol.der import dotted
from tsa.state import layout

DAY_US = 86_400_000_000
DECEMBER = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp() * 1e6)
SHOP = application(2, "shop")


class Kept:
    """A ledger of two workers, three months and a file too large; `sent` is every token, `shops` those of the shop."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.sent: list[bytes] = []
        self.shops: list[bytes] = []

    async def fill(self) -> None:
        for worker in (0, 3):
            desk = Desk(self.state, worker)
            for month in range(3):
                desk.time_us = START + month * 31 * DAY_US + worker * 500
                desk.open()
                await self._stamp(desk, worker, month)
            desk.ledger._begin(segment.name_of("2027-01", worker, 1), segment.name_of("2027-01", worker, 0))
            await self._stamp(desk, worker, 3)
            await desk.ledger.close()

    async def _stamp(self, desk: Desk, worker: int, month: int) -> None:
        desk.use(
            unit("p256" if month % 2 else "ed25519"),
            token={"fraction_digits": 3 * month % 7},
            clock={"max_accuracy_ms": 2000},
        )
        for number in range(6):
            by = SHOP if number % 2 else desk.anyone
            tokens = await desk.stamp([number * 10 + worker, 7], by)
            self.sent += tokens
            self.shops += tokens if by is SHOP else []

    @property
    def archive(self) -> Archive:
        return Archive(layout.ledger(self.state))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    state = tmp_path_factory.mktemp("state")
    with closing(control(state)) as opened:
        add(SqliteApplications(opened), "shop", key=new_key())
    kept = Kept(state)
    asyncio.run(kept.fill())
    return kept


def test_every_token_as_it_was_sent(kept: Kept) -> None:
    records = list(kept.archive.records())
    assert [record.token for record in records] == kept.sent
    assert len(kept.sent) == kept.archive.count() == 96
    assert len({record.segment for record in records}) == 8
    assert {record.application for record in records} == {1, 2}
    assert [record.token for record in kept.archive.records(application=2)] == kept.shops


def test_the_columns_are_what_the_token_says(kept: Kept) -> None:
    certificates = {key: unit(key).chain.certificate for key in ("p256", "ed25519")}
    for number, record in enumerate(kept.archive.records()):
        key = "p256" if number // 12 % 2 else "ed25519"
        raw = record.token[9:] if record.token[1] == 0x82 else record.token[8:]
        token = read_token(raw, certificates[key])
        text = token.info.gen_time
        assert record.gen_time == f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:{text[12:]}"
        assert datetime.fromisoformat(record.gen_time).timestamp() == pytest.approx(record.entry.gen_time / 1e6, abs=1)
        assert record.entry.serial == token.info.serial.to_bytes(20, "big")
        assert record.policy == dotted(record.entry.policy) == "2.999.3161.1"
        assert token.info.imprint.endswith(record.entry.imprint)
        assert bool(token.certificates) == record.entry.cert_req
    assert number == 95


def test_every_serial_is_found(kept: Kept) -> None:
    for record in kept.archive.records():
        assert kept.archive.find_serial(record.entry.serial) == record


def changed(serial: bytes, at: int, octets: bytes) -> bytes:
    return serial[:at] + octets + serial[at + len(octets) :]


@pytest.mark.parametrize(
    "change",
    [
        lambda serial: b"",
        lambda serial: serial[:19],
        lambda serial: serial + b"\0",
        lambda serial: bytes(20),
        lambda serial: b"\x7f" + b"\xff" * 19,
        lambda serial: changed(serial, 11, b"\x00\x07"),
        lambda serial: changed(serial, 11, b"\xff\xff"),
        lambda serial: changed(serial, 7, b"\x01"),
        lambda serial: changed(serial, 13, b"\x01"),
        lambda serial: changed(serial, 19, bytes([serial[19] ^ 1])),
        lambda serial: changed(serial, 6, bytes([serial[6] ^ 1])),
        lambda serial: changed(serial, 0, b"\x79"),
        lambda serial: changed(serial, 0, b"\xff"),
    ],
)
def test_a_serial_that_is_not_ours(kept: Kept, change: Callable[[bytes], bytes]) -> None:
    for record in list(kept.archive.records())[::7]:
        assert kept.archive.find_serial(change(record.entry.serial)) is None


def test_every_imprint_is_found(kept: Kept) -> None:
    by_imprint: dict[bytes, list[Record]] = {}
    for record in kept.archive.records():
        by_imprint.setdefault(record.entry.imprint, []).append(record)
    assert max(map(len, by_imprint.values())) == 48
    for imprint, records in by_imprint.items():
        assert list(kept.archive.find_imprint(imprint)) == records
    shared = changed(next(iter(by_imprint)), 8, bytes(24))  # the octets that are indexed, and others after them
    for unknown in (shared, bytes(32), b"", bytes(64)):
        assert list(kept.archive.find_imprint(unknown)) == []


@pytest.mark.parametrize("since", [0, START, START + 3_000, START + DAY_US, DECEMBER, DECEMBER + 60 * DAY_US])
def test_since(kept: Kept, since: int) -> None:
    wanted = [record for record in kept.archive.records() if record.entry.gen_time >= since]
    assert list(kept.archive.records(since)) == wanted
    assert kept.archive.count(since) == len(wanted)


async def test_the_index_of_imprints_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search reads only the rows that are new, in runs; an index that was deleted is made again."""
    monkeypatch.setattr(imprints, "BATCH", 4)
    desk, archive = Desk(tmp_path).open(), Archive(layout.ledger(tmp_path))
    index = layout.imprint_index(archive.folder / "2026-11/0.db")

    def wanted(number: int) -> bytes:
        return query_for(number).imprint[-32:]

    for first in (0, 10, 20):
        sent = await desk.stamp(range(first, first + 10))
        for number, token in zip(range(first, first + 10), sent, strict=True):
            assert [record.token for record in archive.find_imprint(wanted(number))] == [token]
        with closing(sqlite3.connect(index)) as connection:
            assert connection.execute("SELECT count(*), max(seq) FROM imprint").fetchone() == (first + 10, first + 10)
    with closing(sqlite3.connect(index)) as connection:
        connection.execute("DELETE FROM imprint WHERE seq = 30")
        connection.commit()
    assert list(archive.find_imprint(wanted(29))) == [], "rows that were indexed once are not read again"
    index.unlink()
    assert len(list(archive.find_imprint(wanted(29)))) == 1
    index.write_bytes(b"no index" * 1000)
    with pytest.raises(LedgerFault, match=r"0\.imprints cannot be used: file is not a database\. It may be deleted\."):
        list(archive.find_imprint(wanted(29)))


# How much is read.


class Counting(sqlite3.Connection):
    """Counts the steps of SQLite's machine, several of which go into each row that is looked at."""

    steps = 0

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.set_progress_handler(self._step, 1)

    def _step(self) -> int:
        Counting.steps += 1
        return 0


@pytest.fixture(scope="module", params=[1 << 10, 1 << 17], ids="{} rows".format)
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder whose ledger was filled by SQL, ten rows a genTime."""
    state = tmp_path_factory.mktemp("large")
    control(state).close()
    desk = Desk(state).open()
    asyncio.run(desk.stamp([0]))
    with closing(sqlite3.connect(desk.folder / "2026-11/0.db")) as connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO stamp SELECT 1 + i, gen_time + i / 10 * 1000, randomblob(20), application, policy,"
            " randomblob(32), cert_req, tsu, tst_info, signature, link FROM n, stamp WHERE seq = 1",
            (request.param - 1,),
        )
        rows = connection.execute("SELECT gen_time, seq FROM stamp").fetchall()
        connection.executemany(
            "UPDATE stamp SET serial = ? WHERE seq = ?",  # as serial.py makes them
            [(bytes.fromhex(f"{at:014x}0a0b0c0d0000{seq:06x}01020304"), seq) for at, seq in rows],
        )
        connection.commit()
    return state


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[], object]], int]]:
    """How many steps SQLite takes for something."""
    connect = sqlite3.connect

    def counted(work: Callable[[], object]) -> int:
        Counting.steps = 0
        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", lambda *args, **more: connect(*args, factory=Counting, **more))
            work()
        return Counting.steps

    yield counted
    assert sqlite3.connect is connect


def test_a_serial_is_found_by_halving(large: Path, steps: Callable[[Callable[[], object]], int]) -> None:
    """Some 20 rows read of 131,072, each some 10 steps; and the same for one that is not there, at any place."""
    archive = Archive(layout.ledger(large))
    total = archive.count()
    with segment.reading(archive.folder / "2026-11/0.db") as connection:
        rows = connection.execute(
            "SELECT seq, serial FROM stamp WHERE seq IN (2, ?, ?)", (total // 2, total)
        ).fetchall()
    assert len(rows) == 3
    found: list[Record | None] = []

    def steps_to(serial: bytes) -> int:
        return steps(lambda: found.append(archive.find_serial(serial)))

    for seq, serial in rows:
        assert steps_to(serial) < 1500
        assert [record.seq for record in found if record] == [seq]
        assert steps_to(changed(serial, 19, b"\xee")) < 1500
        assert found.pop() is None
        found.clear()
    assert steps(lambda: list(archive.records())) > 10 * total


def test_an_imprint_is_found_by_its_index(large: Path, steps: Callable[[Callable[[], object]], int]) -> None:
    archive = Archive(layout.ledger(large))
    with segment.reading(archive.folder / "2026-11/0.db") as connection:
        [imprint] = connection.execute("SELECT imprint FROM stamp WHERE seq = 777").fetchone()
    first = steps(lambda: list(archive.find_imprint(imprint)))
    found: list[Record] = []
    assert steps(lambda: found.extend(archive.find_imprint(imprint))) < 500
    assert [record.seq for record in found] == [777]
    assert first > 10 * archive.count(), "the first search has read every row, to index it"


# The commands.


def run(state: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [arguments[0], "--dir", str(state), *arguments[1:]])


def found(result: Result) -> list[dict[str, str]]:
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == (0 if lines else 1)
    assert all(tuple(line) == Stamp._fields for line in lines)
    return lines


def test_export(kept: Kept) -> None:
    lines = found(run(kept.state, "export", "--format", "jsonl"))
    assert [base64.b64decode(line["token"]) for line in lines] == kept.sent
    table = list(csv.DictReader(io.StringIO(run(kept.state, "export", "--format", "csv").stdout, newline="")))
    assert table == lines
    record = next(kept.archive.records())
    assert lines[0] == {
        "serial": record.entry.serial.hex(),
        "gen_time": record.gen_time,
        "app": "anonymous",
        "policy": "2.999.3161.1",
        "imprint": record.entry.imprint.hex(),
        "token": base64.b64encode(record.token).decode(),
    }
    later = found(run(kept.state, "export", "--since", "2027-01-01"))
    assert later == [line for line in lines if line["gen_time"] >= "2027"]
    assert later


def test_find(kept: Kept) -> None:
    lines = found(run(kept.state, "export"))
    one = lines[17]
    assert one["app"] == "anonymous"
    spelled = ("0x" + one["serial"], one["serial"].upper(), bytes.fromhex(one["serial"]).hex(":"))
    for serial in (one["serial"], *spelled, one["serial"].lstrip("0")):
        assert found(run(kept.state, "find", "--serial", serial)) == [one]
    same = [line for line in lines if line["imprint"] == one["imprint"]]
    assert found(run(kept.state, "find", "--imprint", one["imprint"])) == same
    assert len(same) > 1
    shops = [line for line in lines if line["app"] == "shop"]
    assert found(run(kept.state, "find", "--app", "shop")) == shops
    late = [line for line in lines if line["gen_time"] >= "2026-12-23"]
    assert found(run(kept.state, "find", "--since", "2026-12-23")) == late
    both = [line for line in shops if line in late]
    assert found(run(kept.state, "find", "--app", "shop", "--since", "2026-12-23T00:00:00")) == both
    assert found(run(kept.state, "find", "--serial", one["serial"], "--imprint", one["imprint"])) == [one]


@pytest.mark.parametrize(
    "conditions",
    [
        ["--serial", "00" * 20],
        ["--serial", "abc"],
        ["--imprint", "00" * 32],
        ["--since", "2099-01-01"],
    ],
)
def test_find_nothing(kept: Kept, conditions: list[str]) -> None:
    assert found(run(kept.state, "find", *conditions)) == []


def test_conditions_must_all_hold(kept: Kept) -> None:
    one = found(run(kept.state, "export"))[0]
    for other in (["--app", "shop"], ["--imprint", "00" * 32], ["--since", "2099-01-01"]):
        assert found(run(kept.state, "find", "--serial", one["serial"], *other)) == []


def test_what_makes_no_sense_is_told(kept: Kept) -> None:
    nothing = run(kept.state, "find")
    assert nothing.exit_code == 2
    assert "Say what to find" in nothing.stderr
    for option in ("--serial", "--imprint"):
        wrong = run(kept.state, "find", option, "no hex")
        assert wrong.exit_code == 2
        assert f"{option}: 'no hex' is not hexadecimal" in " ".join(wrong.stderr.split())
    unknown = run(kept.state, "find", "--app", "nobody")
    assert isinstance(unknown.exception, LedgerFault)
    assert str(unknown.exception).startswith("There is no application 'nobody'")


async def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """What SQLite finds wrong with it, in a sentence that names it, whatever is asked."""
    control(tmp_path).close()
    desk = Desk(tmp_path).open()
    await desk.stamp(range(30))
    await desk.ledger.close()
    path = desk.folder / "2026-11/0.db"
    path.write_bytes(path.read_bytes()[:-12_288])
    serial = f"{desk.time_us:014x}0a0b0c0d00000000000000000000"[:40]
    for command in (["export"], ["find", "--serial", serial], ["find", "--imprint", "00" * 32], ["find", "--app"]):
        fault = run(tmp_path, *command, *(["anonymous"] if command[-1] == "--app" else [])).exception
        assert isinstance(fault, LedgerFault)
        assert str(fault) == f"{path} cannot be read: database disk image is malformed."


# The newest genTime, which the clock may not be before.


async def test_the_newest_gen_time_of_all_workers_is_known(tmp_path: Path) -> None:
    assert newest_gen_time(layout.ledger(tmp_path), 0) == 0
    early, late = Desk(tmp_path).open(), Desk(tmp_path, worker=1).open()
    await early.stamp([1])
    late.time_us += 5_000_000
    await late.stamp([1, 2])
    late.ledger._begin(segment.name_of("2026-11", 1, 1), segment.name_of("2026-11", 1, 0))  # it has no rows yet
    assert newest_gen_time(layout.ledger(tmp_path), 0) == late.time_us
    assert newest_gen_time(layout.ledger(tmp_path), 1) == 0, "there are no files of this epoch"
    await early.ledger.close()
    await late.ledger.close()


async def test_a_file_of_a_later_month_counts_though_it_is_empty(tmp_path: Path) -> None:
    """A clock that ran ahead began it; nothing can be recorded before it, so there must be something to accept."""
    desk = Desk(tmp_path).open()
    await desk.stamp([1])
    desk.ledger.open(DECEMBER + DAY_US)
    with pytest.raises(LedgerFault, match="behind the newest row"):
        desk.ledger.open(desk.time_us)
    assert newest_gen_time(layout.ledger(tmp_path), 0) == DECEMBER
    await desk.ledger.close()
