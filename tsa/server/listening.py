"""The one listening socket, which every worker process inherits (decision 13)."""

from __future__ import annotations

import ctypes
import socket
import struct

from tsa.state.faults import Fault

BACKLOG = 4096

# Classic BPF on what the socket receives, from the TCP header on: drop a segment whose flags (octet 13) have SYN.
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06
_DROP_SYN = (
    struct.pack("HBBI", _LOAD_BYTE, 0, 0, 13)
    + struct.pack("HBBI", _JUMP_IF_SET, 0, 1, 0x02)
    + struct.pack("HBBI", _RETURN, 0, 0, 0)
    + struct.pack("HBBI", _RETURN, 0, 0, 0xFFFFFFFF)
)
_SO_ATTACH_FILTER = 26


class ListenFault(Fault):
    """The address cannot be listened on; the text says why."""


def listen(address: str) -> socket.socket:
    """Bind `address`, such as 127.0.0.1:3161 or [::1]:3161, and listen.

    Raises ListenFault.
    """
    host, _, port = address.rpartition(":")
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(target)
        listening.listen(BACKLOG)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ListenFault(
            f"Cannot listen on {address}: {why}. Choose another with --listen HOST:PORT or [server] listen."
        ) from error
    listening.setblocking(False)
    return listening


def refuse_new(listening: socket.socket) -> None:
    """Let no new connection begin, while those that have are still accepted.

    A listening socket that is closed resets whoever waits in its queue, and whoever comes between the last accept and
    the close. So their SYNs are dropped first: a client tries again, and by then finds the port closed or a successor.
    """
    program = ctypes.create_string_buffer(_DROP_SYN, len(_DROP_SYN))
    fprog = struct.pack("HP", len(_DROP_SYN) // 8, ctypes.addressof(program))
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)
