"""The load suite: what a time-stamp authority costs and carries, measured from outside."""


class BenchError(Exception):
    """A measurement that could not be made; its text says why, and what to do about it."""
