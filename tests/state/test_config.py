"""tsa.toml: the defaults stand in the file as they are in the code, and every mistake names its table and key."""

import re
import tomllib
from base64 import b64encode
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certs.der import Malformed, Reader
from tests.support.server import with_option
from tsa.protocol import der
from tsa.state.config import MAX_POLICY_OCTETS, Config, ConfigFault, load, write_default

DEFAULT = files("tsa.state").joinpath("default.toml").read_text()
TLS = '[tls]\ncertificate = "certs/tls.pem"\nkey = "keys/tls.key"\n'


def public_key(kind: str) -> str:
    """The base64 of a public key in DER."""
    keys: dict[str, Callable[[], ed25519.Ed25519PublicKey | x25519.X25519PublicKey | ec.EllipticCurvePublicKey]] = {
        "ed25519": lambda: ed25519.Ed25519PrivateKey.generate().public_key(),
        "x25519": lambda: x25519.X25519PrivateKey.generate().public_key(),
        "p256": lambda: ec.generate_private_key(ec.SECP256R1()).public_key(),
    }
    return b64encode(keys[kind]().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def config_of(state: Path, text: str, **server: object) -> Config:
    """What a tsa.toml of this text is read as."""
    (state / "tsa.toml").write_text(text)
    return load(state, server)


def fault_of(state: Path, text: str, **server: object) -> str:
    with pytest.raises(ConfigFault) as fault:
        config_of(state, text, **server)
    return str(fault.value)


def test_the_defaults_in_the_file_are_those_of_the_code(tmp_path: Path) -> None:
    assert config_of(tmp_path, DEFAULT) == config_of(tmp_path, "") == Config(dir=tmp_path)


def test_every_key_that_has_a_default_stands_in_the_file() -> None:
    tables = tomllib.loads(re.sub(r"^# (\w+ = |\[)", r"\1", DEFAULT, flags=re.MULTILINE))
    fields = {name: field.annotation for name, field in Config.model_fields.items() if name != "dir"}
    assert tables.keys() == fields.keys()
    for name, annotation in fields.items():
        model = next(
            kind for kind in (annotation, *getattr(annotation, "__args__", ())) if hasattr(kind, "model_fields")
        )
        assert tables[name].keys() == model.model_fields.keys(), name


def test_the_configuration_cannot_be_changed(tmp_path: Path) -> None:
    config = config_of(tmp_path, "")
    with pytest.raises(ValueError, match="frozen"):
        config.server.workers = 3  # type: ignore[misc]


def test_the_command_line_comes_before_the_file(tmp_path: Path) -> None:
    text = with_option(with_option(DEFAULT, "server", "workers", 5), "server", "drain_s", 3.5)
    server = config_of(tmp_path, text, workers=2, listen="[::1]:99").server
    assert (server.workers, server.listen, server.drain_s) == (2, "[::1]:99", 3.5)
    assert config_of(tmp_path, "", workers=2).server.workers == 2


def test_files_are_relative_to_the_state_folder(tmp_path: Path) -> None:
    config = config_of(tmp_path, TLS)
    assert config.path(config.tsu.key) == tmp_path / "keys/tsa.key"
    assert config.path("/etc/tsa.key") == Path("/etc/tsa.key")
    assert config.tls is not None
    assert config.tls.client_ca is None


def test_what_the_design_promises_of_the_defaults(tmp_path: Path) -> None:
    config = config_of(tmp_path, "")
    assert config.anonymous.enabled
    assert (config.licence.stamps_per_licence_hour, config.licence.window_s) == (20_000, 3600)
    assert config.signing.workers_per_licence == 1.0
    assert config.clock.sources == ("system",)
    assert config.server.trusted_proxies == ()


def test_the_price_list_s_figure_can_be_set(tmp_path: Path) -> None:
    text = with_option(DEFAULT, "licence", "stamps_per_licence_hour", 10_000)
    assert config_of(tmp_path, text).licence.stamps_per_licence_hour == 10_000


def test_an_issuer_is_pinned_by_its_public_key(tmp_path: Path) -> None:
    pinned = public_key("ed25519")
    assert config_of(tmp_path, with_option(DEFAULT, "licence", "issuer_key", pinned)).licence.issuer_key == pinned


def test_networks_of_proxies_are_of_either_version_or_a_single_address(tmp_path: Path) -> None:
    proxies = ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "2001:DB8::1"]
    read = config_of(tmp_path, with_option(DEFAULT, "server", "trusted_proxies", proxies)).server.trusted_proxies
    assert read == ("10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "2001:db8::1/128")


WRONG = [
    ("server", "lisen", "127.0.0.1:1", "[server] lisen: unknown key"),
    ("server", "listen", "3161", "[server] listen: an address such as"),
    ("server", "listen", ":3161", "[server] listen: an address such as"),
    ("server", "listen", "localhost:65536", "[server] listen: an address such as"),
    ("server", "listen", "localhost:http", "[server] listen: an address such as"),
    ("server", "workers", -1, "[server] workers: "),
    ("server", "workers", "2", "[server] workers: "),
    ("server", "workers", True, "[server] workers: "),
    ("server", "body_limit", 0, "[server] body_limit: "),
    ("server", "deadline_s", 0.0, "[server] deadline_s: "),
    ("server", "max_connections", 1.5, "[server] max_connections: "),
    ("server", "trusted_proxies", "10.0.0.0/8", "[server] trusted_proxies: "),
    ("server", "trusted_proxies", ["10.0.0.0/8", "10.0.0.1/8"], "[server] trusted_proxies.1: 10.0.0.1/8 has host bits"),
    ("server", "trusted_proxies", ["proxy.example"], "[server] trusted_proxies.0: 'proxy.example' does not appear to"),
    ("tls", "ca", "x", "[tls] certificate: "),
    ("tsu", "node", "0000000g", "[tsu] node: "),
    ("tsu", "node", "0", "[tsu] node: "),
    ("tsu", "key", 5, "[tsu] key: "),
    ("tsu", "passphrase", "secret", "[tsu] passphrase: unknown key"),
    ("policy", "default", "my policy", "[policy] default: 'my policy' is not an object identifier"),
    ("policy", "accepted", ["2.999", "3.1"], "[policy] accepted.1: '3.1' is not an object identifier"),
    ("policy", "accepted", "2.999", "[policy] accepted: "),
    ("policy", "hashes", ["sha1"], "[policy] hashes.0: 'sha1' is not one of sha256, "),
    ("policy", "hashes", [], "[policy] hashes: "),
    ("token", "fraction_digits", 7, "[token] fraction_digits: "),
    ("token", "signing_time", 1, "[token] signing_time: "),
    ("signing", "max_batch", 0, "[signing] max_batch: "),
    ("signing", "workers_per_licence", 0.0, "[signing] workers_per_licence: "),
    ("signing", "threads", 65, "[signing] threads: "),
    ("anonymous", "enabled", "no", "[anonymous] enabled: "),
    ("anonymous", "licences", 2, "[anonymous] licences: unknown key"),
    ("licence", "stamps_per_licence_hour", 0, "[licence] stamps_per_licence_hour: "),
    ("licence", "stamps_per_hour", 10_000, "[licence] stamps_per_hour: unknown key"),
    ("licence", "window_s", 0, "[licence] window_s: "),
    ("licence", "window_s", 3601, "[licence] window_s: "),
    ("licence", "issuer_key", 5, "[licence] issuer_key: "),
    ("licence", "issuer_key", "", "[licence] issuer_key: no Ed25519 public key in base64"),
    ("licence", "issuer_key", "MCowBQYDK2VwAyEA", "[licence] issuer_key: no Ed25519 public key in base64"),
    ("licence", "issuer_key", "kÿ", "[licence] issuer_key: no Ed25519 public key in base64"),
    ("licence", "issuer_key", public_key("x25519"), "[licence] issuer_key: no Ed25519 public key in base64"),
    ("licence", "issuer_key", public_key("p256"), "[licence] issuer_key: no Ed25519 public key in base64"),
    ("ledger", "roll_mib", 0, "[ledger] roll_mib: "),
    ("ledger", "witness", True, "[ledger] witness: "),
    ("ledger", "retention", "10 years", "[ledger] retention: unknown key"),
    ("clock", "sources", ["sundial"], "[clock] sources.0: "),
    ("clock", "sources", ["ntp"], "[clock]: ntp_servers: 3 servers or more are needed"),
    ("clock", "sources", ["system", "kernel"], '[clock]: sources: "system" takes the clock at its word'),
    ("clock", "accuracy_floor_ms", 1001, "[clock]: accuracy_floor_ms is above max_accuracy_ms"),
    ("clock", "ntp_servers", ["a b"], "[clock] ntp_servers.0: a host such as ntp.example"),
    ("clock", "ntp_servers", ["a", "b", "a"], "[clock]: ntp_servers: name each server once"),
    ("token", "fraction_digits", 0, "[token] fraction_digits = 0 cuts up to 1 s off genTime: then"),
    ("clock", "quorum", 1, "[clock] quorum: "),
    ("clock", "sources", [], "[clock] sources: "),
    ("clock", "accuracy_floor_ms", 0, "[clock] accuracy_floor_ms: "),
    ("log", "level", "loud", "[log] level: "),
    ("logs", "level", "info", "[logs]: unknown key"),
]


@pytest.mark.parametrize(("table", "key", "value", "sentence"), WRONG, ids=range(len(WRONG)))
def test_a_mistake_names_its_table_and_key(tmp_path: Path, table: str, key: str, value: object, sentence: str) -> None:
    said = fault_of(tmp_path, with_option(DEFAULT, table, key, value))
    assert f"{tmp_path / 'tsa.toml'}: {sentence}" in said
    assert "Value error" not in said
    assert all(line.endswith(".") for line in said.splitlines())


def test_every_mistake_has_a_line(tmp_path: Path) -> None:
    text = with_option(with_option(DEFAULT, "server", "workers", -1), "token", "colour", "red")
    said = fault_of(tmp_path, text).splitlines()
    assert len(said) == 2
    assert "[server] workers" in said[0]
    assert "[token] colour" in said[1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('server = "here"', "[server]: "),
        ('tls = "off"', "[tls]: "),
        ('dir = "/tmp"', "dir: unknown key; the folder is given with --dir"),
        ("[server", "is not TOML"),
        ("[server]\n[server]", "is not TOML"),
        ("[server]\nworkers = 1\nworkers = 2", "is not TOML"),
    ],
)
def test_what_is_no_table_or_no_toml_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in fault_of(tmp_path, text)
    assert sentence in fault_of(tmp_path, text, workers=2)


