"""The signing of batches: in the event loop where the key is fast, in threads where it would hold the loop up."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from time import perf_counter

from signer.key import SigningFault, SigningKey

# µs a signature. A slower key would hold every connection up for the length of its batch.
IN_LOOP_LIMIT_US = 100.0

# Signed to measure the key: as long as signed attributes, and not DER, so that its signature proves nothing.
_SAMPLE = bytes(200)


class SigningPool:
    """Signs batches with one key.

    cost_us: the measured µs of a signature (median). in_loop: whether batches are signed in the event loop itself.
    workers: how many batches are worth signing side by side.
    Raises SigningFault when the key cannot sign. A pool belongs to one event loop; up to `workers` threads use the key.
    """

    def __init__(self, key: SigningKey, threads: int) -> None:
        self._sign: Callable[[bytes], bytes] = key.sign
        self.cost_us = self._measure()
        self.in_loop = self.cost_us <= IN_LOOP_LIMIT_US
        self.workers = 1 if self.in_loop else threads
        self._executor = None if self.in_loop else ThreadPoolExecutor(threads, thread_name_prefix="signer")

    async def sign(self, batch: Sequence[bytes]) -> list[bytes]:
        """The signatures over the octets of a batch, in its order.

        In the loop it does not suspend. A task cancelled while it waits loses the signatures and disturbs no other.
        Raises SigningFault when the key fails for any of them, or when the pool's threads are closed.
        """
        if self._executor is None:
            return self._sign_all(batch)
        try:
            signatures = asyncio.get_running_loop().run_in_executor(self._executor, self._sign_all, tuple(batch))
        except RuntimeError as fault:
            raise SigningFault("The signing pool is closed: sign with the one that took its place.") from fault
        return await signatures

    def close(self) -> None:
        """Take no further batch. The batches that were taken are still signed, then the threads end."""
        if self._executor is not None:
            self._executor.shutdown(wait=False)

    def _sign_all(self, batch: Sequence[bytes]) -> list[bytes]:
        # Exceptions become SigningFault here, in the thread: a Future that gets a StopIteration would never end.
        sign = self._sign
        try:
            return [sign(data) for data in batch]
        except Exception as fault:
            raise SigningFault(f"The signing key failed ({type(fault).__name__}: {fault}).") from fault

    def _measure(self) -> float:
        """The median µs of a signature, by the wall clock: that is how long the loop would be held up."""
        batch = (_SAMPLE,)
        self._sign_all(batch)
        costs: list[float] = []
        end = perf_counter() + 0.05
        while len(costs) < 3 or (len(costs) < 101 and perf_counter() < end):
            start = perf_counter()
            self._sign_all(batch)
            costs.append(perf_counter() - start)
        return median(costs) * 1e6
