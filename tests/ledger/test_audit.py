"""`tsa ledger verify` against somebody who may write the ledger's files: it says what is wrong and where, exit 1."""

# ruff: noqa: S608 - it is the tests that tamper

import asyncio
import itertools
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from typer.testing import CliRunner

from tests.support.faulty_ledger import START, Desk, assert_whole, audit, control, keep_heads
from tests.support.token import read_token
from tests.support.units import unit
from tsa.commands.ledger import app
from tsa.ledger import segment
from tsa.ledger.archive import Archive
from tsa.ledger.row import Entry, link
from tsa.state import layout

FILES = {"2026-10/0.db": 12, "2026-11/0.db": 12, "2026-11/0-01.db": 12, "2026-10/1.db": 5}
MIDDLE = "2026-11/0.db"
NEWEST = "2026-11/0-01.db"
MONTH_US = 31 * 86_400_000_000
BLOBS = ("serial", "policy", "imprint", "tst_info", "signature", "link")
NUMBERS = ("gen_time", "application", "cert_req", "tsu")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two workers' ledger: FILES, their rows, and the heads as they are."""
    state = tmp_path_factory.mktemp("state")
    control(state).close()
    asyncio.run(_write(state))
    keep_heads(state)
    assert_whole(state, sum(FILES.values()))
    return state


async def _write(state: Path) -> None:
    desk = Desk(state)
    desk.time_us -= MONTH_US
    desk.open()
    for month in range(2):
        desk.time_us = START + (month - 1) * MONTH_US
        for first in range(0, 12, 3):
            desk.use(unit("p256" if first else "ed25519"))
            await desk.stamp(range(first, first + 3))
        keep_heads(state)  # of those files that are written to, each minute
    desk.ledger._begin(NEWEST, MIDDLE)  # as it does when a file has grown too large
    for number in range(12):
        await desk.stamp([number])
    await desk.ledger.close()
    other = Desk(state, worker=1)
    other.time_us -= MONTH_US
    await other.open().stamp(range(5))
    await other.ledger.close()


@pytest.fixture
def state(original: Path, tmp_path: Path) -> Path:
    """A copy that may be tampered with."""
    return Path(shutil.copytree(original, tmp_path / "state"))


def tamper(state: Path, name: str, *statements: str) -> None:
    """Change a file behind the server's back."""
    with closing(sqlite3.connect(layout.ledger(state) / name)) as connection:
        connection.executescript(";".join(statements))


def faults(state: Path) -> dict[str, str]:
    """What `tsa ledger verify` says of each file that is not whole, its JSON and its table being of one mind."""
    told = CliRunner().invoke(app, ["verify", "--dir", str(state), "--json"])
    shown = CliRunner().invoke(app, ["verify", "--dir", str(state)])
    answer = json.loads(told.stdout)
    found = {each["file"]: each["fault"] for each in answer["files"] if each["fault"] is not None}
    assert told.exit_code == shown.exit_code == (1 if found else 0)
    assert answer["whole"] is not bool(found)
    assert ("The ledger is whole." in shown.stdout) is not bool(found)
    for name, fault in found.items():
        assert name in shown.stdout
        assert " ".join(fault.split()[:3]) in shown.stdout
    return found


def test_a_whole_ledger(state: Path) -> None:
    assert faults(state) == {}
    answer = json.loads(CliRunner().invoke(app, ["verify", "--dir", str(state), "--json"]).stdout)
    assert answer["rows"] == sum(FILES.values())
    assert {each["file"]: each["rows"] for each in answer["files"]} == FILES


def flipped(blob: str, octet: int) -> str:
    """SQL for a BLOB column with the lowest bit of an octet (from 1; from the end where negative) flipped."""
    at = f"{octet}" if octet > 0 else f"length({blob}) + 1 - {-octet}"
    digits = f"hex(substr({blob}, {at}, 1))"
    flip = " ".join(f"WHEN '{value:02X}' THEN x'{value ^ 1:02X}'" for value in range(256))
    return f"CAST(substr({blob}, 1, {at} - 1) || (CASE {digits} {flip} END) || substr({blob}, {at} + 1) AS BLOB)"


@pytest.mark.parametrize("name", [MIDDLE, NEWEST])
@pytest.mark.parametrize("row", [1, 5, 12])
@pytest.mark.parametrize("octet", [1, -1])
@pytest.mark.parametrize("column", BLOBS)
def test_a_flipped_bit_in_octets(state: Path, name: str, row: int, octet: int, column: str) -> None:
    tamper(state, name, f"UPDATE stamp SET {column} = {flipped(column, octet)} WHERE seq = {row}")
    assert faults(state)[name] == f"row {row} was altered, or is not the one that was written there"


