"""serialNumber: positive, at most 159 bits, minimal DER, begun by genTime, and never the same twice."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import der as by_hand
from tsa.ledger import serial
from tsa.ledger.serial import SerialNumbers

NODE = b"\xff\xff\xff\xff"
NOW_US = 1_800_000_000_000_000
YEAR_3000_US = 32_503_680_000_000_000


@given(st.binary(min_size=4, max_size=4), st.integers(0, 65535), st.integers(10**15, YEAR_3000_US), st.integers(1, 300))
def test_serial_numbers_are_der_positive_and_at_most_159_bits(node: bytes, worker: int, now: int, count: int) -> None:
    numbers = [by_hand.read(octets).integer() for octets in SerialNumbers(node, worker).take(count, now)]
    assert len(set(numbers)) == count
    assert all(0 < number < 1 << 159 for number in numbers)


def test_they_begin_with_gen_time_node_and_worker() -> None:
    [first] = SerialNumbers(b"node", 0x0102).take(1, NOW_US)
    content = by_hand.read(first).contents
    assert int.from_bytes(content[:7], "big") == NOW_US
    assert content[7:13] == b"node\x01\x02"
    assert len(content) == 20


def test_batches_of_one_process_never_share_a_number() -> None:
    serials = SerialNumbers(NODE, 0)
    taken = [number for size in (1, 128, 3, 500) for number in serials.take(size, NOW_US)]
    assert len(set(taken)) == len(taken) == 632


def test_the_count_begins_anew_after_all_of_it_and_in_the_middle_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial, "_COUNTS", 8)
    serials = SerialNumbers(NODE, 0)
    first = serials.take(6, NOW_US)
    second = serials.take(6, NOW_US + 1)  # its count goes 6, 7, 0, 1, 2, 3
    assert [octets[15:18] for octets in second] == [bytes([0, 0, at]) for at in (6, 7, 0, 1, 2, 3)]
    assert len({*first, *second}) == 12
    # All counts of one genTime differ; the first one after them would be the same again.
    again = serials.take(9, NOW_US + 2)
    assert len(set(again)) == 8
    assert again[0] == again[8]


def test_the_count_has_room_for_sixteen_million_stamps_of_one_gen_time() -> None:
    serials = SerialNumbers(NODE, 0)
    serials._count = (1 << 24) - 2
    octets = serials.take(4, NOW_US)
    assert [number[15:18].hex() for number in octets] == ["fffffe", "ffffff", "000000", "000001"]
    assert all(len(number) == 22 for number in octets)


def test_nodes_workers_and_restarts_never_share_a_number() -> None:
    places = list(product([b"\0\0\0\0", b"\0\0\0\1", NODE], [0, 1, 65535], range(3)))
    processes = [SerialNumbers(node, worker) for node, worker, _restart in places]
    taken = [number for process in processes for number in process.take(10, NOW_US)]
    assert len(set(taken)) == len(taken) == 270


def test_a_worker_without_a_place_is_refused() -> None:
    with pytest.raises(OverflowError):
        SerialNumbers(NODE, 65536)
