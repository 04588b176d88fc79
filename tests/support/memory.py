"""The other side of two seams of licensing: applications and their quota in the memory of one process."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tsa.licensing.applications import Application
from tsa.licensing.store import ApplicationRow, LicenceRow

CREATED = 1_900_000_000


class MemoryApplications:
    """An ApplicationStore in lists; `events` are what was logged."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._applications: list[ApplicationRow] = []
        self._licences: list[LicenceRow] = []

    @contextmanager
    def change(self) -> Iterator[None]:
        before = list(self.events), list(self._applications), list(self._licences)
        try:
            yield
        except BaseException:
            self.events, self._applications, self._licences = before
            raise

    def log_event(self, what: str, **detail: Any) -> None:
        self.events.append((what, detail))

    def revision(self) -> int:
        return 0  # there is no other process

    def applications(self) -> Sequence[ApplicationRow]:
        return list(self._applications)

    def licences(self) -> Sequence[LicenceRow]:
        return list(self._licences)

    def id_of(self, name: str) -> int | None:
        return next((row.id for row in self._applications if row.name == name), None)

    def has_subject(self, subject: str) -> bool:
        return any(row.certificate_subject == subject for row in self._applications)

    def has_contract(self, contract_id: str) -> bool:
        files = [json.loads(row.document) for row in self._licences if row.document is not None]
        return any(file["licence"]["id"] == contract_id for file in files)

    def add_application(
        self, name: str, key_hash: bytes | None, policy: str | None, networks: Sequence[str], subject: str | None
    ) -> int:
        number = len(self._applications) + 1  # none is ever removed
        row = ApplicationRow(number, name, key_hash, policy, tuple(networks), subject, disabled=False, created=CREATED)
        self._applications.append(row)
        return number

    def add_licence(self, row: LicenceRow) -> None:
        self._licences.append(row)

    def set_disabled(self, number: int, *, disabled: bool) -> None:
        self._applications[number - 1] = replace(self._applications[number - 1], disabled=disabled)

    def set_key_hash(self, number: int, key_hash: bytes) -> None:
        self._applications[number - 1] = replace(self._applications[number - 1], key_hash=key_hash)


class MemoryQuota:
    """A Quota in two counters."""

    def __init__(self, window_s: int) -> None:
        self.window_s = window_s
        self._stamps: Counter[tuple[int, int]] = Counter()  # by application and window, as the refusals
        self._refusals: Counter[tuple[int, int]] = Counter()

    def window(self, microseconds: int) -> int:
        return microseconds // (self.window_s * 1_000_000)

    def debit(self, wanted: Mapping[Application, int], microseconds: int) -> dict[Application, int]:
        window, second, got = self.window(microseconds), microseconds // 1_000_000, dict[Application, int]()
        for application, count in wanted.items():
            entry = application.id, window
            got[application] = max(0, min(count, application.capacity(second) - self._stamps[entry]))
            self._stamps[entry] += got[application]
            self._refusals[entry] += count - got[application]
        return got

    def give_back(self, counts: Mapping[Application, int], microseconds: int) -> None:
        for application, count in counts.items():
            self._stamps[application.id, self.window(microseconds)] -= count

    def refused(self, number: int, microseconds: int) -> None:
        self._refusals[number, self.window(microseconds)] += 1

    def used(self, number: int, window: int) -> tuple[int, int]:
        return self._stamps[number, window], self._refusals[number, window]

    def forget_after(self, microseconds: int) -> None:
        for counts in (self._stamps, self._refusals):
            for entry in [entry for entry in counts if entry[1] > self.window(microseconds)]:
                del counts[entry]
