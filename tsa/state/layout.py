"""Where everything in a state folder is: no other room knows the names of its files.

tsa.toml                        settings
keys/                           private keys, mode 0700
certs/                          certificates and the request for one
control.db                      applications, licences, events, usage, ledger heads
clock.db                        the clock's journal
clock.alive                     when the server last looked at the clock
ledger/YYYY-MM/WORKER[-NN].db   every token; beside it WORKER[-NN].imprints, an index
lock                            held by the server that uses the folder
"""

from __future__ import annotations

from pathlib import Path

# The files that [tsu] names where tsa.toml says nothing else, relative to the state folder.
TSU_KEY = "keys/tsa.key"
TSU_CERTIFICATE = "certs/tsa.pem"
TSU_CA = "certs/ca.pem"

SETTINGS = "tsa.toml"
PUBLIC = (SETTINGS, TSU_CA, TSU_CERTIFICATE)
"""The files that a backup takes besides the databases: none of them is secret."""


def settings(state: Path) -> Path:
    """tsa.toml."""
    return state / SETTINGS


def control(state: Path) -> Path:
    """The database of applications, licences, events, usage and heads."""
    return state / "control.db"


def clock_journal(state: Path) -> Path:
    """The database of the clock's measurements."""
    return state / "clock.db"


def clock_heartbeat(state: Path) -> Path:
    """The file that says when the server last looked at the clock."""
    return state / "clock.alive"


def ledger(state: Path) -> Path:
    """The folder of the ledger's months."""
    return state / "ledger"


def imprint_index(segment: Path) -> Path:
    """The index of imprints beside a ledger file."""
    return segment.with_suffix(".imprints")


def lock(state: Path) -> Path:
    """The file that a server holds while it uses the folder."""
    return state / "lock"


def keys(state: Path) -> Path:
    """The folder of private keys."""
    return state / "keys"


def certs(state: Path) -> Path:
    """The folder of certificates."""
    return state / "certs"


def certificate_request(state: Path) -> Path:
    """The PKCS #10 request that `tsa init --csr` writes."""
    return certs(state) / "tsa.csr"
