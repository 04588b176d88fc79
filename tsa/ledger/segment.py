"""A ledger file: one worker, one month, one hash chain (decision 7)."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tsa.ledger.row import TEMPLATE_VERSION, Entry
from tsa.protocol import cms
from tsa.state import sqlite
from tsa.state.faults import Fault

_NAME = re.compile(r"([1-9]\d{3}-(?:0[1-9]|1[0-2]))/(\d+)(?:-(\d+))?\.db")
_SCHEMA = """
CREATE TABLE segment (
    worker INTEGER NOT NULL,
    genesis BLOB NOT NULL,        -- what the first row is chained to: SHA-256 of the rest of this row
    follows TEXT NOT NULL,        -- the worker's file before this one, or empty
    follows_seq INTEGER NOT NULL, -- its last row
    follows_link BLOB NOT NULL
) STRICT;
CREATE TABLE tsu (
    id INTEGER PRIMARY KEY,       -- the first 7 octets of the SHA-256 of the rest
    signer TEXT NOT NULL          -- JSON: chain, algorithms, template version
) STRICT;
CREATE TABLE stamp (
    seq INTEGER PRIMARY KEY,
    gen_time INTEGER NOT NULL,
    serial BLOB NOT NULL,
    application INTEGER NOT NULL,
    policy BLOB NOT NULL,
    imprint BLOB NOT NULL,
    cert_req INTEGER NOT NULL,
    tsu INTEGER NOT NULL,
    tst_info BLOB NOT NULL,
    signature BLOB NOT NULL,
    link BLOB NOT NULL
) STRICT
"""
SCHEMA = sqlite.Schema(1, _SCHEMA)
COLUMNS = ", ".join(Entry._fields)


class LedgerFault(Fault):
    """The ledger cannot be written or read; the text says where and why.

    `lost`: the rows that were to be recorded are certainly not there, now or later.
    """

    def __init__(self, sentence: str, *, lost: bool = True) -> None:
        super().__init__(sentence)
        self.lost = lost


def month_of(microseconds: int) -> str:
    """The month, UTC, that a genTime belongs to, as its folder is named."""
    return f"{datetime.fromtimestamp(microseconds // 1_000_000, UTC):%Y-%m}"


def earliest_of(name: str) -> int:
    """The first moment, µs since the epoch, of the month of a segment."""
    return int(datetime(int(name[:4]), int(name[5:7]), 1, tzinfo=UTC).timestamp()) * 1_000_000


def name_of(month: str, worker: int, number: int) -> str:
    """The name of a segment below the ledger's folder."""
    return f"{month}/{worker}{f'-{number:02d}' if number else ''}.db"


def list_segments(ledger: Path) -> list[str]:
    """The names of all segments, by worker and in the order of writing."""
    found = (path.relative_to(ledger).as_posix() for path in ledger.glob("????-??/*.db"))
    return sorted(filter(_NAME.fullmatch, found), key=order_of)


def order_of(name: str) -> tuple[int, str, int]:
    """Worker, month and number of a segment: the order of list_segments()."""
    return worker_of(name), name[:7], number_of(name)


def worker_of(name: str) -> int:
    """The worker that wrote a segment."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise LedgerFault(f"{name} is not the name of a ledger file.")
    return int(match[2])


def number_of(name: str) -> int:
    """Which of its worker's segments of that month it is, from 0."""
    match = _NAME.fullmatch(name)
    return int(match[3] or 0) if match else 0


def create(connection: sqlite3.Connection, worker: int, follows: str, seq: int, link: bytes) -> None:
    """Lay out a new segment that goes on after row `seq` of `follows`."""
    genesis = genesis_of(worker, follows, seq, link)
    with sqlite.transaction(connection):
        SCHEMA.lay_out(connection)
        connection.execute("INSERT INTO segment VALUES (?, ?, ?, ?, ?)", (worker, genesis, follows, seq, link))


