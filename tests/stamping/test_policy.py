"""What may be stamped (RFC 3161 2.4.1 and 2.4.2); the refusals by their octets are in tests/protocol/test_errors.py."""

from typing import Unpack

import pytest

from tests.support.query import Parts, Query, extension, imprint
from tsa.protocol import der
from tsa.protocol.errors import UnacceptedExtension, UnacceptedHash, UnacceptedPolicy
from tsa.protocol.oids import HASHES
from tsa.protocol.tsp import TimeStampReq, decode_request
from tsa.stamping.policy import StampingPolicy

DEFAULT, SECOND, OWN = "2.999.3161.1", "2.999.3161.2", "2.999.77.1"
POLICY = StampingPolicy(DEFAULT, [SECOND], list(HASHES))


def request(**parts: Unpack[Parts]) -> TimeStampReq:
    return decode_request(Query(**parts).encode())


@pytest.mark.parametrize(("asked", "given"), [(None, DEFAULT), (DEFAULT, DEFAULT), (SECOND, SECOND)])
def test_the_policy_is_the_one_asked_for_or_the_default(asked: str | None, given: str) -> None:
    assert POLICY.policy_for(request(policy=asked)) == der.oid(given)


@pytest.mark.parametrize(("asked", "given"), [(None, OWN), (OWN, OWN), (DEFAULT, DEFAULT), (SECOND, SECOND)])
def test_an_application_s_own_policy_takes_the_place_of_the_default(asked: str | None, given: str) -> None:
    assert POLICY.policy_for(request(policy=asked), OWN) == der.oid(given)


@pytest.mark.parametrize("own", [None, "2.999.8"])
def test_an_application_s_own_policy_is_not_for_others(own: str | None) -> None:
    with pytest.raises(UnacceptedPolicy, match=rf"{OWN} is not offered"):
        POLICY.policy_for(request(policy=OWN), own)


def test_an_own_policy_that_is_among_the_accepted_changes_the_default_alone() -> None:
    assert POLICY.policy_for(request(), SECOND) == der.oid(SECOND)
    assert POLICY.policy_for(request(policy=DEFAULT), SECOND) == der.oid(DEFAULT)


def test_an_own_policy_makes_up_for_nothing_else() -> None:
    with pytest.raises(UnacceptedHash):
        StampingPolicy(DEFAULT, (), ["sha384"]).policy_for(request(policy=OWN), OWN)
    with pytest.raises(UnacceptedExtension):
        POLICY.policy_for(request(policy=OWN, extensions=extension("2.999.7", critical=False)), OWN)


def test_another_policy_is_named_beside_those_there_are() -> None:
    with pytest.raises(UnacceptedPolicy, match=rf"2\.999\.9 is not offered.*{DEFAULT}, {SECOND}"):
        POLICY.policy_for(request(policy="2.999.9"))


def test_a_policy_that_is_listed_twice_is_named_once() -> None:
    with pytest.raises(UnacceptedPolicy) as refused:
        StampingPolicy(DEFAULT, [DEFAULT], ["sha256"]).policy_for(request(policy="2.999.9"))
    assert str(refused.value).count(DEFAULT) == 1


@pytest.mark.parametrize("name", HASHES)
def test_each_hash_can_be_switched_off(name: str) -> None:
    rest = [each for each in HASHES if each != name]
    asked = request(imprint=imprint(name))
    assert POLICY.policy_for(asked) == der.oid(DEFAULT)
    with pytest.raises(UnacceptedHash, match=f"{name} is not accepted here: use one of {', '.join(rest)}"):
        StampingPolicy(DEFAULT, (), rest).policy_for(asked)


@pytest.mark.parametrize("critical", [True, False])
def test_no_extension_is_understood(critical: bool) -> None:
    with pytest.raises(UnacceptedExtension, match=r"2\.999\.7"):
        POLICY.policy_for(request(extensions=extension("2.999.7", critical=critical)))


def test_a_policy_that_is_no_object_identifier_makes_no_stamping_policy() -> None:
    with pytest.raises(ValueError, match="is not an object identifier"):
        StampingPolicy("default", (), ["sha256"])


# 127, 128 and 255 octets of content: the length of the last two does not fit one octet.
@pytest.mark.parametrize("octets", [127, 128, 255])
def test_a_long_policy_that_is_not_offered_is_named_whole(octets: int) -> None:
    long = "2.999" + ".1" * (octets - 2)
    assert len(der.content(der.oid(long))) == octets
    with pytest.raises(UnacceptedPolicy) as refused:
        POLICY.policy_for(request(policy=long))
    assert str(refused.value).startswith(f"Policy {long} is not offered here")
