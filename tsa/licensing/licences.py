"""The licences of applications, and which of them count.

Whoever can write to the store does not thereby have capacity: where an issuer's key is pinned, a row counts only with a
file that this key signed, and a file counts once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from tsa.licensing.contract import Contract, ContractFault, Licence, canonical, issuer_key, read, read_signed
from tsa.licensing.store import ApplicationStore, LicenceRow


@dataclass(frozen=True, slots=True)
class StoredLicence:
    """A licence in the store; `fault` says why it does not count, and is None where it does.

    `id` is that of its file, where the signature was verified.
    """

    application: int
    licence: Licence
    kind: Literal["development", "signed", "unverified"]
    id: str | None
    fault: str | None

    def state(self, second: int) -> str:
        """Whether it counts at `second` since the epoch, in words."""
        return self.licence.state(second) if self.fault is None else f"does not count: {self.fault}"


def read_licences(store: ApplicationStore, stamps_per_licence: int, pinned: str | None) -> list[StoredLicence]:
    """Every licence, oldest first; `pinned` is [licence] issuer_key, without which all count.

    `stamps_per_licence` holds where a licence says no number. Raises ControlFault; ContractFault for an unusable key.
    """
    if pinned is not None:
        issuer_key(pinned)
    found, counted = list[StoredLicence](), set[str]()
    for row in store.licences():
        each = _judge(row, stamps_per_licence, pinned)
        if each.id in counted:
            each = replace(each, fault="its file is here twice.")
        if each.fault is None and each.id is not None:
            counted.add(each.id)
        found.append(each)
    return found


def _judge(row: LicenceRow, stamps_per_licence: int, pinned: str | None) -> StoredLicence:
    """Whether a row by itself says what its issuer signed."""
    stamps = stamps_per_licence if row.stamps_per_hour is None else row.stamps_per_hour
    licence = Licence(row.count, stamps, row.valid_from, row.valid_until)
    if row.document is None:
        fault = "development licences do not where an issuer is pinned." if pinned is not None else None
        return StoredLicence(row.application, licence, "development", None, fault)
    if pinned is None:
        return StoredLicence(row.application, licence, "unverified", None, None)
    try:
        contract = _verified(row.document, pinned)
    except ContractFault as wrong:
        return StoredLicence(row.application, licence, "unverified", None, str(wrong))
    fault = None if contract.licence == licence else "control.db says other figures than its file."
    return StoredLicence(row.application, licence, "signed", contract.id, fault)


@lru_cache(maxsize=4096)
def _verified(document: str, pinned: str) -> Contract:
    """What a file says; its signature is verified once, not whenever the server reads the store again."""
    return read(document, issuer_key(pinned))


def install(store: ApplicationStore, text: str | bytes, pinned: str | None, application: str | None) -> Contract:
    """Give the licences of a file to an application, by default to that of the customer's name; return the contract.

    Raises ContractFault: no issuer is pinned, another has signed it, it is here already, no such application. Raises
    ControlFault when the store cannot be changed.
    """
    if pinned is None:
        raise ContractFault("No issuer is pinned: set issuer_key under [licence] in tsa.toml to its public key first.")
    file = read_signed(text, issuer_key(pinned))
    contract, licence, name = file.licence, file.licence.licence, application or file.licence.customer
    with store.change():
        number = store.id_of(name)
        if number is None:
            raise ContractFault(f"There is no application {name!r}: add it with `tsa app add`, or name one with --app.")
        if store.has_contract(contract.id):
            raise ContractFault(f"Licence {contract.id} is installed already: a licence counts once.")
        figures = (licence.count, licence.stamps, licence.valid_from, licence.valid_until)
        store.add_licence(LicenceRow(number, *figures, canonical(file).decode()))
        store.log_event("licence installed", application=name, **contract.model_dump())
    return contract
