"""The licences that control.db holds, and which of them count.

Who writes control.db does not thereby have capacity: where an issuer's key is pinned, a row counts only with a file
that this key signed, and a file counts once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from tsa.licensing.contract import Contract, ContractFault, Licence, canonical, issuer_key, read, read_signed
from tsa.state.control import Control


@dataclass(frozen=True, slots=True)
class Held:
    """A licence in control.db; `fault` says why it does not count, and is None where it does.

    `id` is that of its file, where this was verified.
    """

    application: int
    licence: Licence
    kind: Literal["development", "signed", "unverified"]
    id: str | None
    fault: str | None

    def state(self, second: int) -> str:
        """Whether it counts at `second` since the epoch, in words."""
        return self.licence.state(second) if self.fault is None else f"does not count: {self.fault}"


def held(control: Control, stamps_per_licence: int, pinned: str | None) -> list[Held]:
    """Every licence, oldest first; `pinned` is [licence] issuer_key, without which all count.

    `stamps_per_licence` holds where a licence says no number of its own. Raises ContractFault for an unusable key.
    """
    if pinned is not None:
        issuer_key(pinned)
    found, counted = list[Held](), set[str]()
    for owner, count, stamps, start, end, document in control.connection.execute(
        "SELECT application, count, coalesce(stamps_per_hour, ?), valid_from, valid_until, document"
        " FROM licence ORDER BY id",
        (stamps_per_licence,),
    ):
        each = _judged(owner, Licence(count, stamps, start, end), document, pinned)
        if each.id in counted:
            each = replace(each, fault="its file is here twice.")
        if each.fault is None and each.id is not None:
            counted.add(each.id)
        found.append(each)
    return found


def _judged(owner: int, licence: Licence, document: str | None, pinned: str | None) -> Held:
    """A row by itself: is it what the issuer signed?"""
    if document is None:
        fault = "development licences do not where an issuer is pinned." if pinned is not None else None
        return Held(owner, licence, "development", None, fault)
    if pinned is None:
        return Held(owner, licence, "unverified", None, None)
    try:
        contract = _verified(document, pinned)
    except ContractFault as wrong:
        return Held(owner, licence, "unverified", None, str(wrong))
    fault = None if contract.licence == licence else "control.db says other figures than its file."
    return Held(owner, licence, "signed", contract.id, fault)


@lru_cache(maxsize=4096)
def _verified(document: str, pinned: str) -> Contract:
    """What a file says, verified once and not each minute, when the server reads control.db again."""
    return read(document, issuer_key(pinned))


def install(control: Control, text: str | bytes, pinned: str | None, application: str | None) -> Contract:
    """Give the licences of a file to the application of that name, or else of the customer's name; what the file says.

    Raises ContractFault: no issuer is pinned, another has signed it, it is here already, no such application.
    """
    if pinned is None:
        raise ContractFault("No issuer is pinned: set issuer_key under [licence] in tsa.toml to its public key first.")
    file = read_signed(text, issuer_key(pinned))
    contract, licence, name = file.licence, file.licence.licence, application or file.licence.customer
    with control.change() as connection:
        row = connection.execute("SELECT id FROM application WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise ContractFault(f"There is no application {name!r}: add it with `tsa app add`, or name one with --app.")
        if connection.execute(
            "SELECT 1 FROM licence WHERE json_extract(document, '$.licence.id') = ?", (contract.id,)
        ).fetchone():
            raise ContractFault(f"Licence {contract.id} is installed already: a licence counts once.")
        connection.execute(
            "INSERT INTO licence (application, count, stamps_per_hour, valid_from, valid_until, document)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (*row, licence.count, licence.stamps, licence.valid_from, licence.valid_until, canonical(file).decode()),
        )
        control.log_event("licence installed", application=name, **contract.model_dump())
    return contract
