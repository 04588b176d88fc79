"""A trusted time-stamp authority (RFC 3161)."""

from importlib.metadata import version

__version__ = version("tsa")
