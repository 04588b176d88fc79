"""What chronyd's tracking data say; a real chronyd is asked in tests/clock."""

import os
from pathlib import Path

import pytest

from tsa.clock.sources.chrony import ask_chronyc, judge, parse_tracking, read_chrony
from tsa.clock.sources.reading import Distrusted, NoAnswer, Reading, next_midnight

NOW_US = 1_800_000_000_000_000
ADDRESS = "127.0.0.1:323"
GOOD = {
    "reference": "C0000201",
    "name": "192.0.2.1",
    "stratum": "3",
    "reference time": "1799999990.500000000",
    "system time": "-0.000250000",
    "last offset": "0.000001000",
    "rms offset": "0.000002000",
    "frequency": "1.234",
    "residual frequency": "0.001",
    "skew": "0.010",
    "root delay": "0.010000001",
    "root dispersion": "0.002000000",
    "update interval": "64.1",
    "leap": "Normal",
}


def read(**fields: str) -> Reading:
    assert fields.keys() <= GOOD.keys()
    return judge(parse_tracking(",".join((GOOD | fields).values())), ADDRESS, NOW_US)


def test_the_bound_is_the_one_of_chronys_documentation() -> None:
    reading = read()
    assert reading.offset_us == -250
    assert reading.error_us == 250 + 2_000 + 5_000 + 1
    assert reading.reference_us == 1_799_999_990_500_000
    assert reading.leap_us is None
    assert reading.detail == "follows 192.0.2.1, stratum 3, offset -0.000250 s, root distance +0.007000 s"


@pytest.mark.parametrize("leap", ["Insert second", "Delete second"])
def test_a_leap_second_ahead(leap: str) -> None:
    assert read(leap=leap).leap_us == next_midnight(NOW_US)


@pytest.mark.parametrize("fields", [{"leap": "Not synchronised"}, {"reference": "00000000"}, {"stratum": "0"}])
def test_a_chronyd_that_is_not_synchronised(fields: dict[str, str]) -> None:
    with pytest.raises(Distrusted, match=r"is not synchronised: see why with `chronyc -h 127\.0\.0\.1 -p 323 sources`"):
        read(**fields)


def test_a_chronyd_that_follows_this_machines_own_clock() -> None:
    with pytest.raises(Distrusted, match="only this machine's own clock"):
        read(reference="7F7F0101", name="")


@pytest.mark.parametrize(
    "fields",
    [
        {"root dispersion": "nan"},
        {"root delay": "inf"},
        {"system time": ""},
        {"stratum": "three"},
        {"system time": "9223372036854775807"},
        {"root dispersion": "-1.0"},
    ],
)
def test_data_that_cannot_be_read(fields: dict[str, str]) -> None:
    with pytest.raises(NoAnswer, match="cannot be read"):
        read(**fields)


@pytest.mark.parametrize("line", ["", "506 Cannot talk to daemon", ",".join([*GOOD.values()][:-1])])
def test_a_line_that_cannot_be_read(line: str) -> None:
    with pytest.raises(NoAnswer, match="cannot be read"):
        parse_tracking(line)


def test_no_chronyc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoAnswer, match="no chronyc on this machine: install chrony"):
        read_chrony(ADDRESS, NOW_US)


def test_chronyc_that_hangs_or_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def chronyc(script: str) -> None:
        program = tmp_path / "chronyc"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)

    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("tsa.clock.sources.chrony.TIMEOUT_S", 0.1)
    chronyc("exec sleep 600")
    with pytest.raises(NoAnswer, match=r"does not answer at 127\.0\.0\.1:323 \(.*timed out"):
        ask_chronyc(ADDRESS)
    monkeypatch.setattr("tsa.clock.sources.chrony.TIMEOUT_S", 20)
    chronyc("exit 3")
    with pytest.raises(NoAnswer, match=r"\(no reason given\): start it, and see that this user may ask it"):
        ask_chronyc("/run/chrony/chronyd.sock")
    chronyc('printf "%s " "$@"')
    assert ask_chronyc("/run/chrony/chronyd.sock") == "-n -c -h /run/chrony/chronyd.sock tracking"
    assert ask_chronyc("[::1]:323") == "-n -c -h ::1 -p 323 tracking"


def test_an_address_that_is_none() -> None:
    with pytest.raises(NoAnswer, match=r"\[clock\] does not name a chronyd that can be asked"):
        read_chrony("127.0.0.1:chrony", NOW_US)
