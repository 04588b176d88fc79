"""Applications: registered callers, their rights, and how a request shows its application."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from cryptography import x509

from tsa.licensing.contract import Licence
from tsa.licensing.licences import read_licences
from tsa.licensing.store import ApplicationRow, ApplicationStore, LicenceRow
from tsa.state.config import dotted_oid, policy_id
from tsa.state.control import ControlFault

ANONYMOUS = "anonymous"
FIRST_LICENCES = 2  # of the anonymous application
MAX_ID = 65_535  # every application has an entry among the counters


class NoCaller(Exception):
    """No registered application sent this; the text says what to change."""


class MissingCredentials(NoCaller):
    """Only registered applications may stamp here, and the request names none."""


class UnknownCaller(NoCaller):
    """The request names an application that is unknown, disabled or called from elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: every batch is counted by application
class Application:
    """A registered caller; `policy` is the dotted OID of its own policy, `created` is in seconds since the epoch."""

    id: int
    name: str
    key_hash: bytes | None
    policy: str | None
    networks: tuple[IPv4Network | IPv6Network, ...]
    certificate_subject: str | None
    disabled: bool
    licences: tuple[Licence, ...]
    created: int = 0

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
    """Every application, as of one reading of the store."""

    def __init__(self, everyone: Sequence[Application], *, anonymous: bool) -> None:
        self.everyone = tuple(everyone)
        self._by_key = {each.key_hash: each for each in everyone if each.key_hash is not None}
        self._by_subject = {each.certificate_subject: each for each in everyone if each.certificate_subject is not None}
        self._anonymous = next((each for each in everyone if each.name == ANONYMOUS), None) if anonymous else None

    def find(self, key: str | None, subject: str | None, address: str) -> Application:
        """The application that a request names by its APP_KEY or client certificate, or the anonymous one.

        Keys are looked up by their hash, so that the time it takes tells nothing about a key. Raises
        MissingCredentials, or UnknownCaller: unknown, disabled and called from elsewhere look alike.
        """
        if key is not None:
            found = self._by_key.get(key_hash(key))
        elif subject is not None and subject in self._by_subject:
            found = self._by_subject[subject]
        elif self._anonymous is not None:
            found = self._anonymous
        else:
            raise MissingCredentials(
                "Stamps are for registered applications here: send an APP_KEY as Bearer credentials."
            )
        if found is None or found.disabled or not found.allows(address):
            raise UnknownCaller("The credentials belong to no application that may stamp here: check the key.")
        return found


def key_hash(key: str) -> bytes:
    """What is stored of an APP_KEY. It has 256 random bits, so a plain hash cannot be turned back."""
    return hashlib.sha256(key.encode()).digest()


def new_key() -> str:
    """A fresh APP_KEY."""
    return secrets.token_urlsafe(32)


def read(store: ApplicationStore, stamps_per_licence: int, pinned: str | None = None) -> list[Application]:
    """Every application with the licences that count; `stamps_per_licence` holds where a licence says no number.

    `pinned` is [licence] issuer_key: whoever goes by the capacity must pass it on. Raises ControlFault; ContractFault
    when `pinned` is no key.
    """
    licences: dict[int, list[Licence]] = {}
    for each in read_licences(store, stamps_per_licence, pinned):
        if each.fault is None:
            licences.setdefault(each.application, []).append(each.licence)
    try:
        return [_application(row, licences.get(row.id, ())) for row in store.applications()]
    except ValueError as error:
        raise ControlFault(f"The registered applications cannot be read: {error}.") from error


def _application(row: ApplicationRow, licences: Sequence[Licence]) -> Application:
    """Raises ValueError."""
    return Application(
        row.id,
        row.name,
        row.key_hash,
        dotted_oid(row.policy) if row.policy else None,
        tuple(ip_network(network) for network in row.networks),
        row.certificate_subject,
        row.disabled,
        tuple(licences),
        row.created,
    )


def ensure_anonymous(store: ApplicationStore, licences: int = FIRST_LICENCES) -> None:
    """The anonymous application and its development licences, unless it is there. Raises ControlFault."""
    if store.id_of(ANONYMOUS) is None:
        add(store, ANONYMOUS, key=None, licences=licences)


def add(
    store: ApplicationStore,
    name: str,
    *,
    key: str | None,
    licences: int = 0,
    policy: str | None = None,
    networks: Sequence[str] = (),
    certificate_subject: str | None = None,
) -> int:
    """Register an application, and return its number. `licences` are development licences, without a signed file.

    Raises ControlFault when a value makes no sense or the name is taken.
    """
    _check_name(name, anonymous=key is None)
    subject = _canonical_subject(certificate_subject)
    try:
        canonical = [str(ip_network(network)) for network in networks]
        if policy is not None:
            policy_id(policy)
    except ValueError as error:
        raise ControlFault(f"{error}.") from error
    with store.change():
        _check_free(store, name, subject)
        number = store.add_application(name, key_hash(key) if key else None, policy, canonical, subject)
        if number > MAX_ID:
            raise ControlFault(f"At most {MAX_ID} applications can ever be registered in one state folder.")
        if licences:
            store.add_licence(LicenceRow(number, licences, None, 0, None, None))
        store.log_event(
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


def _check_free(store: ApplicationStore, name: str, subject: str | None) -> None:
    if store.id_of(name) is not None:
        raise ControlFault(f"There is an application {name!r} already: choose another name.")
    if subject and store.has_subject(subject):
        raise ControlFault(f"Another application has the certificate subject {subject!r}.")


def disable(store: ApplicationStore, name: str) -> None:
    """Refuse the application's requests from now on; its record stays. Raises ControlFault."""
    _switch(store, name, "application disabled", disabled=True)


def enable(store: ApplicationStore, name: str) -> None:
    """Take the requests of a disabled application again. Raises ControlFault."""
    _switch(store, name, "application enabled", disabled=False)


def _switch(store: ApplicationStore, name: str, event: str, *, disabled: bool) -> None:
    with store.change():
        number = store.id_of(name)
        if number is None:
            raise ControlFault(f"There is no application {name!r}: `tsa app list` shows those there are.")
        store.set_disabled(number, disabled=disabled)
        store.log_event(event, application=name)


def rekey(store: ApplicationStore, name: str) -> str:
    """A new APP_KEY for the application; the old one is void. Raises ControlFault."""
    key = new_key()
    with store.change():
        number = store.id_of(name)
        if number is None or name == ANONYMOUS:
            raise ControlFault(f"There is no application {name!r} with a key: `tsa app list` shows those there are.")
        store.set_key_hash(number, key_hash(key))
        store.log_event("application rekeyed", application=name)
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