def test_a_missing_file_tells_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigFault, match="make it with `tsa init --dir"):
        load(tmp_path)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "tsa.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigFault, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "tsa.toml").unlink()
    (tmp_path / "tsa.toml").mkdir()
    with pytest.raises(ConfigFault, match="cannot be read"):
        load(tmp_path)


def test_each_folder_gets_a_node_of_its_own(tmp_path: Path) -> None:
    nodes = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_default(tmp_path / name)
        nodes.add(load(tmp_path / name).tsu.node)
    assert len(nodes) == 2
    assert "00000000" not in nodes


def test_a_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "tsa.toml").write_text("[log]\n")
    write_default(tmp_path)
    assert (tmp_path / "tsa.toml").read_text() == "[log]\n"


def test_a_passphrase_file_of_any_name_is_written_so_that_it_is_read_back(tmp_path: Path) -> None:
    passphrase = tmp_path / 'a "quoted"\\ näme'
    write_default(tmp_path, passphrase)
    assert load(tmp_path).tsu.passphrase_file == str(passphrase)


@pytest.mark.parametrize("key", ["default", "accepted"])
def test_a_policy_has_at_most_as_many_octets_as_our_verifier_reads(tmp_path: Path, key: str) -> None:
    longest, too_long = ("2.999" + ".1" * (octets - 2) for octets in (MAX_POLICY_OCTETS, MAX_POLICY_OCTETS + 1))
    value = {"default": '"{}"', "accepted": '["{}"]'}[key]
    assert longest in str(config_of(tmp_path, f"[policy]\n{key} = {value.format(longest)}").policy)
    with pytest.raises(ConfigFault, match=rf"\[policy\] {key}.*has 65 octets, and a policy OID of 64 is the longest"):
        config_of(tmp_path, f"[policy]\n{key} = {value.format(too_long)}")
    assert len(Reader(der.oid(longest)).oid("a policy")) > MAX_POLICY_OCTETS
    with pytest.raises(Malformed):
        Reader(der.oid(too_long)).oid("a policy")
