"""How much of a flood waits in the server while it is not read."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import zmq

from jlab_tui.jupyter_extension.kernel_socket import KernelSocket

MEGABYTE = bytes(1 << 20)
SYSTEM_MB = 20
"""more than the system's own buffers of a connection hold"""


def sent(kernel: zmq.Socket[Any]) -> int:
    """How many messages find room on the way."""
    for number in range(300):
        try:
            kernel.send(MEGABYTE)
        except zmq.Again:
            return number
    return 300


async def test_a_flood_of_large_messages_waits_in_the_kernel_and_not_in_the_server() -> None:
    context: zmq.Context[Any] = zmq.Context()
    kernel = context.socket(zmq.XPUB)
    kernel.sndhwm, kernel.sndtimeo = 1, 1000
    kernel.setsockopt(zmq.XPUB_NODROP, 1)
    port = kernel.bind_to_random_port("tcp://127.0.0.1")
    info = {"transport": "tcp", "ip": "127.0.0.1", "iopub_port": port, "shell_port": 1, "control_port": 1}
    socket = KernelSocket(
        context,
        info,
        SimpleNamespace(auth=None),
        on_batch=lambda batch: None,
        may_read=lambda: False,
        kernel_holds_more=True,
    )
    try:
        assert await asyncio.to_thread(kernel.poll, 40_000, zmq.POLLIN), "it subscribes"
        kernel.recv()
        taken = await asyncio.to_thread(sent, kernel)
        assert taken <= 64 + SYSTEM_MB
    finally:
        socket.close()
        kernel.close()
        context.destroy(linger=0)
