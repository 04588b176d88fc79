"""The load suite: the cost and the capacity of a time-stamp authority, measured from outside."""


class BenchError(Exception):
    """A measurement could not be made; the text has the reason and the remedy."""
