"""Asks TCP whether the other end of a connection still exists although its program does not answer.

A suspended process answers no ping, but its system acknowledges packets; a dead host or a broken network does not. Linux
shows the difference (struct tcp_info in <linux/tcp.h>). Other systems end such a connection after minutes.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

_INFO_BYTES = 104
_RETRANSMITS, _PROBES, _LAST_ACK_MS = 2, 3, 56


def is_gone(sock: Any, patience_s: float) -> bool:
    """Whether resent data stayed unacknowledged for `patience_s` seconds. False if unknown."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None or sock is None:
        return False
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, option, _INFO_BYTES)
    except OSError:
        return False
    return len(info) >= _LAST_ACK_MS + 4 and is_unanswered(info, patience_s)


def is_unanswered(info: bytes, patience_s: float) -> bool:
    """Answer `is_gone` from the bytes of a struct tcp_info."""
    (last_ack_ms,) = struct.unpack_from("=I", info, _LAST_ACK_MS)
    has_waited = info[_RETRANSMITS] or info[_PROBES]
    return bool(has_waited) and last_ack_ms > patience_s * 1000
