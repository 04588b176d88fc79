"""Applications, as an operator sells to them and looks at them."""

from __future__ import annotations

import time
from typing import NamedTuple

from tsa.licensing import applications
from tsa.licensing.applications import ANONYMOUS, Application
from tsa.licensing.capacity import Capacity, measure
from tsa.licensing.contract import Licence, utc
from tsa.licensing.store import ApplicationStore, SqliteApplications
from tsa.licensing.usage import stamps_by_application
from tsa.stamping.opening import open_pool
from tsa.stamping.tsu import load_tsu
from tsa.state.config import Config
from tsa.state.control import ControlFault


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


def check_sale(config: Config, store: ApplicationStore, licences: int, *, oversell: bool) -> Capacity:
    """How `licences` more fit what this machine can sign.

    Raises ControlFault when they may not be sold, UnusableTsu when the key cannot be measured.
    """
    if config.licence.issuer_key is not None:
        raise ControlFault(
            "Licences come as files here, for [licence] issuer_key is set:"
            " say --licences 0, then `tsa licence install FILE`."
        )
    capacity = _capacity_with(config, store, licences)
    if capacity.headroom < 1 and not oversell:
        raise ControlFault(
            f"With these there are {capacity}: more than this machine can sign. Sell fewer licences, or say --oversell."
        )
    return capacity


def list_applications(config: Config, store: SqliteApplications) -> list[ApplicationStatus]:
    """Every application, oldest first. Raises ControlFault."""
    table, now = config.licence, int(time.time())
    used = stamps_by_application(store.control, now - now % table.window_s)
    return [
        ApplicationStatus(
            name=each.name,
            licences=each.licence_count(now),
            stamps_per_hour=each.capacity(now) * 3600 // table.window_s,
            used_this_window=used.get(each.id),
            policy=each.policy,
            networks=[str(network) for network in each.networks],
            certificate_subject=each.certificate_subject,
            state=_state(config, each),
            created=utc(each.created),
        )
        for each in applications.read(store, table.stamps_per_licence_hour, table.issuer_key)
    ]


def _capacity_with(config: Config, store: ApplicationStore, licences: int) -> Capacity:
    """What is sold, and `licences` more, against the key as measured now. Raises UnusableTsu."""
    table = config.licence
    more = Licence(licences, table.stamps_per_licence_hour, 0, None)
    newcomer = Application(0, "", None, None, (), None, disabled=False, licences=(more,))
    sold = applications.read(store, table.stamps_per_licence_hour, table.issuer_key)
    pool = open_pool(config, load_tsu(config))
    pool.close()
    return measure(config, [*sold, newcomer], pool.cost_us)


def _state(config: Config, application: Application) -> str:
    if application.disabled:
        return "disabled"
    return "active" if application.name != ANONYMOUS or config.anonymous.enabled else "switched off in tsa.toml"