@pytest.mark.parametrize("row", [1, 5, 12])
@pytest.mark.parametrize("bit", [0, 31, 62, 63])
@pytest.mark.parametrize("column", NUMBERS)
def test_a_flipped_bit_in_a_number(state: Path, row: int, bit: int, column: str) -> None:
    """The sign, too, and bits that no number of ours ever has."""
    mask = (1 << bit) - ((1 << 64) if bit == 63 else 0)
    tamper(state, MIDDLE, f"UPDATE stamp SET {column} = ({column} | {mask}) - ({column} & {mask}) WHERE seq = {row}")
    fault = faults(state)[MIDDLE]
    assert fault.startswith(f"row {row} names a signer" if column == "tsu" else f"row {row} was altered")


@pytest.mark.parametrize("bit", [4, 31, 62])
def test_a_flipped_bit_in_the_number_of_a_row(state: Path, bit: int) -> None:
    tamper(state, MIDDLE, f"UPDATE stamp SET seq = seq + {1 << bit} WHERE seq = 5")
    assert faults(state)[MIDDLE] == "row 5 is missing"


@pytest.mark.parametrize("change", ["signer = replace(signer, '1', '3')", "id = id + 1", "signer = signer || ' '"])
def test_an_altered_signer(state: Path, change: str) -> None:
    tamper(state, MIDDLE, f"UPDATE tsu SET {change} WHERE rowid = (SELECT tsu FROM stamp WHERE seq = 7)")
    fault = faults(state)[MIDDLE]
    assert fault.startswith("its signer ")
    assert fault.endswith(" was altered")


def test_a_flipped_bit_that_makes_a_signer_no_text(state: Path) -> None:
    path = layout.ledger(state) / MIDDLE
    octets = path.read_bytes()
    assert octets.count(b'{"certificate": "') == 2
    path.write_bytes(octets.replace(b'{"certificate": "', b'{"certificat\xe5": "'))
    assert "UTF-8" in faults(state)[MIDDLE]


def test_a_missing_signer(state: Path) -> None:
    tamper(state, MIDDLE, "DELETE FROM tsu WHERE id = (SELECT tsu FROM stamp WHERE seq = 7)")
    assert faults(state)[MIDDLE] == "row 4 names a signer that the file lacks"


@pytest.mark.parametrize(
    "change",
    [
        "worker = 1",
        f"genesis = {flipped('genesis', 1)}",
        "follows = '2026-10/1.db'",
        "follows = ''",
        "follows_seq = 11",
        "follows_seq = -1",
        f"follows_link = {flipped('follows_link', -1)}",
    ],
)
def test_an_altered_description(state: Path, change: str) -> None:
    tamper(state, MIDDLE, f"UPDATE segment SET {change}")
    assert faults(state)[MIDDLE] == "its description was altered"


@pytest.mark.parametrize("change", ["DELETE FROM segment", "INSERT INTO segment SELECT * FROM segment"])
def test_a_description_too_few_or_too_many(state: Path, change: str) -> None:
    tamper(state, MIDDLE, change)
    assert faults(state)[MIDDLE] == "its description is missing or doubled"


def test_a_description_that_is_right_in_itself(state: Path) -> None:
    """Somebody who knows how it is made puts one in place: the first row is chained to the old one."""
    genesis = segment.genesis_of(0, "2026-10/0.db", 12, bytes(32))
    values = f"genesis = x'{genesis.hex()}', follows_link = zeroblob(32)"
    tamper(state, MIDDLE, f"UPDATE segment SET {values}")
    assert "2026-10/0.db, which it follows, ends otherwise" in faults(state)[MIDDLE]
    shutil.rmtree(layout.ledger(state) / "2026-10")
    genesis = segment.genesis_of(0, "", 0, b"")
    tamper(state, MIDDLE, f"UPDATE segment SET genesis = x'{genesis.hex()}', follows = '', follows_link = x''")
    tamper(state, MIDDLE, "UPDATE segment SET follows_seq = 0")
    tamper(state, MIDDLE, f"UPDATE segment SET genesis = x'{genesis.hex()}'")
    found = faults(state)
    assert found[MIDDLE].startswith("row 1 was altered")
    assert found["2026-10/0.db"] == "the file is missing; it had 12 rows"


