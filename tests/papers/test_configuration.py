"""docs/configuration.md and the class that reads tsa.toml name the same keys with the same defaults."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from tsa.state.config import Config

PAPER = Path(__file__).parents[2] / "docs/configuration.md"
ROW = re.compile(r"\| `(?P<key>\w+)` \| (?P<default>`.*?`|none) \| (?P<read>\w+) \| (?P<meaning>[^|]+) \| ")
Settings = dict[tuple[str, str], object]


def rows(text: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Every row of the paper that describes a key, with the table of tsa.toml that it stands under."""
    table = ""
    for line in text.splitlines():
        if heading := re.match(r"## \[(\w+)\]", line):
            table = heading[1]
        elif line.startswith("| `"):
            row = ROW.match(line)
            assert row, f"not a row of key, default, read, meaning, trust: {line}"
            yield table, row


def described(text: str) -> Settings:
    """The keys of the paper with their defaults; a key without a default has None."""
    found: Settings = {}
    for table, row in rows(text):
        name, default = (table, row["key"]), row["default"]
        assert name not in found, f"{name} is described twice"
        found[name] = None if default == "none" else tomllib.loads(f"value = {default.strip('`')}")["value"]
    return found


def known() -> Settings:
    """The keys that the class takes, with their defaults."""
    found: Settings = {}
    for table, field in Config.model_fields.items():
        for model in (field.annotation, *get_args(field.annotation)):
            if isinstance(model, type) and issubclass(model, BaseModel):
                for key, each in model.model_fields.items():
                    default = None if each.default is PydanticUndefined else each.default
                    found[table, key] = list(default) if isinstance(default, tuple) else default
    return found


def test_the_paper_has_every_key_and_no_other() -> None:
    assert described(PAPER.read_text()).keys() == known().keys()


def test_the_paper_has_the_defaults_of_the_class() -> None:
    paper, settings = described(PAPER.read_text()), known()
    assert {name: (paper[name], settings[name]) for name in paper if paper[name] != settings[name]} == {}
    assert [name for name in paper if type(paper[name]) is not type(settings[name])] == []


def test_every_row_says_when_the_key_is_read_and_what_it_means() -> None:
    found = list(rows(PAPER.read_text()))
    assert {row["read"] for _, row in found} == {"start", "SIGHUP"}
    assert all(len(row["meaning"].split()) > 2 for _, row in found)


def test_a_key_left_out_invented_or_changed_would_be_seen() -> None:
    text = PAPER.read_text()
    for wrong in (
        text.replace("| `drift_ppm` |", "| `drift` |"),
        text.replace("| `roll_mib` | `1024` |", "| `roll_mib` | `1023` |"),
        "\n".join(line for line in text.splitlines() if not line.startswith("| `quorum`")),
    ):
        assert wrong != text
        assert described(wrong) != known()
