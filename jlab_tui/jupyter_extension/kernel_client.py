"""A client of one process of a kernel: shakes hands first, then sends our requests and loses none.

A request sent before the kernel listens, or before it knows our iopub subscription, can vanish or lose its output. So
requests wait here until the kernel has answered kernel_info and sent something on iopub.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import uuid
from collections import deque
from typing import Any, Callable, Deque, List, Mapping, NamedTuple, Set

import zmq

from .framing import Message
from .kernel_socket import KernelSocket

ANSWER_S = 5.0
HEARD_S = 0.1
HEARD_TRIES = 30

log = logging.getLogger("jlab_mcp_extension")


class ClientRequest(NamedTuple):
    """A client's request, checked but not sent."""

    msg_id: str
    message: Message
    at_once: bool
    """For the control channel or a subshell, so that it does not wait for the main shell."""
    is_run: bool
    """An execute_request for the main shell."""


class KernelClient:
    """Socket, handshake and outbox for one kernel process."""

    def __init__(
        self,
        context: zmq.Context[Any],
        info: Mapping[str, Any],
        session: Any,
        on_batch: Callable[[List[Message]], None],
        may_read: Callable[[], bool],
        outbox: Deque[ClientRequest],
        kernel_holds_more: bool,
        on_ready: Callable[[], None],
    ) -> None:
        self.ready = False
        self._on_ready = on_ready
        self.outbox = outbox
        self._own: Set[str] = set()
        self._answered = asyncio.Event()
        self._heard = asyncio.Event()
        self._knows_status = False
        """Whether the kernel has said on iopub what it does, as its welcome does not."""
        self.socket = KernelSocket(context, info, session, on_batch, may_read, kernel_holds_more)
        self._task = asyncio.ensure_future(self._handshake())

    def is_own(self, parent_id: str, message: Message) -> bool:
        """Whether a message belongs to the handshake instead of the stream."""
        if message.channel == "iopub":
            self._heard.set()
            self._knows_status = self._knows_status or message.msg_type == "status"
        if parent_id not in self._own:
            return False
        if message.channel == "shell" and message.msg_type == "kernel_info_reply":
            self._answered.set()
        return True

    def submit(self, request: ClientRequest) -> None:
        """Send now, or as soon as the kernel listens."""
        if self.ready or request.at_once:
            self.socket.send(request.message)
        else:
            self.outbox.append(request)

    def close(self) -> Deque[ClientRequest]:
        """Close; returns the requests that were never sent."""
        self._task.cancel()
        self.socket.close()
        return self.outbox

    async def _handshake(self) -> None:
        try:
            await self._shake_hands()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("jlab-mcp: the handshake with a kernel failed")

    async def _shake_hands(self) -> None:
        while not self._answered.is_set():
            self._send_own("kernel_info_request", {})
            await _happened(self._answered, ANSWER_S)
        for _ in range(HEARD_TRIES):
            if await _happened(self._heard, HEARD_S):
                break
            self._send_own("kernel_info_request", {})
        if not self._knows_status:
            # It was idle before our subscription and says so again only after a request.
            self._send_own("kernel_info_request", {})
        self.ready = True
        self._on_ready()
        while self.outbox:
            self.socket.send(self.outbox.popleft().message)

    def _send_own(self, msg_type: str, content: Mapping[str, Any]) -> None:
        request = own_message("shell", msg_type, content)
        self._own.add(request.msg_id)
        self.socket.send(request)


def own_message(channel: str, msg_type: str, content: Mapping[str, Any]) -> Message:
    """Return a message that the extension itself sends or records."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": msg_type,
        "session": "jlab-mcp",
        "username": "jlab-mcp",
        "version": "5.3",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(),
    }
    return Message(channel, json.dumps(header).encode(), b"{}", b"{}", json.dumps(content).encode())


async def _happened(event: asyncio.Event, timeout: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), timeout)
    except asyncio.TimeoutError:
        return False
    return True


def new_outbox() -> Deque[ClientRequest]:
    return deque()
