"""Other values in a tsa.toml: the server reads them, keeps all else, and refuses a name that it does not know."""

import tomllib
from pathlib import Path

import pytest

from bench import BenchError, proc, server, settings


def test_values_are_changed_and_nothing_else(tmp_path: Path) -> None:
    server.initialise(tmp_path, "p256")
    before = tomllib.loads((tmp_path / "tsa.toml").read_text("utf-8"))
    settings.change(tmp_path, {"licence": {"window_s": 60}, "ledger": {"roll_mib": 7}})
    after = tomllib.loads((tmp_path / "tsa.toml").read_text("utf-8"))
    assert (after["licence"].pop("window_s"), after["ledger"].pop("roll_mib")) == (60, 7)
    assert (before["licence"].pop("window_s"), before["ledger"].pop("roll_mib")) == (3600, 1024)
    assert after == before


def test_any_text_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "tsa.toml"
    file.write_text('[a]\nname = "a \\"quoted\\" name — §\\n"\nlist = ["x", "y"]\nhalf = 0.5\non = true\n', "utf-8")
    before = tomllib.loads(file.read_text("utf-8"))
    settings.change(tmp_path, {"b": {"new": 1}})
    assert tomllib.loads(file.read_text("utf-8")) == before | {"b": {"new": 1}}


def test_an_unknown_name_is_refused_by_the_server() -> None:
    unknown = {"ledger": {"colour": 1}}
    with pytest.raises(BenchError, match="colour"), server.authority("p256", proc.cores()[0], changed=unknown):
        pass
