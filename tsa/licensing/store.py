"""The store of applications and licences: the contract that licensing needs, and its keeper control.db."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass
from typing import Any, Protocol

from tsa.state.control import Control


@dataclass(frozen=True, slots=True)
class ApplicationRow:
    """An application as it is kept; `policy` is a dotted OID, `networks` are CIDR, `created` is in seconds."""

    id: int
    name: str
    key_hash: bytes | None
    policy: str | None
    networks: tuple[str, ...]
    certificate_subject: str | None
    disabled: bool
    created: int


@dataclass(frozen=True, slots=True)
class LicenceRow:
    """Licences of an application as they are kept; `document` is the signed file, None for development licences.

    `stamps_per_hour` is None where the setting [licence] stamps_per_licence_hour holds; moments are in seconds.
    """

    application: int
    count: int
    stamps_per_hour: int | None
    valid_from: int
    valid_until: int | None
    document: str | None


class ApplicationStore(Protocol):
    """Applications, licences, and the journal of changes to them.

    The changing methods and log_event() are called inside change(), which is a transaction. When change() has ended,
    all changes are durable and every process sees them; after an exception none of them happened. While a process is
    inside, others wait to enter, so that a value that was read inside still holds at the end. The reading methods also
    work outside, and never wait for a change.

    A store belongs to the thread that made it; its maker closes it. Every method raises ControlFault when the store
    cannot be reached, read or changed. The caller has checked beforehand that the values make sense.
    """

    def change(self) -> AbstractContextManager[object]:
        """Enter the transaction in which everything is changed."""

    def log_event(self, what: str, **detail: Any) -> None:
        """Add an event to the journal, with the account of this process. Details hold no secret."""

    def revision(self) -> int:
        """A number that changes when another process has changed something."""

    def applications(self) -> Sequence[ApplicationRow]:
        """Every application, in the order of their numbers."""

    def licences(self) -> Sequence[LicenceRow]:
        """Every licence, oldest first."""

    def id_of(self, name: str) -> int | None:
        """The number of the application of that name, or None."""

    def has_subject(self, subject: str) -> bool:
        """Whether an application has this certificate subject."""

    def has_contract(self, contract_id: str) -> bool:
        """Whether a signed licence file with this id is here."""

    def add_application(
        self, name: str, key_hash: bytes | None, policy: str | None, networks: Sequence[str], subject: str | None
    ) -> int:
        """A new application, from now on; its number, which no application ever had before."""

    def add_licence(self, row: LicenceRow) -> None:
        """Give licences to an application."""

    def set_disabled(self, number: int, *, disabled: bool) -> None:
        """Disable or enable an application."""

    def set_key_hash(self, number: int, key_hash: bytes) -> None:
        """Exchange the key of an application."""


class SqliteApplications:
    """The ApplicationStore in control.db; `control` is closed by whoever opened it."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.change = control.change
        self.log_event = control.log_event
        self.revision = control.revision

    def applications(self) -> list[ApplicationRow]:
        rows = self.control.rows(
            "SELECT id, name, key_hash, policy, networks, certificate_subject, disabled, created"
            " FROM application ORDER BY id"
        )
        return [
            ApplicationRow(number, name, key_hash, policy, tuple(json.loads(networks)), subject, bool(disabled), since)
            for number, name, key_hash, policy, networks, subject, disabled, since in rows
        ]

    def licences(self) -> list[LicenceRow]:
        rows = self.control.rows(
            "SELECT application, count, stamps_per_hour, valid_from, valid_until, document FROM licence ORDER BY id"
        )
        return [LicenceRow(*row) for row in rows]

    def id_of(self, name: str) -> int | None:
        rows = self.control.rows("SELECT id FROM application WHERE name = ?", name)
        return int(rows[0][0]) if rows else None

    def has_subject(self, subject: str) -> bool:
        return bool(self.control.rows("SELECT 1 FROM application WHERE certificate_subject = ?", subject))

    def has_contract(self, contract_id: str) -> bool:
        query = "SELECT 1 FROM licence WHERE json_extract(document, '$.licence.id') = ?"
        return bool(self.control.rows(query, contract_id))

    def add_application(
        self, name: str, key_hash: bytes | None, policy: str | None, networks: Sequence[str], subject: str | None
    ) -> int:
        [number] = self.control.connection.execute(
            "INSERT INTO application (name, key_hash, policy, networks, certificate_subject, created)"
            " VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
            (name, key_hash, policy, json.dumps(networks), subject, int(time.time())),
        ).fetchone()
        return int(number)

    def add_licence(self, row: LicenceRow) -> None:
        self.control.connection.execute(
            "INSERT INTO licence (application, count, stamps_per_hour, valid_from, valid_until, document)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            astuple(row),
        )

    def set_disabled(self, number: int, *, disabled: bool) -> None:
        self.control.connection.execute("UPDATE application SET disabled = ? WHERE id = ?", (disabled, number))

    def set_key_hash(self, number: int, key_hash: bytes) -> None:
        self.control.connection.execute("UPDATE application SET key_hash = ? WHERE id = ?", (key_hash, number))