def genesis_of(worker: int, follows: str, seq: int, link: bytes) -> bytes:
    """What a segment's first row is chained to."""
    return hashlib.sha256(json.dumps([worker, follows, seq, link.hex()]).encode()).digest()


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Raises LedgerFault when the file was laid out by a newer program, or never: it had its name only afterwards."""
    try:
        version = SCHEMA.version_of(connection, path)
    except sqlite.SqliteFault as fault:
        raise LedgerFault(str(fault)) from fault
    if version == 0:
        raise LedgerFault(f"{path} has lost its contents: see `tsa ledger verify`.")


class Head(NamedTuple):
    """The newest row of a segment: number, link, and genTime in µs; 0, the genesis and 0 where there is no row."""

    seq: int
    link: bytes
    gen_time: int


def head(connection: sqlite3.Connection) -> Head:
    """Where a segment ends."""
    row = connection.execute("SELECT seq, link, gen_time FROM stamp ORDER BY seq DESC LIMIT 1").fetchone()
    if row is None:
        row = (0, *connection.execute("SELECT genesis FROM segment").fetchone(), 0)
    return Head(*row)


class SignerRecord(NamedTuple):
    """A signer as the tsu table has it: JSON text, its SHA-256, for the chain, and a number made of it."""

    text: str
    digest: bytes
    number: int


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A segment, for reading beside its writer. Raises LedgerFault, also for faults that SQLite finds while reading."""
    try:
        with closing(sqlite.open_to_read(path)) as connection:
            check_version(connection, path)
            yield connection
    except sqlite3.Error as error:
        raise LedgerFault(f"{path} cannot be read: {error}.") from error


def first_at(connection: sqlite3.Connection, microseconds: int) -> int:
    """The number of the first row whose genTime is not before `microseconds`: found by halving, rows being in order."""
    low, high = 1, head(connection).seq + 1
    while low < high:
        middle = (low + high) // 2
        row = connection.execute("SELECT gen_time FROM stamp WHERE seq = ?", (middle,)).fetchone()
        if row is None:
            raise LedgerFault(f"Row {middle} is missing: see `tsa ledger verify`.")
        low, high = (middle + 1, high) if row[0] < microseconds else (low, middle)
    return low


def record_of(text: str) -> SignerRecord:
    """The record whose text this is."""
    digest = hashlib.sha256(text.encode()).digest()
    return SignerRecord(text, digest, int.from_bytes(digest[:7], "big"))


def record_signer(signer: cms.Signer, *, signing_time: bool) -> SignerRecord:
    """The record of a signer and of how its tokens are written; DER stands there in hexadecimal."""
    described: dict[str, Any] = {
        name: _hexed(value) if isinstance(value, bytes | tuple) else value for name, value in signer._asdict().items()
    }
    return record_of(
        json.dumps(described | {"signing_time": signing_time, "template": TEMPLATE_VERSION}, sort_keys=True)
    )


def template_of(text: str) -> cms.TokenTemplate:
    """The template that writes the tokens of a row of the tsu table.

    Raises LedgerFault when a newer program wrote it.
    """
    described = json.loads(text)
    if described.pop("template") > TEMPLATE_VERSION:
        raise LedgerFault("A newer program wrote tokens that this one cannot rebuild: use the newer program.")
    signing_time = described.pop("signing_time")
    signer = cms.Signer(
        certificate=bytes.fromhex(described["certificate"]),
        chain=tuple(bytes.fromhex(issuer) for issuer in described["chain"]),
        issuer=bytes.fromhex(described["issuer"]),
        serial_number=described["serial_number"],
        digest=described["digest"],
        signature_algorithm=bytes.fromhex(described["signature_algorithm"]),
    )
    return cms.TokenTemplate(signer, signing_time=signing_time)


def _hexed(value: bytes | Sequence[bytes]) -> Any:
    return value.hex() if isinstance(value, bytes) else [each.hex() for each in value]
