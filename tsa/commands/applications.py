"""`tsa app`: who may stamp, how much, and what was changed about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from tsa.commands import AsJson, StateDir, note, opened, second, show
from tsa.licensing import applications
from tsa.licensing.contract import MAX_LICENCES, utc
from tsa.operate.applications import check_sale, list_applications

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
    with opened(state) as (settings, store):
        if licences:
            note(f"With these there are {check_sale(settings, store, licences, oversell=oversell)}.")
        key = applications.new_key()
        applications.add(
            store,
            name,
            key=key,
            licences=licences,
            policy=policy,
            networks=network or (),
            certificate_subject=certificate_subject,
        )
    _show_key(name, key)


def _show_key(name: str, key: str) -> None:
    note(f"The APP_KEY of {name}, shown this once; keep it as you keep a password:")
    print(key)


@app.command("list")
def list_all(state: StateDir, as_json: AsJson = False) -> None:
    """Show every application: capacity now, how much of it is used as bookkeeping last had it, and what it may do."""
    with opened(state) as (settings, store):
        rows = [each._asdict() for each in list_applications(settings, store)]
    show(rows, as_json=as_json)


@app.command()
def disable(name: Name, state: StateDir) -> None:
    """Refuse an application's requests, within a second."""
    with opened(state) as (_, store):
        applications.disable(store, name)
    note(f"{name} is disabled: `tsa app enable` takes it back.")


@app.command()
def enable(name: Name, state: StateDir) -> None:
    """Take the requests of a disabled application again; its APP_KEY is what it was."""
    with opened(state) as (_, store):
        applications.enable(store, name)
    note(f"{name} is enabled.")


@app.command()
def rekey(name: Name, state: StateDir) -> None:
    """Print a new APP_KEY, once; the old one is void within a second."""
    with opened(state) as (_, store):
        key = applications.rekey(store, name)
    _show_key(name, key)


@app.command()
def events(
    state: StateDir,
    as_json: AsJson = False,
    since: Annotated[datetime | None, typer.Option(help="UTC, such as 2026-11-22 or 2026-11-22T20:00:00.")] = None,
) -> None:
    """Show the event journal: what was changed, by whom, and when (CSBR 5.4.1)."""
    start = second(since) if since else 0
    with opened(state) as (_, store):
        rows = [event._asdict() | {"at": utc(event.at)} for event in store.control.events(start)]
    show(rows, as_json=as_json)
