"""`tsa licence`: capacity as a contract, issued elsewhere and installed here."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from signer.algorithms import KeyKind
from signer.custody import keep_key, new_key, open_key
from signer.key import KeyFault, SigningKey
from tsa.commands import AsJson, StateDir, note, opened, second, show
from tsa.licensing import contract
from tsa.licensing.contract import MAX_LICENCES
from tsa.operate import licences
from tsa.stamping.tsu import PASSPHRASE_VARIABLE, read_passphrase
from tsa.state.config import LicenceTable

STAMPS_PER_HOUR = LicenceTable().stamps_per_licence_hour

app = typer.Typer(help="Licences: capacity as a file that its issuer signed.", no_args_is_help=True)

PassphraseFile = Annotated[
    Path | None, typer.Option(help=f"The issuer key's passphrase; or the variable {PASSPHRASE_VARIABLE}.")
]


@app.command("key")
def make_key(
    out: Annotated[Path, typer.Option(help="File for the private key, which stays with the issuer.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make an issuer's key and print its public key, which tsa.toml pins."""
    key = new_key("ed25519")
    keep_key(key, out, read_passphrase(passphrase_file))
    note(f"{out} is the issuer's: keep it away from the servers. In their tsa.toml, under [licence], issuer_key is:")
    print(contract.public_key_text(key.public_key))


@app.command()
def issue(
    key: Annotated[Path, typer.Option(help="The issuer's private key.")],
    customer: Annotated[str, typer.Option(help="Who buys.")],
    count: Annotated[int, typer.Option(min=1, max=MAX_LICENCES, help="Licences.")],
    valid_from: Annotated[datetime, typer.Option(help="UTC: the moment from which they are valid.")],
    valid_until: Annotated[datetime, typer.Option(help="UTC: the moment from which they are valid no more.")],
    out: Annotated[Path, typer.Option(help="The licence file.")],
    stamps_per_hour: Annotated[int, typer.Option(min=1, help="Stamps an hour that each is worth.")] = STAMPS_PER_HOUR,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Sign a licence file."""
    text = contract.issue(
        _issuer_key(key, passphrase_file),
        {
            "id": str(uuid4()),
            "customer": customer,
            "count": count,
            "stamps_per_licence_hour": stamps_per_hour,
            "valid_from": contract.utc(second(valid_from)),
            "valid_until": contract.utc(second(valid_until)),
        },
    )
    with out.open("x", encoding="utf-8") as file:
        file.write(text)
    note(f"{out} is signed. It is installed with: tsa licence install {out} --dir DIR")


def _issuer_key(file: Path, passphrase_file: Path | None) -> SigningKey:
    key = open_key(file, read_passphrase(passphrase_file))
    if key.algorithm.kind is not KeyKind.ED25519:
        raise KeyFault(f"{file} is no Ed25519 key, which licences are signed with: make one with `tsa licence key`.")
    return key


@app.command()
def install(
    file: Annotated[Path, typer.Argument(help="The licence file.")],
    state: StateDir,
    application: Annotated[
        str | None, typer.Option("--app", help="Application that gets the licences, if it has not the customer's name.")
    ] = None,
) -> None:
    """Give the licences of a file, signed by the pinned issuer, to an application."""
    with opened(state) as (settings, store):
        licence = licences.install(settings, store, file, application)
    note(
        f"{application or licence.customer} has {licence.count} licences more,"
        f" valid from {licence.valid_from} until {licence.valid_until}, now {licence.licence.state(int(time.time()))}."
    )


@app.command("show")
def show_all(state: StateDir, as_json: AsJson = False) -> None:
    """Show every licence, and whether it counts now."""
    with opened(state) as (settings, store):
        rows = [each._asdict() for each in licences.list_licences(settings, store)]
    show(rows, as_json=as_json)
