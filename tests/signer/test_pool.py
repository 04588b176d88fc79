"""The pool: a fast key signs in the loop without a pause, a slow one leaves the loop free."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from signer.algorithms import Algorithm
from signer.key import PublicKey, SigningFault, algorithm_for
from signer.pool import IN_LOOP_LIMIT_US, SigningPool
from signer.software import KEY_TYPES, SoftwareKey, generate

PATIENCE_S = 30


class FakeKey:
    """A SigningKey whose signature is what `act` makes of the data: the data itself after `cost_s`, until it is set."""

    def __init__(self, cost_s: float = 0.0) -> None:
        def slow(data: bytes) -> bytes:
            time.sleep(cost_s)
            return data

        self.public_key: PublicKey = generate("ed25519").public_key()
        self.algorithm: Algorithm = algorithm_for(self.public_key)
        self.act: Callable[[bytes], bytes] = slow if cost_s else bytes

    def sign(self, data: bytes, /) -> bytes:
        return self.act(data)


@asynccontextmanager
async def slow_pool(act: Callable[[bytes], bytes], threads: int = 1) -> AsyncIterator[SigningPool]:
    """A pool that took its key for a slow one, whose key now does `act`."""
    key = FakeKey(cost_s=10 * IN_LOOP_LIMIT_US / 1e6)
    pool = SigningPool(key, threads)
    key.act = act
    yield pool
    pool.close()


@pytest.mark.parametrize("key_type", KEY_TYPES)
async def test_a_batch_of_every_key_type_is_signed_in_its_order(key_type: str) -> None:
    key = SoftwareKey(generate(key_type))
    pool = SigningPool(key, threads=2)
    assert pool.cost_us > 0
    assert pool.in_loop is (pool.cost_us <= IN_LOOP_LIMIT_US)
    assert pool.workers == (1 if pool.in_loop else 2)
    signatures = await pool.sign([b"first", b"second"])
    pool.close()
    # RSA PKCS#1 v1.5 and Ed25519 are deterministic: for them the order shows in the octets.
    if key_type.startswith(("rsa", "ed")):
        assert signatures == [key.sign(b"first"), key.sign(b"second")]
    assert len(set(signatures)) == 2


async def test_a_fast_key_signs_in_the_loop_without_suspending() -> None:
    pool = SigningPool(FakeKey(), threads=2)
    assert (pool.in_loop, pool.workers) == (True, 1)
    with pytest.raises(StopIteration) as finished:
        pool.sign([b"one", b"two"]).send(None)
    assert finished.value.value == [b"one", b"two"]


async def test_a_slow_key_leaves_the_loop_free() -> None:
    signing, loop_ran = threading.Event(), threading.Event()

    def act(data: bytes) -> bytes:
        signing.set()
        assert loop_ran.wait(PATIENCE_S), "the loop did not run while the key was signing"
        return data + threading.current_thread().name.encode()

    async with slow_pool(act) as pool:
        assert (pool.in_loop, pool.workers) == (False, 1)
        assert pool.cost_us >= 10 * IN_LOOP_LIMIT_US
        batch = asyncio.create_task(pool.sign([b"a", b"b"]))
        while not signing.is_set():
            await asyncio.sleep(0)
        assert not batch.done()
        loop_ran.set()
        assert await batch == [b"asigner_0", b"bsigner_0"]


async def test_as_many_batches_as_workers_are_signed_side_by_side() -> None:
    both = threading.Barrier(2)

    def act(data: bytes) -> bytes:
        both.wait(PATIENCE_S)
        return data

    async with slow_pool(act, threads=2) as pool:
        assert pool.workers == 2
        assert list(await asyncio.gather(pool.sign([b"a"]), pool.sign([b"b"]))) == [[b"a"], [b"b"]]


async def test_a_cancelled_task_disturbs_nothing() -> None:
    signing, go_on, signed = threading.Event(), threading.Event(), []

    def act(data: bytes) -> bytes:
        signing.set()
        assert go_on.wait(PATIENCE_S)
        signed.append(data)
        return data

    async with slow_pool(act) as pool:
        batch = [b"a", b"b"]
        given_up = asyncio.create_task(pool.sign(batch))
        while not signing.is_set():
            await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        batch[1] = b"the caller's list is the caller's again"
        following = asyncio.create_task(pool.sign([b"c"]))
        go_on.set()
        assert await following == [b"c"]
        assert signed == [b"a", b"b", b"c"]


# StopIteration is the one exception that a Future cannot carry.
@pytest.mark.parametrize("fault", [RuntimeError("token removed"), ValueError("no"), StopIteration("end")])
@pytest.mark.parametrize("cost_s", [0.0, 10 * IN_LOOP_LIMIT_US / 1e6], ids=["in the loop", "in a thread"])
async def test_a_key_that_fails_is_a_signing_fault(cost_s: float, fault: Exception) -> None:
    def fail(data: bytes) -> bytes:
        raise fault

    key = FakeKey(cost_s)
    pool = SigningPool(key, threads=1)
    healthy, key.act = key.act, fail
    with pytest.raises(SigningFault, match=f"signing key failed .{type(fault).__name__}: {fault}") as caught:
        await pool.sign([b"a"])
    assert caught.value.__cause__ is fault
    key.act = healthy
    assert await pool.sign([b"a"]) == [b"a"], "the pool does not work after a fault"
    pool.close()


def test_a_key_that_cannot_sign_makes_no_pool() -> None:
    key = FakeKey()
    key.act = lambda data: data[len(data)].to_bytes()
    with pytest.raises(SigningFault, match="IndexError"):
        SigningPool(key, threads=1)


async def test_a_closed_pool_finishes_what_it_took_and_takes_no_more() -> None:
    go_on = threading.Event()

    def act(data: bytes) -> bytes:
        assert go_on.wait(PATIENCE_S)
        return data

    async with slow_pool(act) as pool:
        taken = [asyncio.create_task(pool.sign([name])) for name in (b"running", b"waiting")]
        await asyncio.sleep(0)  # one turn: both tasks have handed their batch over
        pool.close()
        with pytest.raises(SigningFault, match="pool is closed"):
            await pool.sign([b"late"])
        go_on.set()
        assert await asyncio.gather(*taken) == [[b"running"], [b"waiting"]]
