"""The faults that a person can mend, and is told of in a sentence."""


class Fault(Exception):
    """Something is not as it should be; the text says what, and what to do, to the operator or user."""
