"""A batch on its way from requests to tokens."""

import dataclasses
from datetime import UTC, datetime

import pytest
from asn1crypto import tsp as asn1_tsp

from tests.authority.units import Asked, authority, grant, unit
from tests.protocol.mutations import check_response
from tests.support.query import Query
from tsa.authority.tsu import UnusableTsu, read_passphrase
from tsa.protocol.errors import SystemFailure, TimeNotAvailable


def tst_info(response: bytes) -> asn1_tsp.TSTInfo:
    token = asn1_tsp.TimeStampResp.load(response, strict=True)["time_stamp_token"]
    return token["content"]["encap_content_info"]["content"].parsed


async def test_a_batch_has_one_gen_time_and_a_serial_number_for_each() -> None:
    now = 1_800_000_000_123_456
    tsu = dataclasses.replace(unit(), usable_from_us=0, usable_until_us=now + 1)
    ready = authority(now_ns=lambda: now * 1_000, accuracy_us=1_500, tsu=tsu)
    requests = [Query().encode() for _ in range(10)]
    answers = await ready.issue([Asked(*ready.admit(octets)) for octets in requests])
    assert all(check_response(answer, octets) for answer, octets in zip(answers, requests, strict=True))  # type: ignore[arg-type]
    infos = [tst_info(answer) for answer in answers]  # type: ignore[arg-type]
    assert {info["gen_time"].native for info in infos} == {datetime(2027, 1, 15, 8, 0, 0, 123_000, UTC)}
    assert {tuple(info["accuracy"].native.values()) for info in infos} == {(None, 1, 500)}
    serials = [info["serial_number"].native for info in infos]
    assert len(set(serials)) == 10
    assert {number >> 13 * 8 for number in serials} == {now}


def test_each_token_has_the_policy_that_its_request_was_given() -> None:
    ready = authority(policy={"default": "2.999.1", "accepted": ["2.999.2"]})
    for asked, given in ((None, "2.999.1"), ("2.999.1", "2.999.1"), ("2.999.2", "2.999.2")):
        assert tst_info(grant(ready, Query(policy=asked).encode()))["policy"].dotted == given


async def test_the_moment_tells_why_there_would_be_no_token() -> None:
    times = iter([10**18, 0])
    ready = authority(now_ns=lambda: next(times), tsu=dataclasses.replace(unit(), usable_until_us=10**15))
    with pytest.raises(SystemFailure, match="certificate"):
        ready.moment()
    with pytest.raises(TimeNotAvailable):
        ready.moment()


def test_a_passphrase_comes_from_a_file_or_the_environment(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(b" with spaces \r\n")
    monkeypatch.delenv("TSA_KEY_PASSPHRASE", raising=False)
    assert read_passphrase(None) is None
    assert read_passphrase(file) == b" with spaces "
    monkeypatch.setenv("TSA_KEY_PASSPHRASE", "geheim ü")
    assert read_passphrase(None) == "geheim ü".encode()
    assert read_passphrase(file) == b" with spaces "
    with pytest.raises(UnusableTsu, match=r"passphrase file .*missing cannot be read: No such file"):
        read_passphrase(tmp_path / "missing")
