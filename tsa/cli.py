"""The command `tsa`."""

from __future__ import annotations

import asyncio
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer
from rich.console import Console

from certs.chain import CertificateFault
from signer.key import KeyFault
from signer.software import KEY_TYPES
from tsa.client import TIMEOUT_S, StampFault, credentials, stamp_file
from tsa.commands import applications, clock, evidence, inspection, ledger, licences, tracked, verification, visible
from tsa.licensing.applications import FIRST_LICENCES
from tsa.licensing.contract import MAX_LICENCES
from tsa.operate import initialise
from tsa.protocol.oids import HASHES
from tsa.stamping.tsu import PASSPHRASE_VARIABLE
from tsa.state import config, layout, logs
from tsa.state.faults import Fault
from tsa.verify.proof import NotJudged

app = typer.Typer(
    help="A trusted time-stamp authority (RFC 3161).", no_args_is_help=True, pretty_exceptions_enable=False
)
out = Console(soft_wrap=True, highlight=False, emoji=False, width=None if sys.stdout.isatty() else 500)
err = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)

app.add_typer(applications.app, name="app")
app.add_typer(licences.app, name="licence")
app.add_typer(ledger.app, name="ledger")
app.add_typer(clock.app, name="clock")
app.add_typer(evidence.app, name="evidence")
app.command()(verification.verify)
app.command()(inspection.inspect)

StateDir = Annotated[Path, typer.Option("--dir", help="The state folder: tsa.toml, keys, certificates.")]


def main() -> None:
    """Run the command; a fault is told in a sentence."""
    warnings.simplefilter("ignore", UserWarning)  # cryptography warns of odd certificates: a verdict says what matters
    try:
        app()
    except (Fault, KeyFault, CertificateFault, NotJudged) as fault:
        fail(str(fault))
    except OSError as error:
        fail(f"{error.filename or 'The system'}: {error.strerror}.")


def _tell(line: str) -> None:
    out.print(visible(line), markup=False)


def fail(sentence: str) -> None:
    """Say what is wrong and end with exit code 1."""
    _complain(sentence)
    sys.exit(1)


def _complain(sentence: str) -> None:
    err.print("\n".join(map(visible, f"tsa: {sentence}".split("\n"))), markup=False)


def _one_of(kind: str, names: tuple[str, ...]) -> Any:
    def check(name: str) -> str:
        if name not in names:
            raise typer.BadParameter(f"{name!r} is no {kind} known here: use one of {', '.join(names)}.")
        return name

    return check


@app.command()
def init(
    state: StateDir,
    key: Annotated[
        str, typer.Option(help=f"Type of a new key: {', '.join(KEY_TYPES)}.", callback=_one_of("key type", KEY_TYPES))
    ] = "p256",
    licences: Annotated[
        int, typer.Option(min=0, max=MAX_LICENCES, help="Development licences of anonymous callers.")
    ] = FIRST_LICENCES,
    csr: Annotated[bool, typer.Option("--csr", help="Write a certificate request for a real CA.")] = False,
    subject: Annotated[str, typer.Option(help='Subject of the request, such as "CN=TSA 1,O=Example,C=KR".')] = "",
    chain: Annotated[
        Path | None, typer.Option("--import", help="A real CA's certificate for the key, and its chain, PEM.")
    ] = None,
    ca: Annotated[Path | None, typer.Option(help="With --import: the root, where it is not in the chain.")] = None,
    import_key: Annotated[
        Path | None, typer.Option(help="With --import: the key, PKCS#8 PEM, where it is not in the folder yet.")
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help=f"The key's passphrase; or the variable {PASSPHRASE_VARIABLE}.")
    ] = None,
) -> None:
    """Make a state folder, with a certificate of a development CA.

    For a certificate from a real CA: `tsa init --dir DIR --csr --subject "CN=…,O=…,C=…"`, have DIR/certs/tsa.csr
    signed, then `tsa init --dir DIR --import CHAIN.pem --ca ROOT.pem`. A key that exists already comes in with
    `--import CHAIN.pem --import-key KEY.pem`.
    """
    secret_file = passphrase_file.absolute() if passphrase_file else None
    if chain is not None:
        initialise.import_chain(state, chain, ca, import_key, secret_file)
        out.print(
            f"{state} is ready with the certificate from {chain}. Serve it: tsa serve --dir {state}", markup=False
        )
    elif csr:
        if not subject:
            raise typer.BadParameter('--csr needs --subject, such as --subject "CN=TSA 1,O=Example,C=KR".')
        file = initialise.request(state, key, subject, secret_file)
        out.print(
            f"Have your CA sign {file}, then: tsa init --dir {state} --import CHAIN.pem --ca ROOT.pem", markup=False
        )
    else:
        initialise.development(state, key, licences)
        out.print(
            f"{state} is ready, with a certificate of a development CA: for trials, not for evidence. "
            f"Serve it: tsa serve --dir {state}",
            markup=False,
        )


@app.command()
def serve(
    state: StateDir,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT instead of [server] listen.")] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes; 0: one a core.")] = None,
) -> None:
    """Serve until SIGTERM; SIGHUP reads tsa.toml, key and certificates anew. Makes the folder when it is missing."""
    from tsa.process.supervise import Supervisor

    if not layout.settings(state).exists():
        initialise.development(state, "p256", FIRST_LICENCES)
    overrides = {name: value for name, value in (("listen", listen), ("workers", workers)) if value is not None}

    def read_config() -> config.Config:
        return config.load(state, overrides)

    logs.configure(read_config().log.level)
    Supervisor(read_config).run()


@app.command()
def stamp(
    files: Annotated[list[Path], typer.Argument(help="Files to stamp; FILE.tsr is written beside each.")],
    url: Annotated[str, typer.Option(help="The authority.")] = "http://127.0.0.1:3161/",
    hash_name: Annotated[
        str, typer.Option("--hash", help=f"One of {', '.join(HASHES)}.", callback=_one_of("hash", tuple(HASHES)))
    ] = "sha256",
    key_file: Annotated[
        Path | None, typer.Option(help="File with the application's APP_KEY; or the variable TSA_APP_KEY.")
    ] = None,
) -> None:
    """Stamp files: only their digests are sent."""
    if not asyncio.run(_stamp_all(files, url, hash_name, credentials(key_file))):
        sys.exit(1)


async def _stamp_all(files: list[Path], url: str, hash_name: str, headers: dict[str, str]) -> bool:
    complete = True
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        for file in tracked(files, "Stamping"):
            try:
                stamped = await stamp_file(session, url, file, hash_name)
            except StampFault as fault:
                _complain(str(fault))
                complete = False
                continue
            gen_time = stamped.token.gen_time.isoformat().replace("+00:00", "Z")
            _tell(f"{stamped.file}: {gen_time}, serialNumber {stamped.token.serial_number:x}")
            if stamped.moved:
                _tell(f"  the earlier token is kept as {stamped.moved}")
    return complete
