"""tsa.toml: read once, checked whole, then frozen. An unknown key is an error that names it (decision 11)."""

from __future__ import annotations

import base64
import json
import secrets
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from tsa.protocol import der
from tsa.protocol.oids import HASHES
from tsa.state import layout
from tsa.state.faults import Fault

MAX_POLICY_OCTETS = 64
"""As many as our own verifier reads of an OBJECT IDENTIFIER (certs/der.py)."""


class ConfigFault(Fault):
    """tsa.toml cannot be used; the text says where and what to do."""


def dotted_oid(text: str) -> str:
    """`text`, where it is an OBJECT IDENTIFIER in dotted form. Raises ValueError."""
    der.oid(text)
    return text


def policy_id(text: str) -> str:
    """The OID of a time-stamp policy, dotted. Raises ValueError: it is none, or has more octets than we verify."""
    octets = len(der.content(der.oid(text)))
    if octets > MAX_POLICY_OCTETS:
        raise ValueError(f"{text[:40]}… has {octets} octets, and a policy OID of {MAX_POLICY_OCTETS} is the longest")
    return text


def _hash(name: str) -> str:
    if name not in HASHES:
        raise ValueError(f"{name!r} is not one of {', '.join(HASHES)}")
    return name


def _listen(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("an address such as 127.0.0.1:3161 or [::1]:3161 is needed")
    return text


def ed25519_key(text: str) -> Ed25519PublicKey:
    """The public key of a licence issuer, as [licence] issuer_key pins it: base64 of DER. Raises ValueError."""
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("no Ed25519 public key in base64: take the line of `tsa licence key`")  # noqa: TRY004
    return key


def _issuer_key(text: str) -> str:
    ed25519_key(text)
    return text


def _network(text: str) -> str:
    return str(ip_network(text))


def _ntp_server(text: str) -> str:
    if not text or any(each.isspace() for each in text):
        raise ValueError("a host such as ntp.example, or HOST:PORT, is needed")
    return text


NtpServer = Annotated[str, AfterValidator(_ntp_server)]
Network = Annotated[str, AfterValidator(_network)]
PolicyId = Annotated[str, AfterValidator(policy_id)]
HashName = Annotated[str, AfterValidator(_hash)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ServerTable(_Table):
    """[server]: how it is reached."""

    listen: Annotated[str, AfterValidator(_listen)] = "127.0.0.1:3161"
    workers: int = Field(0, ge=0, le=256)
    body_limit: int = Field(16_384, ge=256, le=1 << 20)
    deadline_s: Seconds = 10.0
    keepalive_s: Seconds = 75.0
    drain_s: Seconds = 10.0
    max_connections: int = Field(4096, ge=1)
    trusted_proxies: tuple[Network, ...] = Field((), strict=False)


class TlsTable(_Table):
    """[tls]: optional; files are relative to the state folder."""

    certificate: str
    key: str
    client_ca: str | None = None


class TsuTable(_Table):
    """[tsu]: the time-stamping unit, one key with its certificate; files are relative to the state folder."""

    key: str = layout.TSU_KEY
    certificate: str = layout.TSU_CERTIFICATE
    ca: str = layout.TSU_CA
    passphrase_file: str | None = None
    node: str = Field("00000000", pattern="^[0-9a-f]{8}$")


class PolicyTable(_Table):
    """[policy]: what may be stamped."""

    default: PolicyId = "2.999.3161.1"
    accepted: tuple[PolicyId, ...] = Field((), strict=False)
    hashes: tuple[HashName, ...] = Field(tuple(HASHES), strict=False, min_length=1)


class TokenTable(_Table):
    """[token]: the optional fields of a token."""

    fraction_digits: int = Field(3, ge=0, le=6)
    include_tsa_name: bool = False
    signing_time: bool = False

    @property
    def cut_us(self) -> int:
        """The most that the written genTime can be short of the measured one, µs."""
        return int(10 ** (6 - self.fraction_digits)) if self.fraction_digits < 6 else 0


class SigningTable(_Table):
    """[signing]: how much is taken on at once."""

    queue: int = Field(4096, ge=1)
    max_batch: int = Field(128, ge=1, le=4096)
    max_wait_ms: int = Field(2000, ge=1)
    threads: int = Field(0, ge=0, le=64)
    workers_per_licence: float = Field(1.0, gt=0)


class AnonymousTable(_Table):
    """[anonymous]: whether requests without credentials are stamped, on licences of their own."""

    enabled: bool = True


class LicenceTable(_Table):
    """[licence]: the stamps that a licence is worth, and the key of its issuer."""

    stamps_per_licence_hour: int = Field(20_000, ge=1, le=1 << 31)
    window_s: int = Field(3600, ge=1, le=3600)
    issuer_key: Annotated[str, AfterValidator(_issuer_key)] | None = None


class LedgerTable(_Table):
    """[ledger]: the record of every token."""

    roll_mib: int = Field(1024, ge=1)
    witness: str | None = None


class ClockTable(_Table):
    """[clock]: where genTime comes from."""

    sources: tuple[Literal["system", "kernel", "chrony", "ntp"], ...] = Field(("system",), strict=False, min_length=1)
    accuracy_floor_ms: int = Field(1000, ge=1, le=60_000)
    max_accuracy_ms: int = Field(1000, ge=1, le=60_000)
    max_step_ms: int = Field(100, ge=10, le=10_000)
    settle_s: Seconds = 60.0
    poll_s: Seconds = 64.0
    drift_ppm: int = Field(15, ge=1, le=100_000)
    leap_window_s: int = Field(2, ge=0, le=3600)
    chrony: Annotated[str, Field(min_length=1)] = "127.0.0.1:323"
    ntp_servers: tuple[NtpServer, ...] = Field((), strict=False)
    quorum: int = Field(2, ge=2)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.accuracy_floor_ms > self.max_accuracy_ms:
            raise ValueError("accuracy_floor_ms is above max_accuracy_ms: then no genTime could ever be given")
        if "system" in self.sources and len(self.sources) > 1:
            raise ValueError('sources: "system" takes the clock at its word, so it stands alone')
        if len(set(self.ntp_servers)) < len(self.ntp_servers):
            raise ValueError("ntp_servers: name each server once")
        if "ntp" in self.sources and len(self.ntp_servers) < max(3, self.quorum):
            raise ValueError(
                f"ntp_servers: {max(3, self.quorum)} servers or more are needed, so that a false one is seen"
            )
        return self


class LogTable(_Table):
    """[log]: the events that are logged; JSON, an event a line, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    requests: bool = False


class Config(_Table):
    """All of tsa.toml, and the folder that its relative paths start from."""

    dir: Path
    server: ServerTable = ServerTable()
    tls: TlsTable | None = None
    tsu: TsuTable = TsuTable()
    policy: PolicyTable = PolicyTable()
    token: TokenTable = TokenTable()
    signing: SigningTable = SigningTable()
    anonymous: AnonymousTable = AnonymousTable()
    licence: LicenceTable = LicenceTable()
    ledger: LedgerTable = LedgerTable()
    clock: ClockTable = ClockTable()
    log: LogTable = LogTable()

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if self.token.cut_us >= self.clock.max_accuracy_ms * 1_000:
            raise ValueError(
                f"[token] fraction_digits = {self.token.fraction_digits} cuts up to {self.token.cut_us / 1e6:g} s off"
                " genTime: then [clock] max_accuracy_ms must be more"
            )
        return self

    def path(self, name: str) -> Path:
        """A file named in tsa.toml: absolute, or relative to the state folder."""
        return self.dir / name


def load(state: Path, server: Mapping[str, object] | None = None) -> Config:
    """The configuration in `state`/tsa.toml; values of `server`, from the command line, replace those of [server].

    Raises ConfigFault with a line for every mistake, which names its table and key.
    """
    file = layout.settings(state)
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigFault(f"{file} does not exist: make it with `tsa init --dir {state}`.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigFault(f"{file} cannot be read: {error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigFault(f"{file} is not TOML: {error}.") from None
    if "dir" in tables:
        raise ConfigFault(f"{file}: dir: unknown key; the folder is given with --dir.")
    if server and isinstance(tables.setdefault("server", {}), dict):
        tables["server"] |= server
    try:
        return Config(dir=state.absolute(), **tables)
    except ValidationError as error:
        raise ConfigFault("\n".join(_sentence(file, fault["loc"], fault) for fault in error.errors())) from None


def write_default(state: Path, passphrase_file: Path | None = None) -> None:
    """Write a commented tsa.toml with a node number of its own into `state`, unless there is one."""
    text = files("tsa.state").joinpath("default.toml").read_text(encoding="utf-8")
    text = text.replace('node = "00000000"', f'node = "{secrets.token_hex(4)}"')
    if passphrase_file is not None:
        text = text.replace(
            '# passphrase_file = "keys/passphrase"', f"passphrase_file = {json.dumps(str(passphrase_file))}"
        )
    try:
        with layout.settings(state).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return


def _sentence(file: Path, where: tuple[int | str, ...], fault: object) -> str:
    kind, message = fault["type"], fault["msg"]  # type: ignore[index]
    if not where:  # more than one table has to do with it
        return f"{file}: {message.removeprefix('Value error, ')}."
    table, *keys = (str(part) for part in where)
    place = f"[{table}] {'.'.join(keys)}".rstrip()
    if kind == "extra_forbidden":
        message = "unknown key; docs/configuration.md lists every key of every table"
    return f"{file}: {place}: {message.removeprefix('Value error, ')}."
