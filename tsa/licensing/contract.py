"""Licence files: capacity as a contract that its issuer signed.

A file is {"licence": {"id", "customer", "count", "stamps_per_licence_hour", "valid_from", "valid_until"},
"signature": base64}. The signature, Ed25519 (RFC 8032), is over the canonical JSON of "licence": UTF-8, keys sorted,
no spaces.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from signer.key import PublicKey, SigningKey
from tsa.state.config import ed25519_key
from tsa.state.control import ControlFault

MAX_OCTETS = 16_384  # of a licence file
MAX_LICENCES = 1_000_000  # in one file
_UTC = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
_SIGNATURE_OCTETS = 64

_T = TypeVar("_T")


class ContractFault(ControlFault):
    """A licence file, or the key that it is verified by, cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Licence:
    """`count` licences of `stamps` per window each, valid in [valid_from, valid_until), seconds since the epoch."""

    count: int
    stamps: int
    valid_from: int
    valid_until: int | None

    def valid_at(self, second: int) -> bool:
        return self.valid_from <= second and (self.valid_until is None or second < self.valid_until)

    def state(self, second: int) -> str:
        """What it is at `second` since the epoch, in words."""
        if self.valid_at(second):
            return "valid"
        return "not yet valid" if second < self.valid_from else "expired"


def _moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


def _customer(name: str) -> str:
    if not name.isprintable():
        raise ValueError("every character must be printable")
    return name


def _signature(text: str) -> str:
    octets = base64.b64decode(text, validate=True)
    if len(octets) != _SIGNATURE_OCTETS or base64.b64encode(octets).decode() != text:
        raise ValueError(f"{_SIGNATURE_OCTETS} octets in base64 are needed")
    return text


Moment = Annotated[str, Field(pattern=f"^{_UTC}$"), AfterValidator(_moment)]


class Contract(BaseModel):
    """What the issuer sold to whom; moments are UTC, valid_until is the first at which it is valid no more."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(pattern="^[0-9A-Za-z-]{1,64}$")
    customer: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_customer)]
    count: int = Field(ge=1, le=MAX_LICENCES)
    stamps_per_licence_hour: int = Field(ge=1, le=1 << 31)
    valid_from: Moment
    valid_until: Moment

    @property
    def licence(self) -> Licence:
        """Its figures."""
        return Licence(self.count, self.stamps_per_licence_hour, seconds(self.valid_from), seconds(self.valid_until))


class SignedContract(BaseModel):
    """A licence file whose signature was verified, where read_signed() gave it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    licence: Contract
    signature: Annotated[str, AfterValidator(_signature)]


def utc(second: int) -> str:
    """Seconds since the epoch as licence files have them, such as 2026-01-01T00:00:00Z."""
    return f"{datetime.fromtimestamp(second, UTC).replace(tzinfo=None).isoformat()}Z"


def seconds(moment: str) -> int:
    """Seconds since the epoch of a moment as utc() writes it."""
    return int(datetime.fromisoformat(moment).timestamp())


def issue(key: SigningKey, fields: Mapping[str, object]) -> str:
    """The text of a licence file that says `fields`, those of a Contract; the key is an Ed25519 key.

    Raises ContractFault. An exception of the key's sign() passes through.
    """
    contract = _checked(lambda: Contract.model_validate(fields))
    if contract.valid_from >= contract.valid_until:
        raise ContractFault(f"A licence from {contract.valid_from} cannot end at {contract.valid_until}.")
    signature = base64.b64encode(key.sign(canonical(contract))).decode()
    return json.dumps({"licence": contract.model_dump(), "signature": signature}, indent=2, ensure_ascii=False) + "\n"


def read(text: str | bytes, issuer: Ed25519PublicKey) -> Contract:
    """What the licence file `text` says, when `issuer` has signed it; it may be valid now or not.

    Raises ContractFault.
    """
    return read_signed(text, issuer).licence


def read_signed(text: str | bytes, issuer: Ed25519PublicKey) -> SignedContract:
    """As read(), with the signature. Raises ContractFault."""
    if len(text) > MAX_OCTETS:
        raise ContractFault(f"A licence file has at most {MAX_OCTETS} octets, and this is longer.")
    file = _checked(lambda: SignedContract.model_validate_json(text))
    try:
        issuer.verify(base64.b64decode(file.signature), canonical(file.licence))
    except InvalidSignature:
        raise ContractFault(
            "The signature does not verify with the pinned key: the file was altered, or another issuer signed it."
        ) from None
    return file


def canonical(model: BaseModel) -> bytes:
    """The canonical JSON: the same text for the same licence, however its file is laid out."""
    return json.dumps(model.model_dump(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _checked(make: Callable[[], _T]) -> _T:
    try:
        return make()
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ascii(".".join(map(str, fault["loc"])))
        words = {"extra_forbidden": "unknown key", "missing": "the key is missing"}
        what = words.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        raise ContractFault(f"This is no licence: {where + ': ' if fault['loc'] else ''}{what}.") from None


def public_key_text(public_key: PublicKey) -> str:
    """An issuer's public key as tsa.toml pins it: SubjectPublicKeyInfo, DER, base64."""
    return base64.b64encode(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def issuer_key(text: str) -> Ed25519PublicKey:
    """The public key that [licence] issuer_key pins. Raises ContractFault."""
    try:
        return ed25519_key(text)
    except ValueError as error:
        raise ContractFault(f"[licence] issuer_key in tsa.toml is {error}.") from None
