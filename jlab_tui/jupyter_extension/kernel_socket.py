"""ZeroMQ connections to one process of a kernel: its iopub, shell and control channels, on the event loop.

They use the values of the connection file, because the kernel manager's sockets are wrapped for other uses and have
high-water marks that lose messages. Each costs two descriptors, so control is open only while a request on it waits for
its reply, and the end of iopub is watched only when the process has ended.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from typing import Any, Callable, Dict, List, Mapping, Optional

import zmq

from .framing import Bytes, Message, strip_identities

BATCH = 500
BATCH_BYTES = 2 << 20
COPY_BELOW = 256 << 10
"""Smaller parts are copied out of ZeroMQ's memory, because holding it costs more."""
FLOOD_BATCHES = 8
FLOOD_PAUSE_S = 0.01
"""After FLOOD_BATCHES batches in a row that ended in a print, wait this long before reading: prints then come in large
batches to join, instead of keeping the event loop busy one by one."""
IOPUB_HWM = 10_000
"""When it is full, TCP makes the kernel's side wait, which then holds messages up to its own mark; none is dropped here.

ZeroMQ counts messages, not bytes: 10,000 messages of 100 kB are 1 GB in this process if the kernel sends faster than
the disk takes it. A lower mark would lose output of kernels that hold 1,000 messages themselves."""
IOPUB_HWM_LOW = 64
"""Where the kernel's own mark is high (kernel_startup.py): 64 MB of messages of 1 MB. The rest waits in the kernel's
memory, up to a million messages of any size, because ZeroMQ cannot make the code that prints wait."""

RECONNECT_MS = 10
"""Between attempts to connect; the one after the end of a kernel's process shows that its last output has arrived."""

log = logging.getLogger("jlab_mcp_extension")

_TYPES = {"iopub": zmq.SUB, "shell": zmq.DEALER, "control": zmq.DEALER}


