"""The handshake with a kernel that is up before its iopub is subscribed to; the kernel is a pair of plain sockets."""

from __future__ import annotations

import asyncio
import json
import uuid
from types import SimpleNamespace
from typing import Any

import zmq
import zmq.asyncio

from jlab_tui.jupyter_extension.framing import Message
from jlab_tui.jupyter_extension.kernel_client import KernelClient, new_outbox

DELIMITER = b"<IDS|MSG>"


def sent(msg_type: str, parent: bytes, **content: Any) -> list[bytes]:
    """An unsigned message of the kernel."""
    header = json.dumps({"msg_id": uuid.uuid4().hex, "msg_type": msg_type}).encode()
    return [DELIMITER, b"", header, parent, b"{}", json.dumps(content).encode()]


async def test_a_kernel_that_was_idle_before_it_was_heard_is_asked_again_so_that_its_state_is_known() -> None:
    context: zmq.asyncio.Context = zmq.asyncio.Context()
    shell, control, iopub = context.socket(zmq.ROUTER), context.socket(zmq.ROUTER), context.socket(zmq.XPUB)
    ports = {
        f"{name}_port": socket.bind_to_random_port("tcp://127.0.0.1")
        for name, socket in [("shell", shell), ("control", control), ("iopub", iopub)]
    }
    heard: list[Message] = []

    def on_batch(batch: list[Message]) -> None:
        for message in batch:
            parent_id = json.loads(message.parent).get("msg_id", "")
            client.is_own(parent_id, message)
        heard.extend(batch)

    plain: zmq.Context[Any] = zmq.Context()
    client = KernelClient(
        plain,
        {"transport": "tcp", "ip": "127.0.0.1", **ports},
        SimpleNamespace(auth=None, sign=lambda body: b""),
        on_batch,
        may_read=lambda: True,
        outbox=new_outbox(),
        kernel_holds_more=True,
        on_ready=lambda: None,
    )

    async def requested() -> tuple[bytes, bytes]:
        """The client's address and its request's header."""
        address, _, _, header, *_ = await asyncio.wait_for(shell.recv_multipart(), 40)
        assert json.loads(header)["msg_type"] == "kernel_info_request"
        return address, header

    try:
        assert await iopub.recv() == b"\x01"
        address, request = await requested()
        await shell.send_multipart([address, *sent("kernel_info_reply", request)])
        await iopub.send_multipart(sent("iopub_welcome", b"{}"))
        _, again = await requested()
        await iopub.send_multipart(sent("status", again, execution_state="idle"))
        async with asyncio.timeout(40):
            while not any(message.msg_type == "status" for message in heard):
                await asyncio.sleep(0.01)
        assert client.ready
    finally:
        client.close()
        context.destroy(linger=0)
        plain.destroy(linger=0)
