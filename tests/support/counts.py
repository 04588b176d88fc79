"""How often the long proofs repeat what they do: as often as is written there, or a multiple of it (`--long`)."""

FACTOR = 1  # conftest sets it before any test module is imported


def times(count: int) -> int:
    """The count that is written, or the multiple of it that this run is to have."""
    return count * FACTOR
