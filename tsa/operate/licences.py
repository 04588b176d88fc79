"""Licences, as an operator installs them and looks at them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from tsa.licensing import licences
from tsa.licensing.applications import read
from tsa.licensing.contract import MAX_OCTETS, Contract, ContractFault, utc
from tsa.licensing.store import ApplicationStore
from tsa.state.config import Config


class LicenceStatus(NamedTuple):
    """One licence, and whether it counts now."""

    application: str
    kind: str
    id: str | None
    licences: int
    stamps_per_hour: int
    valid_from: str | None
    valid_until: str | None
    state: str


def install(config: Config, store: ApplicationStore, file: Path, application: str | None) -> Contract:
    """Give the licences of a file to `application`, or else to the application of the customer's name.

    Raises ContractFault, which names the file, or OSError.
    """
    with file.open("rb") as content:
        text = content.read(MAX_OCTETS + 1)
    try:
        return licences.install(store, text, config.licence.issuer_key, application)
    except ContractFault as fault:
        raise ContractFault(f"{file}: {fault}") from fault


def list_licences(config: Config, store: ApplicationStore) -> list[LicenceStatus]:
    """Every licence, oldest first. Raises ControlFault."""
    table, now = config.licence, int(time.time())
    names = {each.id: each.name for each in read(store, table.stamps_per_licence_hour, table.issuer_key)}
    return [
        LicenceStatus(
            application=names[each.application],
            kind=each.kind,
            id=each.id,
            licences=each.licence.count,
            stamps_per_hour=each.licence.count * each.licence.stamps,
            valid_from=utc(each.licence.valid_from) if each.licence.valid_from else None,
            valid_until=None if each.licence.valid_until is None else utc(each.licence.valid_until),
            state=each.state(now),
        )
        for each in licences.read_licences(store, table.stamps_per_licence_hour, table.issuer_key)
    ]
