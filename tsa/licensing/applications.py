"""Applications: registered callers, what each may do, and how a request shows which one it comes from (DESIGN 2)."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from cryptography import x509

from tsa.licensing.contract import Licence
from tsa.licensing.licences import held
from tsa.protocol import der
from tsa.protocol.errors import NoCredentials, UnknownApplication
from tsa.state.config import policy_id
from tsa.state.control import Control, ControlFault

ANONYMOUS = "anonymous"
MAX_ID = 65_535  # each has a place in the page of counters


@dataclass(frozen=True, slots=True, eq=False)  # by identity: batches are counted by application, one by one
class Application:
    """One caller, as control.db has it; `policy` is a DER OBJECT IDENTIFIER, or empty."""

    id: int
    name: str
    key_hash: bytes | None
    policy: bytes
    networks: tuple[IPv4Network | IPv6Network, ...]
    certificate_subject: str | None
    disabled: bool
    licences: tuple[Licence, ...]

    def licence_count(self, second: int) -> int:
        """Licences valid at `second` since the epoch."""
        return sum(licence.count for licence in self.licences if licence.valid_at(second))

    def capacity(self, second: int) -> int:
        """Stamps a window that the licences valid at `second` since the epoch add up to."""
        return sum(licence.count * licence.stamps for licence in self.licences if licence.valid_at(second))

    def allows(self, address: str) -> bool:
        """Whether a request may come from this IP address."""
        if not self.networks:
            return True
        try:
            caller = ip_address(address)
        except ValueError:
            return False
        # A socket that listens on [::] shows IPv4 callers as ::ffff:a.b.c.d (RFC 4291 2.5.5.2).
        caller = getattr(caller, "ipv4_mapped", None) or caller
        return any(caller.version == network.version and caller in network for network in self.networks)


class Applications:
    """All of them, as of one reading of control.db."""

    def __init__(self, everyone: Sequence[Application], *, anonymous: bool) -> None:
        self.everyone = tuple(everyone)
        self._by_key = {each.key_hash: each for each in everyone if each.key_hash is not None}
        self._by_subject = {each.certificate_subject: each for each in everyone if each.certificate_subject is not None}
        self._anonymous = next((each for each in everyone if each.name == ANONYMOUS), None) if anonymous else None

    def find(self, key: str | None, subject: str | None, address: str) -> Application:
        """The application that a request names by its APP_KEY or client certificate, or the anonymous one.

        Keys are looked up by their hash, so how long it takes tells nothing of a key. Raises NoCredentials, or
        UnknownApplication: unknown, disabled and calling from elsewhere look alike.
        """
        if key is not None:
            found = self._by_key.get(key_hash(key))
        elif subject is not None and subject in self._by_subject:
            found = self._by_subject[subject]
        elif self._anonymous is not None:
            found = self._anonymous
        else:
            raise NoCredentials("Stamps are for registered applications here: send an APP_KEY as Bearer credentials.")
        if found is None or found.disabled or not found.allows(address):
            raise UnknownApplication("The credentials belong to no application that may stamp here: check the key.")
        return found


def key_hash(key: str) -> bytes:
    """What is stored of an APP_KEY. It has 256 random bits, so a plain hash cannot be turned back."""
    return hashlib.sha256(key.encode()).digest()


def new_key() -> str:
    """A fresh APP_KEY."""
    return secrets.token_urlsafe(32)


def read(control: Control, stamps_per_licence: int, pinned: str | None = None) -> list[Application]:
    """Every application with the licences that count; `stamps_per_licence` where one says no number of its own.

    `pinned` is [licence] issuer_key: whoever goes by the capacity must pass it on. Raises ContractFault when it is no
    key.
    """
    licences: dict[int, list[Licence]] = {}
    for each in held(control, stamps_per_licence, pinned):
        if each.fault is None:
            licences.setdefault(each.application, []).append(each.licence)
    return [
        Application(
            number,
            name,
            hashed,
            der.oid(policy) if policy else b"",
            tuple(ip_network(network) for network in json.loads(networks)),
            subject,
            bool(disabled),
            tuple(licences.get(number, ())),
        )
        for number, name, hashed, policy, networks, subject, disabled in control.connection.execute(
            "SELECT id, name, key_hash, policy, networks, certificate_subject, disabled FROM application ORDER BY id"
        )
    ]


def add(
    control: Control,
    name: str,
    *,
    key: str | None,
    licences: int = 0,
    policy: str | None = None,
    networks: Sequence[str] = (),
    certificate_subject: str | None = None,
) -> int:
    """Register an application; its id. `licences` are development licences, marked as such by having no signed file.

    Raises ControlFault when a value makes no sense or the name is taken.
    """
    _check_name(name, anonymous=key is None)
    subject = _canonical_subject(certificate_subject)
    try:
        canonical = [str(ip_network(network)) for network in networks]
        policy_id(policy or "2.999")
    except ValueError as error:
        raise ControlFault(f"{error}.") from error
    with control.change() as connection:
        _check_free(connection, name, subject)
        number = connection.execute(
            "INSERT INTO application (name, key_hash, policy, networks, certificate_subject, created)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (name, key_hash(key) if key else None, policy, json.dumps(canonical), subject, int(time.time())),
        ).lastrowid
        if number is None or number > MAX_ID:
            raise ControlFault(f"At most {MAX_ID} applications can ever be registered in one state folder.")
        if licences:
            connection.execute(
                "INSERT INTO licence (application, count, valid_from) VALUES (?, ?, 0)", (number, licences)
            )
        control.log_event(
            "application added",
            application=name,
            development_licences=licences,
            policy=policy,
            networks=canonical,
            certificate_subject=subject,
        )
    return number


def _check_name(name: str, *, anonymous: bool) -> None:
    if not name.isprintable() or not 1 <= len(name) <= 64:
        raise ControlFault(f"{name!r} cannot be the name of an application: take 1 to 64 printable characters.")
    if name == ANONYMOUS and not anonymous:
        raise ControlFault(f"{ANONYMOUS!r} is the application of callers without a key: choose another name.")


def _check_free(connection: sqlite3.Connection, name: str, subject: str | None) -> None:
    if connection.execute("SELECT 1 FROM application WHERE name = ?", (name,)).fetchone():
        raise ControlFault(f"There is an application {name!r} already: choose another name.")
    taken = "SELECT 1 FROM application WHERE certificate_subject = ?"
    if subject and connection.execute(taken, (subject,)).fetchone():
        raise ControlFault(f"Another application has the certificate subject {subject!r}.")


def disable(control: Control, name: str) -> None:
    """Refuse the application's requests from now on; its record stays. Raises ControlFault."""
    _switch(control, name, "application disabled", disabled=True)


