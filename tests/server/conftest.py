"""Fixtures of the tests of connections and processes."""

from tests.support.processes import start, states

__all__ = ["start", "states"]
