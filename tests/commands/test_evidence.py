"""`tsa evidence`: records made, renewed twice and verified against a server; what is wrong is told in a sentence."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.support.commands import run
from tests.support.evidence_making import DATA, SHORT, create, rebuild, renew
from tests.support.server import Server
from tests.vectors.parties import ISSUING, ROOT
from tests.vectors.revocation_data import crl
from tests.vectors.vector import armoured, pem
from tsa.client import StampFault
from tsa.verify.evidence.record import read_record
from tsa.verify.proof import NotJudged


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    made = [tmp_path / f"{number}.txt" for number in range(len(DATA))]
    for file, data in zip(made, DATA, strict=True):
        file.write_bytes(data)
    return made


@pytest.fixture(scope="module")
def stamps(server: Server) -> tuple[str, str]:
    return ("--url", server.url)


def records(files: list[Path]) -> list[Path]:
    return [file.with_name(f"{file.name}.er") for file in files]


def done(result: Result, code: int = 0) -> Result:
    assert result.exit_code == code, result.output
    return result


def verified(*arguments: str | Path, code: int = 0) -> Any:
    return json.loads(done(run("evidence", "verify", *arguments, "--json"), code).stdout)


def test_made_renewed_twice_and_verified(files: list[Path], stamps: tuple[str, str], server: Server) -> None:
    assert done(run("evidence", "create", *files, *stamps)).stdout == "5 records made with one stamp.\n"
    again = done(run("evidence", "renew", *records(files), *stamps, "--ca", server.ca_pem))
    assert again.stdout == "5 records renewed with one stamp, sha256.\n"
    rebuilt = done(run("evidence", "renew", *files, *stamps, "--hash", "sha512", "--ca", server.ca_pem))
    assert rebuilt.stdout == "5 records renewed with one stamp, sha512.\n"
    reports = verified(*files, "--ca", server.ca_pem)
    for report, file in zip(reports, files, strict=True):
        assert report["verdict"] == "proved"
        assert report["file"] == str(file)
        assert [each["hash_algorithm"] for each in report["timestamps"]] == ["sha256", "sha256", "sha512"]
        assert report["since"] == report["timestamps"][0]["gen_time"]
        assert datetime.fromisoformat(report["renew_before"]) > datetime.now(UTC)
    assert len({report["timestamps"][0]["serial_number"] for report in reports}) == 1
    lines = done(run("evidence", "verify", *records(files), "--ca", server.ca_pem)).stdout.splitlines()
    assert all(": proved since " in line and ", renewed 2 times; renew before " in line for line in lines[:-1])
    assert lines[-1] == "5 proved"
    assert {file.name for file in files[0].parent.iterdir()} == {each.name for each in (*files, *records(files))}


def test_records_in_a_folder_of_their_own(files: list[Path], stamps: tuple[str, str], server: Server) -> None:
    folder = files[0].parent / "a" / "records"
    done(run("evidence", "create", *files[:2], *stamps, "--out", folder, "--hash", "sha3-256"))
    pairs = [each for file in files[:2] for each in (file, folder / f"{file.name}.er")]
    assert [each["verdict"] for each in verified(*pairs, "--ca", server.ca_pem)] == ["proved"] * 2


def test_one_file_is_one_object_of_json(files: list[Path], stamps: tuple[str, str], server: Server) -> None:
    done(run("evidence", "create", files[0], *stamps))
    assert verified(files[0], "--ca", server.ca_pem)["verdict"] == "proved"
    assert done(run("evidence", "verify", files[0], "--ca", server.ca_pem)).stdout.count("\n") == 1
    files[0].write_bytes(b"changed")
    report = verified(records(files)[0], "--ca", server.ca_pem, code=1)
    assert report["clause"] == "RFC 4998 5.3"
    assert "does not cover the data: the file was changed" in report["reason"]


@pytest.fixture
def aged(files: list[Path], tmp_path: Path) -> tuple[list[Path], list[str | Path]]:
    """Records of another authority, renewed twice in time; and its root and CRLs."""
    for path, record in zip(records(files), rebuild(renew(create(party=SHORT))), strict=True):
        path.write_bytes(record.encoded)
    (tmp_path / "ca.pem").write_bytes(pem((ROOT.certificate,)))
    (tmp_path / "crls.pem").write_bytes(armoured(crl(ROOT), "X509 CRL") + armoured(crl(ISSUING), "X509 CRL"))
    return files, ["--ca", tmp_path / "ca.pem", "--crl", tmp_path / "crls.pem"]


def test_records_of_years(aged: tuple[list[Path], list[str | Path]]) -> None:
    files, trust = aged
    reports = verified(*files, *trust)
    assert {report["since"] for report in reports} == {"2025-06-01T12:00:00Z"}
    assert {report["renew_before"] for report in reports} == {"2036-01-01T00:00:00Z"}


def test_what_is_wrong_with_some(aged: tuple[list[Path], list[str | Path]]) -> None:
    files, trust = aged
    damaged = records(files)
    damaged[1].write_bytes(create(party=SHORT)[1].encoded)
    damaged[2].write_bytes(b"no record")
    damaged[3].unlink()
    lines = done(run("evidence", "verify", *files, *trust), 1).stdout.splitlines()
    assert "not proved: A renewal is missing: a certificate under archive time-stamp 1 of chain 1 ended on" in lines[1]
    assert "not proved: The file is not an EvidenceRecord: Expected EvidenceRecord" in lines[2]
    assert lines[3].endswith(f"could not be judged: {damaged[3]}: No such file or directory.")
    assert lines[5] == "2 proved, 2 not proved, 1 could not be judged"
    done(run("evidence", "verify", files[0], files[3], *trust), 2)


@pytest.mark.parametrize("named", [True, False])
def test_what_cannot_be_judged(files: list[Path], tmp_path: Path, named: bool) -> None:
    (tmp_path / "bad.pem").write_text("no certificate")
    arguments: list[str | Path] = ["--ca", tmp_path / "bad.pem"] if named else []
    report = verified(files[0], *arguments, code=2)
    assert report["verdict"] == "could not be judged"
    assert ("bad.pem: " if named else "say with --ca") in report["reason"]


def test_a_broken_record_is_not_renewed_and_the_others_are(
    aged: tuple[list[Path], list[str | Path]], stamps: tuple[str, str]
) -> None:
    files, trust = aged
    broken, late, *whole = records(files)
    broken.write_bytes(broken.read_bytes()[:-1])
    late.write_bytes(create(party=SHORT)[1].encoded)
    kept = [each.read_bytes() for each in (broken, late)]
    result = done(run("evidence", "renew", *records(files), *stamps, *trust), 1)
    assert f"tsa: {broken} is not renewed. The file is not an EvidenceRecord" in result.stderr
    assert f"tsa: {late} is not renewed. A renewal is missing" in result.stderr
    assert result.stdout == "3 records renewed with one stamp, sha512.\n"
    assert [each.read_bytes() for each in (broken, late)] == kept
    assert [len(read_record(each.read_bytes()).chains[-1]) for each in whole] == [2, 2, 2]


def test_each_hash_is_renewed_by_a_stamp_of_its_own(files: list[Path], stamps: tuple[str, str]) -> None:
    done(run("evidence", "create", *files[:2], *stamps))
    done(run("evidence", "create", *files[2:], *stamps, "--hash", "sha384"))
    result = done(run("evidence", "renew", *files, *stamps))
    assert result.stdout == "2 records renewed with one stamp, sha256.\n3 records renewed with one stamp, sha384.\n"
    assert "give the newest one of their CA with --crl" in result.stderr


def test_nothing_is_overwritten(files: list[Path], stamps: tuple[str, str], tmp_path: Path) -> None:
    done(run("evidence", "create", files[0], *stamps))
    kept = records(files)[0].read_bytes()
    with pytest.raises(StampFault, match="is there already: renew it"):
        run("evidence", "create", *files, *stamps)
    assert records(files)[0].read_bytes() == kept
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / files[1].name
    twin.write_text("twin")
    with pytest.raises(StampFault, match="Two of the files would have the record"):
        run("evidence", "create", files[1], twin, *stamps, "--out", tmp_path / "records")
    assert not records(files)[1].exists()


def test_a_file_that_is_not_there(files: list[Path], stamps: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(NotJudged, match="missing cannot be read"):
        run("evidence", "create", files[0], tmp_path / "missing", *stamps)
    assert not records(files)[0].exists()


def test_an_authority_that_is_not_there(files: list[Path]) -> None:
    with pytest.raises(StampFault, match="cannot be reached"):
        run("evidence", "create", files[0], "--url", "http://127.0.0.1:1/")
    assert not records(files)[0].exists()


def test_an_application_that_is_not_known(files: list[Path], stamps: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "key").write_text("nobody-has-this-key")
    with pytest.raises(StampFault, match="answered 403"):
        run("evidence", "create", *files, *stamps, "--key-file", tmp_path / "key")
    assert not records(files)[0].exists()


def test_a_hash_that_is_none(files: list[Path], stamps: tuple[str, str]) -> None:
    for command in ("create", "renew"):
        assert "no hash known here" in " ".join(
            done(run("evidence", command, files[0], *stamps, "--hash", "md5"), 2).stderr.split()
        )