async def test_the_description_of_a_file_without_rows(tmp_path: Path) -> None:
    control(tmp_path).close()
    await Desk(tmp_path).open().ledger.close()
    keep_heads(tmp_path)
    assert_whole(tmp_path, 0)
    genesis = segment.genesis_of(0, "", 1, b"")
    tamper(tmp_path, "2026-11/0.db", f"UPDATE segment SET genesis = x'{genesis.hex()}', follows_seq = 1")
    assert "row 0 is not the one whose link was kept" in faults(tmp_path)["2026-11/0.db"]


@pytest.mark.parametrize("name", [MIDDLE, NEWEST])
@pytest.mark.parametrize("row", [1, 5])
def test_a_deleted_row(state: Path, name: str, row: int) -> None:
    tamper(state, name, f"DELETE FROM stamp WHERE seq = {row}")
    assert faults(state) == {name: f"row {row} is missing"}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("count", [1, 3])
def test_the_last_rows_deleted(state: Path, name: str, count: int) -> None:
    rows = FILES[name]
    tamper(state, name, f"DELETE FROM stamp WHERE seq > {rows - count}")
    assert faults(state) == {name: f"rows {rows - count + 1} to {rows} are missing at its end"}


def test_all_rows_deleted(state: Path) -> None:
    tamper(state, NEWEST, "DELETE FROM stamp")
    assert faults(state) == {NEWEST: "rows 1 to 12 are missing at its end"}


def test_all_rows_deleted_and_numbered_anew(state: Path) -> None:
    """What is left is chained to nothing."""
    tamper(state, NEWEST, "DELETE FROM stamp WHERE seq < 5", "UPDATE stamp SET seq = seq - 4")
    assert faults(state)[NEWEST].startswith("row 1 was altered")


@pytest.mark.parametrize(("one", "other"), [(4, 5), (2, 11), (11, 12)])
def test_two_rows_exchanged(state: Path, one: int, other: int) -> None:
    moves = ((one, 99), (other, one), (99, other))
    tamper(state, NEWEST, *(f"UPDATE stamp SET seq = {after} WHERE seq = {before}" for before, after in moves))
    assert faults(state)[NEWEST].startswith(f"row {one} was altered")


def test_rows_of_two_files_exchanged(state: Path) -> None:
    other = layout.ledger(state) / "2026-10/1.db"
    columns = "gen_time, serial, imprint, tst_info, signature, link"
    tamper(
        state,
        MIDDLE,
        f"ATTACH '{other}' AS other",
        f"UPDATE stamp SET ({columns}) = (SELECT {columns} FROM other.stamp WHERE seq = 3) WHERE seq = 3",
    )
    assert faults(state)[MIDDLE].startswith("row 3 was altered")


def forge(state: Path, name: str, change: Callable[[Entry], Entry]) -> None:
    """Put a row after the last, made of it by `change`, with the link that it ought to have."""
    with closing(sqlite3.connect(layout.ledger(state) / name)) as connection:
        seq, *columns, before = connection.execute("SELECT * FROM stamp ORDER BY seq DESC LIMIT 1").fetchone()
        [text] = connection.execute("SELECT signer FROM tsu WHERE id = ?", (columns[6],)).fetchone()
        entry = change(Entry(*columns))
        forged = link(before, seq + 1, entry, segment.record_of(text).digest)
        connection.execute(f"INSERT INTO stamp VALUES ({', '.join('?' * 11)})", (seq + 1, *entry, forged))
        connection.commit()


def test_a_forged_row_at_the_end_of_a_file_that_another_follows(state: Path) -> None:
    """Its link is as it ought to be, but the next file says where this one ended."""
    forge(state, MIDDLE, lambda entry: entry._replace(application=7))
    assert faults(state) == {NEWEST: f"{MIDDLE}, which it follows, ends otherwise than it did: at row 13, then at 12"}


@pytest.mark.parametrize("source", [1, 12])
def test_a_forged_row_at_the_end(state: Path, source: int) -> None:
    columns = ", ".join([*Entry._fields, "link"])
    tamper(state, NEWEST, f"INSERT INTO stamp SELECT 13, {columns} FROM stamp WHERE seq = {source}")
    assert faults(state)[NEWEST].startswith("row 13 was altered, or is not")


def test_a_forged_row_at_the_end_with_the_right_link_is_no_token(state: Path) -> None:
    """What docs/ledger.md says cannot be seen in the chain: a link takes no key. But a token does."""
    forge(state, NEWEST, lambda entry: entry._replace(tst_info=bytes(reversed(entry.tst_info))))
    assert faults(state) == {}
    [forged] = [record for record in Archive(layout.ledger(state)).records() if record.seq == 13]
    token = forged.token[9 if forged.token[1] == 0x82 else 8 :]
    with pytest.raises((InvalidSignature, AssertionError)):
        read_token(token, unit("p256").chain.certificate)


