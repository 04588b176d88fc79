"""What `make` installs, and how: from complete locks, by whatever pip the machine's Python came with."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-bench.lock", "requirements-dev.lock")
PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "tiny"
version = "1"
[tool.setuptools]
py-modules = []
"""


def names_of(lock: str) -> set[str]:
    """The distributions that a lock pins."""
    return set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / lock).read_text(), re.MULTILINE))


def test_a_lock_that_is_not_the_newest_is_installed_by_the_stock_pip(tmp_path: Path) -> None:
    """old.lock pins an older coverage than there is, and pytest-cov asks for coverage[toml].

    An old pip resolved that to the newest one, which no lock pins, and ended.
    """
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    for lock in LOCKS:
        shutil.copy(Path(__file__).with_name("old.lock"), tmp_path / lock)
    made = subprocess.run(
        ["make", "dev", f"PYTHON={sys.executable}"], cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert made.returncode == 0, made.stdout + made.stderr
    checked = subprocess.run([tmp_path / ".venv/bin/python", "-m", "pip", "check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    assert "coverage 7.11.0" in " ".join(
        subprocess.check_output([tmp_path / ".venv/bin/pip", "list"], text=True).split()
    )


@pytest.mark.parametrize(("smaller", "larger"), [LOCKS[:2], LOCKS[1:]])
def test_each_lock_has_the_one_before(smaller: str, larger: str) -> None:
    pins = [
        set(re.findall(r"^[a-z0-9.-]+==[^ ]+", (ROOT / lock).read_text(), re.MULTILINE)) for lock in (smaller, larger)
    ]
    assert pins[0] < pins[1]


def test_a_signing_host_gets_what_serving_needs_and_no_load_generator() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[<>=;\[ ]", each)[0] for each in project["dependencies"]}
    serving = names_of("requirements.lock")
    assert wanted <= serving
    assert serving.isdisjoint({"locust", "flask", "matplotlib", "numpy", "pytest", "mypy"})
    assert {"locust", "matplotlib"} <= names_of("requirements-bench.lock")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index_and_hashes_everything(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "index-url" not in text
    assert "://" not in text
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=[a-z0-9])", text) if "==" in entry)
