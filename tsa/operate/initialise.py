"""A state folder: made for a first run, made ready for a real CA's certificate, or filled with one."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from certs.chain import build_chain, read_certificates, write_pem
from certs.csr import certificate_request, parse_subject
from certs.devca import create_development_chain
from certs.fitness import check_fitness
from signer.custody import keep_key, new_key, open_key
from tsa.licensing.applications import ensure_anonymous
from tsa.licensing.store import SqliteApplications
from tsa.stamping.tsu import read_passphrase
from tsa.state import layout
from tsa.state.config import load as load_config
from tsa.state.config import write_default
from tsa.state.control import Control
from tsa.state.faults import Fault
from tsa.state.layout import TSU_CA, TSU_CERTIFICATE, TSU_KEY


class StateFault(Fault):
    """The state folder cannot be made; the text says why."""


def development(state: Path, key_type: str, licences: int) -> None:
    """Make a key, a development CA with a certificate for that key, and licences for anonymous callers.

    Raises StateFault, KeyFault, CertificateFault or ControlFault.
    """
    _refuse_key(state)
    _folders(state)
    key = new_key(key_type)
    chain = create_development_chain(key.public_key, datetime.now(UTC))
    write_default(state)
    write_pem(state / TSU_CERTIFICATE, [chain.certificate, *chain.intermediates])
    write_pem(state / TSU_CA, [chain.anchor])
    with closing(Control(state)) as control:
        ensure_anonymous(SqliteApplications(control), licences)
    keep_key(key, state / TSU_KEY)
    _log_event(state, "development key and certificate made", chain.certificate)


def request(state: Path, key_type: str, subject: str, passphrase_file: Path | None) -> Path:
    """Write a certificate request (PKCS #10, PEM) for a new key, or for the key that is there; returns its path.

    Raises StateFault, UnusableTsu, KeyFault, CertificateFault or ControlFault.
    """
    name, passphrase = parse_subject(subject), read_passphrase(passphrase_file)
    _folders(state)
    _configure(state, passphrase_file)
    if not (state / TSU_KEY).exists():
        keep_key(new_key(key_type), state / TSU_KEY, passphrase)
        _log_event(state, "key made", key_type=key_type)
    key = open_key(state / TSU_KEY, passphrase)
    file = layout.certificate_request(state)
    file.write_bytes(certificate_request(key, name).public_bytes(Encoding.PEM))
    return file


def import_chain(
    state: Path, chain_file: Path, ca_file: Path | None, key_file: Path | None, passphrase_file: Path | None
) -> None:
    """Use a real CA's certificate, after the checks that serving asks for.

    The key is in `key_file`, or in the state folder already.
    Raises StateFault, UnusableTsu, KeyFault, CertificateFault or ControlFault.
    """
    if key_file is not None:
        _refuse_key(state)
    passphrase = read_passphrase(passphrase_file)
    key = open_key(key_file or state / TSU_KEY, passphrase)
    anchors = read_certificates(ca_file) if ca_file else []
    chain = build_chain(key.public_key, read_certificates(chain_file), anchors)
    check_fitness(chain, key.public_key, datetime.now(UTC))
    _folders(state)
    _configure(state, passphrase_file)
    if key_file is not None:
        keep_key(key, state / TSU_KEY, passphrase)
    write_pem(state / TSU_CERTIFICATE, [chain.certificate, *chain.intermediates])
    write_pem(state / TSU_CA, [chain.anchor])
    _log_event(state, "certificate imported", chain.certificate)


def _log_event(state: Path, what: str, certificate: x509.Certificate | None = None, **detail: str) -> None:
    """Write an event to control.db, with the fingerprint of the certificate that it is about."""
    if certificate is not None:
        detail["sha256"] = certificate.fingerprint(hashes.SHA256()).hex()
    with closing(Control(state)) as control, control.change():
        control.log_event(what, **detail)


def _configure(state: Path, passphrase_file: Path | None) -> None:
    """Write tsa.toml, unless it is there: then it must name the passphrase file that is to be used."""
    write_default(state, passphrase_file)
    named = load_config(state).tsu.passphrase_file
    if passphrase_file is not None and (named is None or state.absolute() / named != passphrase_file.absolute()):
        raise StateFault(
            f'{state}/tsa.toml is there already: set passphrase_file = "{passphrase_file}" in its table [tsu] first.'
        )


def _refuse_key(state: Path) -> None:
    if (state / TSU_KEY).exists():
        raise StateFault(f"{state / TSU_KEY} is there already, and a key is never overwritten: move it away first.")


def _folders(state: Path) -> None:
    try:
        layout.certs(state).mkdir(parents=True, exist_ok=True)
        layout.keys(state).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StateFault(f"{state} cannot be made: {error.strerror}.") from error
