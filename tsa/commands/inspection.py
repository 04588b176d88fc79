"""`tsa inspect`: every field of a message, with its meaning."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from tsa.commands import AsJson, visible
from tsa.commands.field_meanings import meaning
from tsa.state.faults import Fault
from tsa.verify.inspect import Unreadable, describe

MAX_OCTETS = 1 << 20
MAX_SHOWN = 2000


class InspectFault(Fault):
    """There is nothing to show; the text says why."""


def inspect(
    file: Annotated[
        Path, typer.Argument(help="A TimeStampReq (.tsq), TimeStampResp (.tsr) or token, in DER, PEM or base64.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show every field of a request, a response or a token, with its meaning. Nothing is verified."""
    with file.open("rb") as content:
        octets = content.read(MAX_OCTETS + 1)
    if len(octets) > MAX_OCTETS:
        raise InspectFault(f"{file} has more than {MAX_OCTETS:,} octets: no request, response or token has.")
    try:
        kind, fields = describe(octets)
    except Unreadable as fault:
        raise InspectFault(f"{file} is {fault}.") from None
    if as_json:
        print(json.dumps({"type": kind, **fields}, indent=2))
    else:
        tree = _branch(Tree(_line(kind, "", kind)), fields, kind)
        Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 500).print(tree)


def _branch(tree: Tree, fields: dict[str, Any], parent: str) -> Tree:
    for name, value in fields.items():
        singular = name.removesuffix("s")
        if f"{singular}Values" in fields:
            continue  # the names alone; each follows with its value
        if isinstance(value, dict):
            _branch(tree.add(_line(name, parent, name)), value, name)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for number, one in enumerate(value, 1):
                _item(tree, name, number, one)
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            tree.add(_line(name, parent, f"{name}: {_cut(text)}"))
    return tree


def _item(tree: Tree, name: str, number: int, one: Any) -> None:
    """Add one of several: an attribute or extension by its own name, others by their number."""
    kind = name.removesuffix("Values")
    if not isinstance(one, dict):
        tree.add(_line(name, "", f"{kind} {number}: {_cut(str(one))}"))
        return
    own = one.get("name") or one.get("type") or one.get("extnID") or number
    label = f"{kind} {own}"
    _branch(tree.add(_line(label, "", label, kind)), one, kind)


def _line(name: str, parent: str, text: str, general: str = "") -> Text:
    """A line of text, with its meaning."""
    said = meaning(name, parent) or meaning(general)
    line = Text(visible(text))
    return line.append(f"   {said}", "dim") if said else line


def _cut(text: str) -> str:
    return (
        text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… and {len(text) - MAX_SHOWN:,} more (--json has all)"
    )
