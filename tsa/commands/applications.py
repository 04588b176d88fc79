"""`tsa app`: who may stamp, how much, and what was changed about it."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Annotated

import typer

from signer.key import SigningFault
from signer.pool import SigningPool
from tsa.commands import AsJson, StateDir, note, opened, second, show
from tsa.licensing import applications
from tsa.licensing.applications import ANONYMOUS, Application
from tsa.licensing.capacity import Capacity, measure, most_signing_workers
from tsa.licensing.contract import MAX_LICENCES, Licence, utc
from tsa.protocol import der
from tsa.stamping.tsu import UnusableTsu, load_tsu
from tsa.state.config import Config
from tsa.state.control import Control, ControlFault

app = typer.Typer(help="Applications: who may stamp, how much, and how they show who they are.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The application.")]


@app.command()
def add(
    name: Name,
    state: StateDir,
    licences: Annotated[int, typer.Option(min=0, max=MAX_LICENCES, help="Development licences; 0: as files, later.")],
    policy: Annotated[str | None, typer.Option(help="OID of its own time-stamp policy.")] = None,
    network: Annotated[list[str] | None, typer.Option(help="CIDR it may call from; may be repeated.")] = None,
    certificate_subject: Annotated[
        str | None, typer.Option(help='Subject of its TLS client certificate, such as "CN=app,O=Example".')
    ] = None,
    oversell: Annotated[bool, typer.Option("--oversell", help="Sell more than this machine can sign.")] = False,
) -> None:
    """Register an application and print its APP_KEY, once: only a hash of it is kept."""
    with opened(state) as (settings, control):
        if licences:
            _sell(settings, control, licences, oversell=oversell)
        key = applications.new_key()
        applications.add(
            control,
            name,
            key=key,
            licences=licences,
            policy=policy,
            networks=network or (),
            certificate_subject=certificate_subject,
        )
    _show_key(name, key)


def _sell(settings: Config, control: Control, licences: int, *, oversell: bool) -> None:
    """Say how `licences` more fit what the machine can sign. Raises ControlFault when they may not be sold."""
    if settings.licence.issuer_key is not None:
        raise ControlFault(
            "Licences come as files here, for [licence] issuer_key is set:"
            " say --licences 0, then `tsa licence install FILE`."
        )
    capacity = _capacity(settings, control, licences)
    if capacity.headroom < 1 and not oversell:
        raise ControlFault(
            f"With these there are {capacity}: more than this machine can sign. Sell fewer licences, or say --oversell."
        )
    note(f"With these there are {capacity}.")


def _capacity(settings: Config, control: Control, licences: int) -> Capacity:
    """What is sold, and `licences` more, against the key as measured now. Raises UnusableTsu."""
    table = settings.licence
    more = Licence(licences, table.stamps_per_licence_hour, 0, None)
    newcomer = Application(0, "", None, b"", (), None, disabled=False, licences=(more,))
    sold = applications.read(control, table.stamps_per_licence_hour, table.issuer_key)
    try:
        pool = SigningPool(load_tsu(settings).key, most_signing_workers(settings))
    except SigningFault as fault:
        raise UnusableTsu(f"The key in {settings.path(settings.tsu.key)} cannot sign: {fault}") from fault
    pool.close()
    return measure(settings, [*sold, newcomer], pool.cost_us)


def _show_key(name: str, key: str) -> None:
    note(f"The APP_KEY of {name}, shown this once; keep it as you keep a password:")
    print(key)


@app.command("list")
def list_all(state: StateDir, as_json: AsJson = False) -> None:
    """Show every application: capacity now, how much of it is used as bookkeeping last had it, and what it may do."""
    with opened(state) as (settings, control):
        table, now = settings.licence, int(time.time())
        window = now - now % table.window_s
        used = dict(control.connection.execute("SELECT application, stamps FROM usage WHERE start = ?", (window,)))
        created = dict(control.connection.execute("SELECT id, created FROM application"))
        rows = [
            {
                "name": each.name,
                "licences": each.licence_count(now),
                "stamps_per_hour": each.capacity(now) * 3600 // table.window_s,
                "used_this_window": used.get(each.id),
                "policy": der.dotted(each.policy[2:]) if each.policy else None,
                "networks": [str(network) for network in each.networks],
                "certificate_subject": each.certificate_subject,
                "state": _state(settings, each),
                "created": utc(created[each.id]),
            }
            for each in applications.read(control, table.stamps_per_licence_hour, table.issuer_key)
        ]
    show(rows, as_json=as_json)


def _state(settings: Config, application: Application) -> str:
    if application.disabled:
        return "disabled"
    return "active" if application.name != ANONYMOUS or settings.anonymous.enabled else "switched off in tsa.toml"


@app.command()
def disable(name: Name, state: StateDir) -> None:
    """Refuse an application's requests, within a second."""
    with opened(state) as (_, control):
        applications.disable(control, name)
    note(f"{name} is disabled: `tsa app enable` takes it back.")


@app.command()
def enable(name: Name, state: StateDir) -> None:
    """Take the requests of a disabled application again; its APP_KEY is what it was."""
    with opened(state) as (_, control):
        applications.enable(control, name)
    note(f"{name} is enabled.")


@app.command()
def rekey(name: Name, state: StateDir) -> None:
    """Print a new APP_KEY, once; the old one is void within a second."""
    with opened(state) as (_, control):
        key = applications.rekey(control, name)
    _show_key(name, key)


@app.command()
def events(
    state: StateDir,
    as_json: AsJson = False,
    since: Annotated[datetime | None, typer.Option(help="UTC, such as 2026-11-22 or 2026-11-22T20:00:00.")] = None,
) -> None:
    """Show the event journal: what was changed, by whom, and when (CSBR 5.4.1)."""
    start = second(since) if since else 0
    with opened(state) as (_, control):
        journal = control.connection.execute(
            "SELECT at, who, what, detail FROM event WHERE at >= ? ORDER BY id", (start,)
        )
        rows = [
            {"at": utc(at), "who": who, "what": what, "detail": json.loads(detail)} for at, who, what, detail in journal
        ]
    show(rows, as_json=as_json)
