"""The fields of a message, read as far as possible; tsa/verify/inspect.py puts them together."""
