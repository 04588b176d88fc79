"""The Merkle tree (RFC 4998 4.2, 4.3): every leaf finds its way to one root, in the order that the RFC says."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsa.verify.evidence.tree import HashTree, combine, root_of


def leaves(count: int) -> list[bytes]:
    return [hashlib.sha256(bytes([number])).digest() for number in range(count)]


def above(*nodes: bytes) -> bytes:
    """A node, as RFC 4998 4.2 tells it: sorted in binary ascending order, concatenated, hashed."""
    return hashlib.sha256(b"".join(sorted(nodes))).digest()


def test_the_example_of_three() -> None:
    """RFC 4998 4.2, figures 1 to 3, with two nodes under each."""
    first, second, third = sorted(leaves(3))
    tree = HashTree([third, first, second], "sha256")
    assert tree.root == above(above(first, second), third)
    assert tree.reduced(first) == ((first, second), (third,))
    assert tree.reduced(second) == ((first, second), (third,))
    assert tree.reduced(third) == (tuple(sorted((third, above(first, second)))),)


@pytest.mark.parametrize("alone", [False, True])
@given(st.sets(st.binary(min_size=32, max_size=32), min_size=1, max_size=40))
def test_every_leaf_leads_to_the_root(alone: bool, hashes: set[bytes]) -> None:
    tree = HashTree(hashes, "sha256")
    for leaf in hashes:
        reduced = tree.reduced(leaf, alone=alone) or ((leaf,),)
        assert leaf in reduced[0]
        assert root_of(reduced, "sha256") == tree.root
        assert all(list(each) == sorted(each) for each in reduced)
        assert len(reduced) <= len(hashes).bit_length() + 1


def test_a_leaf_alone_has_no_tree() -> None:
    [leaf] = leaves(1)
    tree = HashTree([leaf, leaf], "sha256")
    assert tree.root == leaf
    assert tree.reduced(leaf) == tree.reduced(leaf, alone=True) == ()


def test_a_renewal_has_its_leaf_alone_in_the_first_list() -> None:
    first, second = sorted(leaves(2))
    assert HashTree([first, second], "sha256").reduced(second, alone=True) == ((second,), (first,))


def test_a_value_alone_is_carried_up_and_the_order_given_does_not_count() -> None:
    first, second = leaves(2)
    assert combine([first], "sha256") == first
    assert combine([first, second], "sha256") == combine([second, first], "sha256") == above(first, second)


def test_a_thousand_leaves_have_short_paths() -> None:
    many = [hashlib.sha256(str(number).encode()).digest() for number in range(1000)]
    tree = HashTree(many, "sha256")
    assert max(len(tree.reduced(leaf)) for leaf in many) <= 10