@pytest.mark.parametrize("name", [MIDDLE, NEWEST])
@pytest.mark.parametrize("part", [0, 1, 100, 4096, 8192, 0.5, 0.8, -1, -64, -4096, -5000])
def test_a_truncated_file(state: Path, name: str, part: float) -> None:
    path = layout.ledger(state) / name
    size = path.stat().st_size
    wanted = int(size * part) if isinstance(part, float) else part if part >= 0 else size + part
    if part == -1:
        assert path.read_bytes()[-1], "an octet that is 0 anyway would be no loss"
    with path.open("r+b") as file:
        file.truncate(wanted)
    assert name in faults(state)


def test_another_file_in_its_place(state: Path) -> None:
    (layout.ledger(state) / MIDDLE).write_bytes(b"This was the ledger.\n" * 1000)
    assert f"{MIDDLE} cannot be read: file is not a database." in faults(state)[MIDDLE]


async def test_an_older_copy_in_its_place(state: Path) -> None:
    path = layout.ledger(state) / NEWEST
    older = path.read_bytes()
    desk = Desk(state)
    desk.time_us += MONTH_US // 31
    await desk.open().stamp(range(4))
    await desk.ledger.close()
    keep_heads(state)
    assert_whole(state, sum(FILES.values()) + 4)
    path.write_bytes(older)
    assert faults(state) == {NEWEST: "rows 13 to 16 are missing at its end"}


async def test_an_older_copy_that_was_written_on(state: Path) -> None:
    """As many rows as there were, but from a fork: its chain is right, and is not the one that was kept."""
    fork = Path(shutil.copytree(state, state / "fork"))
    for each, numbers in ((state, range(4)), (fork, range(4, 9))):
        desk = Desk(each)
        desk.time_us += MONTH_US // 31
        await desk.open().stamp(numbers)
        await desk.ledger.close()
    keep_heads(state)
    shutil.copy(layout.ledger(fork) / NEWEST, layout.ledger(state) / NEWEST)
    assert faults(state) == {NEWEST: "row 16 is not the one whose link was kept in control.db"}


def test_a_whole_file_removed(state: Path) -> None:
    (layout.ledger(state) / MIDDLE).unlink()
    assert faults(state) == {
        MIDDLE: "the file is missing; it had 12 rows",
        NEWEST: "it does not follow 2026-10/0.db, the file before it",
    }


@pytest.mark.parametrize("name", FILES)
def test_any_file_removed(state: Path, name: str) -> None:
    (layout.ledger(state) / name).unlink()
    assert faults(state)[name] == f"the file is missing; it had {FILES[name]} rows"


def test_files_exchanged(state: Path) -> None:
    one, other = (layout.ledger(state) / name for name in ("2026-10/0.db", "2026-10/1.db"))
    one.rename(one.with_suffix(".x"))
    other.rename(one)
    one.with_suffix(".x").rename(other)
    found = faults(state)
    assert found["2026-10/0.db"] == found["2026-10/1.db"] == "its description was altered"


def test_every_bad_file_is_named_and_the_first_bad_row_of_each(state: Path) -> None:
    for name, row in itertools.product(("2026-10/1.db", NEWEST), (5, 2)):
        tamper(state, name, f"UPDATE stamp SET application = 9 WHERE seq = {row}")
    found = faults(state)
    assert {name: fault[:16] for name, fault in found.items()} == dict.fromkeys(
        ("2026-10/1.db", NEWEST), "row 2 was altered"[:16]
    )


def test_a_ledger_without_heads_is_still_a_chain(state: Path) -> None:
    """A new control.db: what is within the files is seen, what is at their end is not."""
    (state / "control.db").unlink()
    control(state).close()
    assert faults(state) == {}
    tamper(state, NEWEST, "DELETE FROM stamp WHERE seq = 12")
    assert faults(state) == {}
    tamper(state, NEWEST, "DELETE FROM stamp WHERE seq = 3")
    assert faults(state) == {NEWEST: "row 3 is missing"}


def test_a_folder_that_is_no_state_folder(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["verify", "--dir", str(tmp_path)])
    assert result.exit_code == 1
    assert "has no control.db" in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_verdicts_are_in_the_order_of_the_files(original: Path) -> None:
    names = [verdict.segment for verdict in audit(original)]
    assert names == segment.list_segments(layout.ledger(original)) == list(FILES)
