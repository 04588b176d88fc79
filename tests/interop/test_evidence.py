"""Evidence records with Bouncy Castle (Debian's libbcpkix-java): each verifies what the other made."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.server import Server

JARS = [Path(f"/usr/share/java/{name}.jar") for name in ("bcpkix", "bcutil", "bcprov")]
PROGRAM = Path(__file__).with_name("EvidenceRecords.java")

pytestmark = pytest.mark.skipif(
    not (shutil.which("java") and all(jar.exists() for jar in JARS)),
    reason="no JDK with Bouncy Castle here: java or libbcpkix-java is missing",
)


def bouncy_castle(*arguments: str | Path) -> str:
    """What our small program around it prints; it must succeed."""
    command = ["java", "-cp", os.pathsep.join(map(str, JARS)), str(PROGRAM), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def evidence(command: str, *arguments: str | Path, server: Server) -> None:
    result = run("evidence", command, *arguments, "--url", server.url)
    assert result.exit_code == 0, result.output


def kept(files: list[Path], step: str) -> list[str]:
    """The files with their records, each record copied as it is after a step."""
    records = [(file, f"{file}.er", f"{file}.{step}.er") for file in files]
    return [str(each) for file, record, copy in records for each in (file, shutil.copy(record, copy))]


@pytest.fixture(scope="module")
def theirs(server: Server, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files whose records Bouncy Castle made, and renewed both ways, each as a file of its own."""
    files = _files(tmp_path_factory.mktemp("theirs"))
    bouncy_castle("make", server.url, files[0].parent, *files)
    return files


def _files(folder: Path) -> list[Path]:
    files = [folder / f"{number}.txt" for number in range(5)]
    for number, file in enumerate(files):
        file.write_text(f"file {number}")
    return files


@pytest.mark.parametrize("step", ["made", "stamped", "rebuilt"])
def test_we_verify_theirs(server: Server, theirs: list[Path], step: str) -> None:
    pairs = [each for file in theirs for each in (file, f"{file}.{step}.er")]
    result = run("evidence", "verify", *pairs, "--ca", server.ca_pem)
    assert result.exit_code == 0, result.output
    assert result.stdout.count(": proved since ") == len(theirs)
    assert run("evidence", "verify", theirs[0], f"{theirs[4]}.rebuilt.er", "--ca", server.ca_pem).exit_code == 1


def test_bouncy_castle_verifies_ours(server: Server, theirs: list[Path], tmp_path: Path) -> None:
    """As made, and after each of three renewals (it looks at the newest chain); and its own that we renewed."""
    files = _files(tmp_path)
    evidence("create", *files, server=server)
    good = kept(files, "made")
    for number, options in enumerate(((), ("--hash", "sha512"), ())):
        evidence("renew", *files, *options, server=server)
        good += kept(files, str(number))
    grown = [each for file in theirs for each in (str(file), shutil.copy(f"{file}.rebuilt.er", f"{file}.grown.er"))]
    evidence("renew", *grown, server=server)
    wrong = [str(files[4]), f"{files[0]}.1.er"]
    verdicts = [line.split("\t") for line in bouncy_castle("verify", *good, *grown, *wrong).splitlines()]
    proved = zip((*good, *grown)[::2], (*good, *grown)[1::2], strict=True)
    assert {(file, record): verdict for file, record, verdict in verdicts} == {
        **dict.fromkeys(proved, "verified"),
        (wrong[0], wrong[1]): "object hash not found",
    }
