"""bench.cost.verification, end to end and tiny: tokens are verified, and the figures are well-formed."""

import json

import pytest

from bench.cost import verification


def test_figures_are_well_formed(capsys: pytest.CaptureFixture[str]) -> None:
    assert verification.main(["--tokens", "30", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tokens"] == 30
    assert found["ratio"] == found["verify_us"] / found["raw_us"] > 1, "a verification has one in it"
    assert found["first_us"] > 0
    assert found["tokens_per_s"] > 0


def test_sentences_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert verification.main(["--tokens", "2"]) == 0
    assert "times its raw signature" in capsys.readouterr().out


def test_tokens_are_distinct_and_each_for_its_digest() -> None:
    authority = verification.Authority()
    one, other = authority.token(0), authority.token(1)
    assert one.response != other.response
    assert one.digest in one.response
    assert one.digest not in other.response


def test_no_tokens_are_no_measurement() -> None:
    with pytest.raises(SystemExit) as ended:
        verification.main(["--tokens", "0"])
    assert ended.value.code == 2
