"""Whether the other end of a TCP connection is still there, although its program says nothing: what TCP itself knows.

A suspended process answers no ping, but its system acknowledges what arrives; behind a dead host or a broken network
nobody does. Linux tells (struct tcp_info in <linux/tcp.h>). Elsewhere the system ends such a connection by itself,
after minutes.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

_INFO_BYTES = 104
_RETRANSMITS, _PROBES, _LAST_ACK_MS = 2, 3, 56


def is_gone(sock: Any, patience_s: float) -> bool:
    """Whether data was sent repeatedly and nothing of it acknowledged for `patience_s` seconds. False when not known."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None or sock is None:
        return False
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, option, _INFO_BYTES)
    except OSError:
        return False
    return len(info) >= _LAST_ACK_MS + 4 and tells_of_nobody(info, patience_s)


def tells_of_nobody(info: bytes, patience_s: float) -> bool:
    """The same for the bytes of a struct tcp_info."""
    (last_ack_ms,) = struct.unpack_from("=I", info, _LAST_ACK_MS)
    unanswered = info[_RETRANSMITS] or info[_PROBES]
    return bool(unanswered) and last_ack_ms > patience_s * 1000
