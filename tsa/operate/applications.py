"""Applications, as an operator sells to them and looks at them."""

from __future__ import annotations

import time
from typing import NamedTuple

from signer.key import SigningFault
from signer.pool import SigningPool
from tsa.licensing import applications
from tsa.licensing.applications import ANONYMOUS, Application
from tsa.licensing.capacity import Capacity, measure, most_signing_workers
from tsa.licensing.contract import Licence, utc
from tsa.protocol import der
from tsa.stamping.tsu import UnusableTsu, load_tsu
from tsa.state.config import Config
from tsa.state.control import Control, ControlFault


class ApplicationStatus(NamedTuple):
    """One application now: its licences, the stamps that bookkeeping counted last in this window, what it may do."""

    name: str
    licences: int
    stamps_per_hour: int
    used_this_window: int | None
    policy: str | None
    networks: list[str]
    certificate_subject: str | None
    state: str
    created: str


def check_sale(config: Config, control: Control, licences: int, *, oversell: bool) -> Capacity:
    """How `licences` more fit what this machine can sign.

    Raises ControlFault when they may not be sold, UnusableTsu when the key cannot be measured.
    """
    if config.licence.issuer_key is not None:
        raise ControlFault(
            "Licences come as files here, for [licence] issuer_key is set:"
            " say --licences 0, then `tsa licence install FILE`."
        )
    capacity = _capacity_with(config, control, licences)
    if capacity.headroom < 1 and not oversell:
        raise ControlFault(
            f"With these there are {capacity}: more than this machine can sign. Sell fewer licences, or say --oversell."
        )
    return capacity


def list_applications(config: Config, control: Control) -> list[ApplicationStatus]:
    """Every application, oldest first. Raises ControlFault."""
    table, now = config.licence, int(time.time())
    used, created = _used(control, now - now % table.window_s), _created(control)
    return [
        ApplicationStatus(
            name=each.name,
            licences=each.licence_count(now),
            stamps_per_hour=each.capacity(now) * 3600 // table.window_s,
            used_this_window=used.get(each.id),
            policy=der.dotted(der.content(each.policy)) if each.policy else None,
            networks=[str(network) for network in each.networks],
            certificate_subject=each.certificate_subject,
            state=_state(config, each),
            created=utc(created[each.id]),
        )
        for each in applications.read(control, table.stamps_per_licence_hour, table.issuer_key)
    ]


def _capacity_with(config: Config, control: Control, licences: int) -> Capacity:
    """What is sold, and `licences` more, against the key as measured now. Raises UnusableTsu."""
    table = config.licence
    more = Licence(licences, table.stamps_per_licence_hour, 0, None)
    newcomer = Application(0, "", None, b"", (), None, disabled=False, licences=(more,))
    sold = applications.read(control, table.stamps_per_licence_hour, table.issuer_key)
    try:
        pool = SigningPool(load_tsu(config).key, most_signing_workers(config))
    except SigningFault as fault:
        raise UnusableTsu(f"The key in {config.path(config.tsu.key)} cannot sign: {fault}") from fault
    pool.close()
    return measure(config, [*sold, newcomer], pool.cost_us)


def _state(config: Config, application: Application) -> str:
    if application.disabled:
        return "disabled"
    return "active" if application.name != ANONYMOUS or config.anonymous.enabled else "switched off in tsa.toml"


def _used(control: Control, window: int) -> dict[int, int]:
    """The stamps that bookkeeping wrote down for the window that begins at this second, by application."""
    return dict(control.rows("SELECT application, stamps FROM usage WHERE start = ?", window))


def _created(control: Control) -> dict[int, int]:
    """When every application was registered, seconds since the epoch."""
    return dict(control.rows("SELECT id, created FROM application"))
