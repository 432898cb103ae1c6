from __future__ import annotations

import ctypes
import socket
import sys

import pytest

from jlab_tui.jupyter_extension.tcp_liveness import is_gone, is_unanswered
from tests.jupyter_extension.servers import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what TCP knows of its peer")

SO_ATTACH_FILTER = 26


def swallow_everything(sock: socket.socket) -> None:
    """From now on nothing that is sent to this socket arrives: a filter of the system drops it before TCP sees it."""
    drop = ctypes.create_string_buffer(b"\x06\x00\x00\x00\x00\x00\x00\x00")  # BPF_RET | BPF_K, 0

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    program = Program(1, ctypes.addressof(drop))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(program))


def connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        return ours, listener.accept()[0]


def test_a_peer_that_reads_nothing_is_there_and_one_behind_a_dead_network_is_gone() -> None:
    ours, theirs = connected()
    with ours, theirs:
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                ours.send(bytes(1 << 16))  # a window that is full
        assert not is_gone(ours, 0.3)
    ours, theirs = connected()
    with ours, theirs:
        ours.send(b"ping")
        assert not is_gone(ours, 0.3)
        swallow_everything(theirs)
        ours.send(b"ping")
        until(lambda: is_gone(ours, 0.3), "TCP noticed that nobody answers")


def test_silence_alone_tells_nothing() -> None:
    def info(retransmits: int, probes: int, last_ack_ms: int) -> bytes:
        return bytes([1, 0, retransmits, probes]) + bytes(52) + last_ack_ms.to_bytes(4, sys.byteorder)

    assert not is_unanswered(info(0, 0, 900_000), 20)
    assert not is_unanswered(info(3, 0, 19_000), 20)
    assert is_unanswered(info(3, 0, 21_000), 20)
    assert is_unanswered(info(0, 2, 21_000), 20)
