"""A signing host has tsa-bench but neither Locust nor matplotlib: the commands that need them say how to get them."""

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
import sys
sys.modules["locust"] = sys.modules["matplotlib"] = None  # as if they were not installed
from bench.{room} import main
sys.exit(main({arguments}))
"""


@pytest.mark.parametrize(
    ("room", "arguments", "missing"),
    [
        ("cli", ["licence", "--licences", "1"], "locust, matplotlib"),
        ("cli", ["ceiling", "--plot", "plot.svg"], "matplotlib"),
        ("cost.survey", ["--out", "."], "matplotlib"),
    ],
)
def test_what_is_not_installed_is_one_sentence(room: str, arguments: list[str], missing: str, tmp_path: Path) -> None:
    code = WITHOUT.format(room=room, arguments="" if room == "cli" else arguments)
    line = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == []
    assert f"not installed here: {missing}; run `make setup`" in done.stderr
    assert not list(tmp_path.iterdir())
