"""The websocket of a recorded kernel: `<base_url>jlab-mcp/channels/<kernel>?since=N&client=UUID&epoch=E&on_exit=P`.

Claim the kernel first (handlers.py). From then on its messages have the numbers 1, 2, 3, ..., through every restart
until it is gone. A connection gets those after `since`: first the recorded ones, then each new one. Without `client` the
connection is a watcher's: it reads, and may ask what runs no code in the main shell. With `client` it is the owner's: the
open connection is the owner's lease, and `on_exit` (shutdown, keep, kill) is what happens to the kernel when the owner is gone for good.

From the server, text frames (JSON):
  {"hello": {"first", "last", "epoch", "gap"}}  always the first; `gap` {"from", "to", "bytes"} is the part of the
                                                requested range that was acknowledged and is gone, else null
  {"gap": {"from", "to", "bytes", "why"}}       these numbers will not come; `why` is "" if they were acknowledged,
                                                else full, stalled (stream.py) or unreadable (then the size is
                                                unknown)
  {"known": msg_id}                             this request was accepted earlier and is not sent again
  {"refused": msg_id, "reason"}                 the request was not sent
  {"act": text}                                 what a user of a dashboard asks of the session; owners only
  {"pong": value}                               answers {"ping": value}
and binary frames: number u64, index of the piece u32, u32 1 for the last piece and else 0 (little-endian), then at
most 128,000 bytes of one kernel message in Jupyter's v1 framing. The pieces of a message follow each other.

The numbers cover all iopub messages, of any client's request, and the replies to requests of these channels. Adjacent
prints of one cell may arrive joined, a huge one in parts. When the kernel's process ends, an iopub message
`jlab_mcp_obituary` follows (exit_cause.py). The idle that ends a run, and an obituary by the run's msg_id, say in `jlab_mcp_use` what
the run used (run_meter.py). Requests that its `lost` list does not name go to the next process.

From the client, binary frames: one request each for shell or control in v1 framing, with a unique msg_id. The server
sends a request to the kernel once, as soon as the kernel listens, even if it arrives repeatedly. So after a broken
connection a client repeats every request without an answer. Text frames (JSON):
  {"got": seq, "bytes": n}  received: every message up to `seq`, and `n` bytes of binary frames (with their heads) since
                            the connection opened. The server sends at most 4 MB ahead of the reports. With `got=N` in
                            its address a client promises to report at least every N bytes, and a slow connection gets
                            little more than that ahead. Without it, a client reports after every message and may omit
                            `bytes`, and the server sends each message to its end.
  {"ack": seq}              the client has stored everything up to `seq`, so the server may drop it; implies "got"; owners only

An owner that answers no ping for 20 s is silent, and others may claim its kernel. The server closes its connection only
if its system acknowledges nothing either: the connection of a suspended process stays open, and its kernel stays.

Close codes: 4404 no such kernel, or not claimed; 4408 replaced by a newer connection of the same client, or no answer
to pings; 4409 owned by another client (the reason says who). After any other code, and after 4408 for unanswered
pings, a client reconnects with `since` at its last whole message.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import re
import time
from typing import Any, Optional, Union

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import ioloop, web, websocket

from .claims import ON_EXIT, owned_by
from .framing import json_object
from .requests import Unacceptable, parse_request
from .sender import Sender, hello
from .service import ExtensionService
from .stream_recorder import StreamRecorder
from .tcp_liveness import is_gone

log = logging.getLogger("jlab_mcp_extension")


class ChannelsHandler(WebSocketMixin, websocket.WebSocketHandler, JupyterHandler):  # type: ignore[misc]
    """One connection: the owner's, or a watcher's if it names no client."""

    auth_resource = "kernels"

    def initialize(self, service: ExtensionService) -> None:
        self.service = service
        self.kernel_id = ""
        self.client = ""
        self.epoch: Optional[int] = None
        self.recorder: Optional[StreamRecorder] = None
        self.sender: Optional[Sender] = None
        self._heard = 0.0
        self._pings: Optional[ioloop.PeriodicCallback] = None

    @property
    def ping_interval(self) -> int:
        """Switches off the pings of Jupyter and tornado, which disagree about the unit; `_ping` sends ours."""
        return 0

    def set_default_headers(self) -> None:
        """Set none: an API response's headers make no sense here."""

    def get_compression_options(self) -> None:
        """Compress nothing: on loopback or a cluster's network it costs more than it saves."""

    async def get(self, kernel_id: str) -> None:
        if self.current_user is None:
            raise web.HTTPError(403)
        allowed = self.authorizer.is_authorized(self, self.current_user, "execute", "kernels")
        if inspect.isawaitable(allowed):
            allowed = await allowed
        if not allowed:
            raise web.HTTPError(403)
        await super().get(kernel_id)

    def open(self, kernel_id: str) -> None:
        super().open()
        self.set_nodelay(True)
        self._heard = time.monotonic()
        self._pings = ioloop.PeriodicCallback(self._ping, self.service.silence_s / 4 * 1000)
        self._pings.start()
        recorder = self.service.recorders.get(kernel_id)
        if recorder is None:
            self.close(4404, "kernel is not recorded: claim it first")
            return
        since = _number(self.get_argument("since", "0")) or 0
        self.client = self.get_argument("client", "")
        epoch = _number(self.get_argument("epoch", ""))
        if self.client and not self._take_lease(kernel_id, epoch):
            self.client = ""
            return
        self.kernel_id, self.recorder, self.epoch = kernel_id, recorder, epoch
        current_epoch = self.service.claims.owner_of(kernel_id)[2]
        self._text(hello(recorder.stream, since, current_epoch))
        reports_every = _number(self.get_argument("got", "")) or None
        self.sender = Sender(recorder, since, self._bytes, self._text, reports_every)
        recorder.listeners.add(self.sender.pump)
        self.sender.pump()

    def _take_lease(self, kernel_id: str, epoch: Optional[int]) -> bool:
        on_exit = self.get_argument("on_exit", "shutdown")
        on_exit = on_exit if on_exit in ON_EXIT else "shutdown"
        if not self.service.claims.connected(kernel_id, self.client, epoch or 0, on_exit, self):
            owner = self.service.claims.owner_of(kernel_id)[0]
            self.close(4409, owned_by(owner) if owner else "not owned by this client: claim it again")
            return False
        self.epoch = epoch
        self.service.opened(kernel_id, self)
        return True

    def hand_on(self, act: str) -> None:
        self._text(json.dumps({"act": act}))

    def on_message(self, frame: Union[str, bytes]) -> None:
        self._hear()
        if self.recorder is None or self.sender is None:
            return
        if isinstance(frame, bytes):
            self._on_request(self.recorder, frame)
            return
        text = json_object(frame)
        got, ack = text.get("got"), text.get("ack")
        if isinstance(ack, int):
            if self.service.claims.owns(self.kernel_id, self.client, self.epoch):
                self.recorder.ack(ack)
            got = max(ack, got) if isinstance(got, int) else ack
        if isinstance(got, int):
            size = text.get("bytes")
            self.sender.received(got, size if isinstance(size, int) else 0)
        if "ping" in text:
            self._text(json.dumps({"pong": text["ping"]}))

    def _on_request(self, recorder: StreamRecorder, frame: bytes) -> None:
        try:
            request = parse_request(frame)
            may_run = self.service.claims.owns(self.kernel_id, self.client, self.epoch)
            if request.is_run and not may_run:
                raise Unacceptable("this connection does not own the kernel", request.msg_id)
            if recorder.gone_at is not None and not recorder.kernel_state.known(request.msg_id):
                raise Unacceptable("the kernel is gone", request.msg_id)
        except Unacceptable as error:
            self._text(json.dumps({"refused": error.msg_id, "reason": str(error)}))
            return
        if not recorder.submit(request):
            self._text(json.dumps({"known": request.msg_id}))

    def _ping(self) -> None:
        is_silent = time.monotonic() - self._heard > self.service.silence_s
        if is_silent and (not self.client or is_gone(self._socket(), self.service.silence_s)):
            log.info("jlab-mcp: no answer on a connection of kernel %s, closing it", self.kernel_id)
            self._stop_pings()
            self.close(4408, "no answer to pings")
            return
        if self.client:
            self.service.claims.silent(self.kernel_id, self, is_silent)
        try:
            self.ping(b"")
        except websocket.WebSocketClosedError:
            self._stop_pings()

    def _stop_pings(self) -> None:
        if self._pings is not None:
            self._pings.stop()

    def on_ping(self, data: bytes) -> None:
        self._hear()

    def on_pong(self, data: bytes) -> None:
        self._hear()

    def _hear(self) -> None:
        self._heard = time.monotonic()
        if self.client:
            self.service.claims.silent(self.kernel_id, self, False)

    def _socket(self) -> Any:
        return getattr(getattr(self.ws_connection, "stream", None), "socket", None)

    def on_close(self) -> None:
        self._stop_pings()
        if self.sender is not None and self.recorder is not None:
            self.sender.close()
            self.recorder.listeners.discard(self.sender.pump)
        if self.client and self.kernel_id:
            self.service.closed(self.kernel_id, self)
            self.service.claims.disconnected(self.kernel_id, self, time.monotonic())

    def _bytes(self, data: bytes) -> Optional[asyncio.Future[Any]]:
        return self._write(data, binary=True)

    def _text(self, text: str) -> None:
        self._write(text, binary=False)

    def _write(self, data: Union[str, bytes], binary: bool) -> Optional[asyncio.Future[Any]]:
        """Return a future that is done once the data left for the network; None if the connection is closed."""
        try:
            sent: Any = self.write_message(data, binary=binary)
        except websocket.WebSocketClosedError:
            return None
        # on_close sees a connection that closes meanwhile; the future's exception adds nothing.
        sent.add_done_callback(lambda done: done.cancelled() or done.exception())
        written: asyncio.Future[Any] = asyncio.ensure_future(sent)
        return written


def _number(text: str) -> Optional[int]:
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None
