"""TLS on the port, where [tls] asks for it."""

from __future__ import annotations

import ssl

from tsa.state.config import Config
from tsa.state.faults import Fault


class TlsFault(Fault):
    """The files of [tls] cannot be used; the text says which and why."""


def server_context(config: Config) -> ssl.SSLContext | None:
    """The context that [tls] describes; None where there is no such table.

    Raises TlsFault.
    """
    if config.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    renew(context, config)
    if config.tls.client_ca is not None:
        try:
            context.load_verify_locations(config.path(config.tls.client_ca))
        except (OSError, ssl.SSLError) as error:
            raise TlsFault(f"[tls] client_ca {config.path(config.tls.client_ca)}: {_reason(error)}.") from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def renew(context: ssl.SSLContext, config: Config) -> None:
    """Use the key and certificate of [tls] in `context` for connections from now on.

    Raises TlsFault.
    """
    if config.tls is None:
        return
    certificate, key = config.path(config.tls.certificate), config.path(config.tls.key)
    try:
        if key.stat().st_mode & 0o077:
            raise TlsFault(f"[tls] key {key} can be read by others: `chmod 600` it.")
        context.load_cert_chain(certificate, key, password=lambda: "")  # without it, OpenSSL would ask the terminal
    except (OSError, ssl.SSLError) as error:
        raise TlsFault(f"[tls] certificate {certificate} with key {key}: {_reason(error)}.") from error


def _reason(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or error)