class KernelSocket:
    """Receives verified messages in batches per channel; signs and sends messages unchanged."""

    def __init__(
        self,
        context: zmq.Context[Any],
        info: Mapping[str, Any],
        session: Any,
        on_batch: Callable[[List[Message]], None],
        may_read: Callable[[], bool],
        kernel_holds_more: bool,
    ) -> None:
        self._loop = asyncio.get_event_loop()
        self._context = context
        self._info = info
        self._session = session
        self._on_batch = on_batch
        self._may_read = may_read
        # Never change it on a live socket: see kernel_startup.py.
        self._iopub_hwm = IOPUB_HWM_LOW if kernel_holds_more else IOPUB_HWM
        self.closed = False
        self._prints = 0
        """Batches of iopub in a row that ended in a print."""
        self._pausing = False
        self.cut = asyncio.Event()
        """Set when the kernel's side of iopub is gone and everything it sent is in our queue; see `watch_cut`."""
        self._monitor: Optional[Any] = None
        self._unanswered = 0
        """Requests on control."""
        self._sockets: Dict[str, Any] = {}
        for channel in ("iopub", "shell"):
            self._open(channel)

    def _open(self, channel: str) -> Any:
        sock = self._sockets[channel] = self._connect(channel)
        self._loop.add_reader(sock.getsockopt(zmq.FD), self._drain, channel)
        # A ZeroMQ descriptor signals changes only, so check the initial state once.
        self._loop.call_soon(self._drain, channel)
        return sock

    def _connect(self, channel: str) -> Any:
        info = self._info
        sock = self._context.socket(_TYPES[channel])
        sock.linger = 0
        sock.reconnect_ivl = RECONNECT_MS
        if info.get("curve_publickey") is not None:
            sock.curve_secretkey = _key(info["curve_secretkey"])
            sock.curve_publickey = _key(info["curve_publickey"])
            sock.curve_serverkey = _key(info["curve_publickey"])
        if channel == "iopub":
            sock.rcvhwm = self._iopub_hwm
            sock.setsockopt(zmq.SUBSCRIBE, b"")
        else:
            sock.sndhwm = 0
            sock.rcvhwm = 0
        separator = "-" if info["transport"] == "ipc" else ":"
        sock.connect("%s://%s%s%s" % (info["transport"], info["ip"], separator, info[channel + "_port"]))
        return sock

    def send(self, message: Message) -> None:
        """Sign and send one request with its header unchanged."""
        body = [message.header, message.parent, message.metadata, message.content]
        sock = self._sockets.get(message.channel) or self._open(message.channel)
        self._unanswered += message.channel == "control"
        sock.send_multipart([b"<IDS|MSG>", self._session.sign(body), *body, *message.buffers], zmq.NOBLOCK)
        # Sending may consume the edge that announces a reply.
        self._loop.call_soon(self._drain, message.channel)

    def resume(self) -> None:
        """Continue to read after `may_read` returned False."""
        self._drain("iopub")

    def drain_all(self) -> None:
        """Take everything that has arrived, replies last, in the kernel's order."""
        for channel in list(self._sockets):
            while self._take(channel):
                pass

    def watch_cut(self) -> None:
        """Watch for the end of iopub's connection, once the kernel's process has ended.

        The end may have been before this call; then the next attempt to connect shows it."""
        gone = (
            zmq.EVENT_DISCONNECTED
            | zmq.EVENT_CONNECT_RETRIED
            | zmq.EVENT_CONNECT_DELAYED
            | zmq.EVENT_CONNECTED
        )
        self._monitor = self._sockets["iopub"].get_monitor_socket(gone)
        self._loop.add_reader(self._monitor.getsockopt(zmq.FD), self._on_monitor)
        self._loop.call_soon(self._on_monitor)

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._monitor is not None:
            self._loop.remove_reader(self._monitor.getsockopt(zmq.FD))
            self._sockets["iopub"].disable_monitor()
            self._monitor.close(0)
        for channel in list(self._sockets):
            self._close(channel)

    def _close(self, channel: str) -> None:
        sock = self._sockets.pop(channel)
        self._loop.remove_reader(sock.getsockopt(zmq.FD))
        sock.close(0)

    def _drain(self, channel: str) -> None:
        if channel not in self._sockets or (channel == "iopub" and not self._may_read()):
            return
        if channel == "iopub" and self._pausing:
            return
        if self._take(channel):
            self._loop.call_soon(self._drain, channel)
        elif channel == "control" and not self._unanswered:
            self._close(channel)
        elif channel == "iopub" and self._prints >= FLOOD_BATCHES:
            self._pausing = True
            self._loop.remove_reader(self._sockets[channel].getsockopt(zmq.FD))
            self._loop.call_later(FLOOD_PAUSE_S, self._end_pause)

    def _end_pause(self) -> None:
        self._pausing = False
        # Still a flood if another print came meanwhile; else pass the next message on at once.
        self._prints = FLOOD_BATCHES - 1
        if not self.closed:
            self._loop.add_reader(self._sockets["iopub"].getsockopt(zmq.FD), self._drain, "iopub")
            self._drain("iopub")

    def _take(self, channel: str) -> bool:
        """Pass one batch on. Returns whether there may be more."""
        receive = self._sockets[channel].recv
        batch: List[Message] = []
        count, size, more = 0, 0, True
        while more and count < BATCH and size < BATCH_BYTES:
            try:
                parts = _received(receive)
            except zmq.Again:
                more = False
                break
            count += 1
            size += sum(map(len, parts))
            try:
                batch.append(self._verified(channel, parts))
            except ValueError as error:
                log.debug("jlab-mcp: not a message of this kernel: %s", error)
        if batch:
            if channel == "control":
                self._unanswered -= len(batch)
            elif channel == "iopub":
                self._prints = self._prints + 1 if batch[-1].msg_type == "stream" else 0
            self._on_batch(batch)
        return more

    def _verified(self, channel: str, parts: List[Bytes]) -> Message:
        signature, *rest = strip_identities(parts)
        if len(rest) < 4:
            raise ValueError("too few parts")
        if self._session.auth is not None and not hmac.compare_digest(
            self._session.sign(rest[:4]), signature
        ):
            raise ValueError("wrong signature")
        header, parent, metadata = (bytes(part) for part in rest[:3])
        return Message(channel, header, parent, metadata, rest[3], rest[4:])

    def _on_monitor(self) -> None:
        if self.closed or self._monitor is None:
            return
        while self._monitor.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            self._monitor.recv_multipart(zmq.NOBLOCK)
            self.cut.set()


def _key(value: Any) -> bytes:
    """Return a key of CurveZMQ as ZeroMQ's bytes from a connection file's text."""
    return value.encode("ascii") if isinstance(value, str) else bytes(value)


def _received(receive: Callable[..., Any]) -> List[Bytes]:
    """Return the parts of one message. Raises zmq.Again.

    Reads frame by frame: a frame knows whether another one follows; recv_multipart asks the socket each time.
    """
    parts: List[Bytes] = []
    more = True
    while more:
        frame = receive(zmq.NOBLOCK, False)
        large = len(frame) >= COPY_BELOW
        parts.append(memoryview(frame.buffer) if large else frame.bytes)
        more = frame.more
    return parts
