"""`tsa inspect` for people: every field with its meaning, unusual ones too; and how a verdict's time is written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import der
from tests.support.commands import run
from tests.support.editing import REQUEST, RESPONSE
from tsa.commands.inspection import MAX_OCTETS, MAX_SHOWN, InspectFault
from tsa.commands.token_report import moment

Show = Callable[[bytes], str]


@pytest.fixture
def shown(tmp_path: Path) -> Show:
    """What is printed of octets."""

    def show(octets: bytes) -> str:
        (tmp_path / "file").write_bytes(octets)
        result = run("inspect", tmp_path / "file")
        assert result.exit_code == 0, result.output
        return result.stdout

    return show


def test_a_response(shown: Show) -> None:
    text = shown(RESPONSE)
    for line in (
        "TimeStampResp   an authority's answer (RFC 3161 2.4.2)",
        "status: granted   whether the stamp was granted (RFC 3161 2.4.2)",
        "policy: 2.999.3161.1   the rules that the token was made under (RFC 3161 2.4.2)",
        "certificates 1   what came with the token; that proves nothing of them (RFC 5652 10.2.3)",
        "extendedKeyUsage: timeStamping   what it was issued for: timeStamping, critical and alone (RFC 3161 2.3)",
        "signedAttr messageDigest   the digest of TSTInfo (RFC 5652 11.2)",
    ):
        assert line in text
    assert "signedAttrs" not in text, "each attribute stands by itself"
    assert all("(RFC" in line or "sha256Fingerprint" in line or "name: " in line for line in text.splitlines())


def test_a_request(shown: Show) -> None:
    text = shown(REQUEST)
    assert text.startswith("TimeStampReq   what is asked of an authority (RFC 3161 2.4.1)")
    assert "nonce: 12345678   a number of the requester's, which the answer repeats (RFC 3161 2.4.1)" in text


def test_what_cannot_be_read_and_what_nobody_knows(shown: Show) -> None:
    """A signingTime of two values, one of them none; and an attribute of no name, longer than a screen."""
    times = der.tlv(der.SET, der.sequence(), der.tlv(der.UTC_TIME, b"261122000000Z"))
    unknown = der.sequence(der.oid("2.999.7"), der.tlv(der.SET, der.tlv(der.OCTET_STRING, bytes(MAX_SHOWN))))
    attributes = der.tlv(0xA1, der.sequence(der.oid("1.2.840.113549.1.9.5"), times), unknown)
    signed = der.sequence(der.integer(3), der.tlv(der.SET), der.tlv(der.SET, der.sequence(der.integer(1), attributes)))
    text = shown(der.sequence(der.oid("1.2.840.113549.1.7.2"), der.tlv(0xA0, signed)))
    assert "unreadable: 3000   this field cannot be read; its octets" in text
    assert "values 2: 2026-11-22T00:00:00Z" in text
    assert "unsignedAttr 2.999.7   an attribute that anybody may have added (RFC 5652 5.3)" in text
    assert "more (--json has all)" in text


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as large:
        large.truncate(MAX_OCTETS + 1)
    with pytest.raises(InspectFault, match="no request, response or token has"):
        run("inspect", tmp_path / "file")


def test_json_has_no_meanings(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(RESPONSE)
    assert "RFC" not in json.dumps(json.loads(run("inspect", tmp_path / "file", "--json").stdout))


@pytest.mark.parametrize(
    ("gen_time", "accuracy_us", "written"),
    [
        ("2026-11-22T20:00:00Z", 1_000_000, "2026-11-22 20:00:00 UTC, ± 1 s"),
        ("2026-11-22T20:00:00.120000Z", 1_500_000, "2026-11-22 20:00:00.12 UTC, ± 1,500 ms"),
        ("2026-11-22T20:00:00.000001Z", 20, "2026-11-22 20:00:00.000001 UTC, ± 20 µs"),
        ("2026-11-22T20:00:00Z", None, "2026-11-22 20:00:00 UTC, accuracy not said"),
    ],
)
def test_how_a_moment_is_written(gen_time: str, accuracy_us: int | None, written: str) -> None:
    assert moment({"gen_time": gen_time, "accuracy_us": accuracy_us}) == written
