"""Fixtures of the tests of connections and processes."""

from tests.server.processes import start, states

__all__ = ["start", "states"]