def enable(control: Control, name: str) -> None:
    """Take the requests of a disabled application again. Raises ControlFault."""
    _switch(control, name, "application enabled", disabled=False)


def _switch(control: Control, name: str, event: str, *, disabled: bool) -> None:
    with control.change() as connection:
        if not connection.execute("UPDATE application SET disabled = ? WHERE name = ?", (disabled, name)).rowcount:
            raise ControlFault(f"There is no application {name!r}: `tsa app list` shows those there are.")
        control.log_event(event, application=name)


def rekey(control: Control, name: str) -> str:
    """A new APP_KEY for the application; the old one is void. Raises ControlFault."""
    key = new_key()
    with control.change() as connection:
        changed = connection.execute(
            "UPDATE application SET key_hash = ? WHERE name = ? AND name != ?", (key_hash(key), name, ANONYMOUS)
        )
        if not changed.rowcount:
            raise ControlFault(f"There is no application {name!r} with a key: `tsa app list` shows those there are.")
        control.log_event("application rekeyed", application=name)
    return key


def _canonical_subject(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        subject = x509.Name.from_rfc4514_string(text).rfc4514_string()
    except ValueError as error:
        raise ControlFault(
            f"The certificate subject {text!r} is no name: write it as CN=app,O=Example, without spaces (RFC 4514)."
        ) from error
    if not subject or not subject.isprintable():
        raise ControlFault(f"The certificate subject {text!r} is empty, or has characters that cannot be printed.")
    return subject
