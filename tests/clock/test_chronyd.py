"""The sources `ntp` and `chrony` against real chronyds on this machine."""

import time
from collections.abc import Callable

import pytest

from tests.support.chronyd import Chronyd, needs_chronyd
from tsa.clock.sources.chrony import read_chrony
from tsa.clock.sources.ntp import read_ntp
from tsa.clock.sources.reading import US, Distrusted, NoAnswer, Reading

pytestmark = needs_chronyd

Make = Callable[..., Chronyd]
NEAR_US = US // 2  # to this a loaded machine tells the time of another process on it


def now_us() -> int:
    return time.time_ns() // 1_000


def ntp(*servers: Chronyd, quorum: int = 2) -> Reading:
    return read_ntp([each.address for each in servers], quorum, now_us())


def sure(address: str, bound_us: int = NEAR_US) -> Reading:
    """What chronyd says once its bound is below that: with few samples its dispersion comes and goes."""
    limit = time.monotonic() + 20
    while (reading := read_chrony(address, now_us())).error_us >= bound_us:
        assert time.monotonic() < limit, reading
        time.sleep(0.05)
    return reading


def test_three_servers_that_are_right(chronyd: Make) -> None:
    servers = [chronyd().start() for _ in range(3)]
    reading = ntp(*servers)
    assert abs(reading.offset_us) <= reading.error_us < NEAR_US
    assert reading.leap_us is None
    assert reading.detail == f"3 of 3 agree: {', '.join(each.address for each in servers)}"


def test_one_server_that_is_wrong_is_named_and_left_out(chronyd: Make) -> None:
    right = [chronyd().start() for _ in range(2)]
    wrong = chronyd(follows=right[0], offset_s=5).start().wait_synchronised()
    reading = ntp(right[0], wrong, right[1])
    assert reading.error_us < NEAR_US
    assert reading.detail.startswith(
        f"2 of 3 agree: {right[0].address}, {right[1].address}; left out: {wrong.address} ("
    )
    assert reading.detail.endswith("disagrees")
    wrong.stop()
    assert ntp(right[0], wrong, right[1]).detail.endswith(
        f"left out: {wrong.address} does not answer (Connection refused)"
    )


def test_two_servers_that_are_wrong_differently(chronyd: Make) -> None:
    right = chronyd().start()
    wrong = [chronyd(follows=right, offset_s=offset).start() for offset in (5, -5)]
    for each in wrong:
        each.wait_synchronised()
    with pytest.raises(Distrusted) as refused:
        ntp(right, *wrong)
    assert all(each.address in str(refused.value) for each in (right, *wrong))


def test_all_servers_wrong_alike_show_that_the_clock_here_is(chronyd: Make) -> None:
    right = chronyd().start()
    wrong = [chronyd(follows=right, offset_s=5).start() for _ in range(2)]
    for each in wrong:
        each.wait_synchronised()
    reading = ntp(*wrong)
    assert abs(reading.offset_us - 5 * US) < NEAR_US
    assert reading.error_us >= abs(reading.offset_us)


def test_servers_that_are_not_synchronised_or_gone_are_of_no_use(chronyd: Make) -> None:
    right, gone = chronyd().start(), chronyd()
    lost = chronyd(follows=gone).start()
    with pytest.raises(NoAnswer, match="1 of the NTP servers can be used where 2 are needed") as refused:
        ntp(right, gone, lost)
    assert f"{gone.address} does not answer (Connection refused)" in str(refused.value)
    assert f"{lost.address} " in str(refused.value)
    gone.start()
    assert ntp(right, gone).detail.startswith("2 of 2 agree")


def test_chronyd_that_follows_another(chronyd: Make) -> None:
    server = chronyd().start()
    daemon = chronyd(follows=server).start().wait_synchronised()
    for address in (daemon.command_address, daemon.command_socket):
        reading = sure(address)
        assert abs(reading.offset_us) <= reading.error_us
        assert reading.leap_us is None
        assert "follows 127.0.0.1, stratum 2" in reading.detail
        assert reading.reference_us is not None
        assert abs(reading.reference_us - now_us()) < 60 * US
    daemon.stop()
    for address in (daemon.command_address, daemon.command_socket):
        with pytest.raises(NoAnswer, match=r"does not answer at .*: start it"):
            read_chrony(address, now_us())
    daemon.start().wait_synchronised()
    sure(daemon.command_address)


@pytest.mark.parametrize("offset_s", [5, -5])
def test_chronyd_that_knows_the_clock_to_be_wrong(chronyd: Make, offset_s: int) -> None:
    server = chronyd().start()
    daemon = chronyd(follows=server, offset_s=offset_s).start().wait_synchronised()
    reading = sure(daemon.command_address, 5 * US + NEAR_US)
    assert abs(reading.offset_us - offset_s * US) < NEAR_US
    assert abs(reading.offset_us) < reading.error_us


def test_chronyd_hears_from_its_server_again(chronyd: Make) -> None:
    server = chronyd().start()
    daemon = chronyd(follows=server).start().wait_synchronised()
    first = read_chrony(daemon.command_address, now_us()).reference_us
    limit = time.monotonic() + 20
    while read_chrony(daemon.command_address, now_us()).reference_us == first:
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_chronyd_that_follows_nothing(chronyd: Make) -> None:
    lost = chronyd(follows=chronyd()).start()
    with pytest.raises(Distrusted, match=r"is not synchronised: see why with `chronyc -h 127\.0\.0\.1 -p \d+ sources`"):
        read_chrony(lost.command_address, now_us())


def test_chronyd_that_follows_this_machines_own_clock(chronyd: Make) -> None:
    with pytest.raises(Distrusted, match="only this machine's own clock"):
        read_chrony(chronyd().start().command_address, now_us())
