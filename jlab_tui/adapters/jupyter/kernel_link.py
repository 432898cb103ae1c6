"""The link to one kernel: a WebSocket that reconnects after a cut.

One file, because one class serves two endpoints. The Jupyter extension numbers its stream: after a cut of any length the
link continues where it stopped, and may safely send a request again. A stock Jupyter server returns what it buffered for
the same session id; the rest is lost, and the link never sends a request twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, assert_never

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from ...core.journal.events import Event, decode
from ...core.journal.lease import BEAT_S
from ...core.kernel.control import Hello, Known, Missing, NotSent, Pong, UserAct, parse_control
from ...core.kernel.link import (
    LEASE_S,
    Lease,
    LinkChange,
    LinkDown,
    LinkOver,
    LinkUp,
    OutputLost,
    RequestRefused,
)
from ...core.kernel.wire import (
    SUBPROTOCOL,
    KernelMessage,
    PieceJoiner,
    Request,
    pack_request,
    unpack_message,
    unread_message,
)
from .dial import Dialer
from .oddities import Oddities
from .websocket import KernelConnection, open_connection, send_quietly, unless_silent, why

log = logging.getLogger(__name__)

_OWNED, _UNKNOWN_KERNEL = 4409, 4404
_OPEN_TIMEOUT_S = 2.5
_PAUSES_S = (0.05, 0.2, 0.5, 1.0)
"""between attempts to reconnect, until a message arrives; the last one repeats"""
_PING_RESUMABLE = (1.5, 2.5)
"""pause between pings and longest wait for the pong: the link notices a half-open connection after 4 s"""
_PING_STOCK = (10.0, 20.0)
_GOT_EVERY = 16_384
"""bytes in flight on a slow line, before the answer to a ping"""
_SLOWEST = 10_000
"""bytes per second; a ping waits behind earlier requests"""
_PROBES_FOR_IOPUB = 20
"""probes that wait for iopub; a kernel that stays silent there is used anyway"""
_YIELD_EVERY = 64


class KernelLink:
    """Messages of one kernel."""

    def __init__(
        self,
        dialer: Dialer,
        headers: Mapping[str, str],
        kernel_id: str,
        *,
        session_id: str,
        lease: Lease | None,
        hold: Callable[[], Awaitable[str]] | None = None,
        since: int = 0,
    ) -> None:
        """`lease`: None on a stock server, where `hold` renews our hold on a session and returns another holder, if any."""
        self._dialer = dialer
        self._headers = dict(headers)
        self._kernel_id = kernel_id
        self._session_id = session_id
        self._lease = lease
        self._hold = hold
        self._on_message: Callable[[KernelMessage], None] = lambda message: None
        self._on_change: Callable[[LinkChange], None] = lambda change: None
        self._on_act: Callable[[Event], None] = lambda act: None
        self._ws: KernelConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._beating = asyncio.Lock()
        self._held_at = asyncio.get_running_loop().time()
        self._ready = asyncio.Event()
        self._confirmed = asyncio.get_running_loop().time()
        self._unconfirmed: dict[str, bytes] = {}
        self._replies: dict[str, asyncio.Future[KernelMessage]] = {}
        self._probe_id = ""
        self._heard = asyncio.Event()
        """set when iopub has answered the last probe"""
        self._beats: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._oddities = Oddities(f"the link to kernel {kernel_id[:8]}")
        self._fruitless = 0
        """connections since the last message"""
        self._acked = since
        self._over = False
        self.seq = since
        """number of the last delivered message; 0 on a stock server"""

    @property
    def resumable(self) -> bool:
        return self._lease is not None

    @property
    def connected(self) -> bool:
        return self._ready.is_set() and not self._over

    @property
    def oddities(self) -> int:
        """Number of frames and messages that were not understood."""
        return self._oddities.count

    @property
    def silent_for(self) -> float:
        """Seconds since the server last confirmed this connection as the owner's, including time while this process was
        stopped. Other messages confirm nothing: they may have waited in a buffer."""
        return asyncio.get_running_loop().time() - self._confirmed

    @property
    def unsure_for(self) -> float:
        """Seconds since the session was last known to be ours; 0 without a session."""
        if self._lease is not None:
            return self.silent_for
        return asyncio.get_running_loop().time() - self._held_at if self._hold is not None else 0.0

    def open(
        self,
        on_message: Callable[[KernelMessage], None],
        on_change: Callable[[LinkChange], None],
        on_act: Callable[[Event], None] = lambda act: None,
    ) -> None:
        """Connect in the background and stay connected. Calls the functions in the event loop; they must not block.
        `on_act` gets what a user of a dashboard asks of the session."""
        if self._task is None:
            self._on_message, self._on_change, self._on_act = on_message, on_change, on_act
            if self._hold is not None:
                self._beats = self._spawn(self._keep_held())
            self._task = asyncio.create_task(self._run(), name=f"kernel link {self._kernel_id[:8]}")

    async def ready(self, timeout: float) -> None:
        """Wait until requests reach the kernel and the lease is confirmed. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while True:
                await self._ready.wait()
                ws = self._ws
                if self._over or ws is None:
                    raise TimeoutError
                if self.unsure_for < LEASE_S:
                    return
                if self._lease is None:
                    await self._beat()
                    continue
                # This process was stopped and may have lost the session: reconnect to find out.
                self._ready.clear()
                ws.transport.abort()

    async def close(self) -> None:
        """Close the connection. This gives up the lease only if `release` was sent before."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._beats is not None:
            self._beats.cancel()
        for future in self._replies.values():
            future.cancel()

    async def send(self, request: Request) -> bool:
        """Send a request. Returns False if the connection broke and nobody knows whether it arrived (stock server only; to the
        Jupyter extension the link sends it again until it is confirmed)."""
        frame = pack_request(request, self._session_id, datetime.now(UTC).isoformat())
        if self.resumable:
            self._unconfirmed[request.msg_id] = frame
        ws = self._ws
        if ws is None or not self._ready.is_set():
            return self.resumable
        try:
            await ws.send(frame)
        except ConnectionClosed:
            return self.resumable
        return True

    async def ask(self, request: Request, timeout: float) -> KernelMessage:
        """Send a request and wait for the reply. Raises TimeoutError."""
        future: asyncio.Future[KernelMessage] = asyncio.get_running_loop().create_future()
        self._replies[request.msg_id] = future
        try:
            await self.send(request)
            return await asyncio.wait_for(future, timeout)
        finally:
            self._replies.pop(request.msg_id, None)
            self._unconfirmed.pop(request.msg_id, None)

    def acknowledge(self, seq: int) -> None:
        """Tell the server that we have recorded everything up to `seq`."""
        if self.resumable and seq > self._acked:
            self._acked = seq
            self._tell({"ack": seq})

    def renew(self) -> None:
        """After a restart of the kernel: on a stock server, wait until it answers before sending anything."""
        if not self.resumable and self._ws is not None:
            self._ready.clear()
            self._spawn(self._probe(self._ws))

    # -- the connection ------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        attempts = 0
        first = True
        while not self._over:
            waited = False
            try:
                if self.unsure_for > LEASE_S and self._hold is not None:
                    await self._beat()
                    continue
                async with contextlib.AsyncExitStack() as stack:
                    began = asyncio.get_running_loop().time()
                    ws = await self._connect()
                    stack.push_async_callback(ws.close)
                    stack.callback(self._disconnected)
                    await self._handshake(ws)
                    self._confirmed = began
                    stack.callback(self._spawn(self._keep_alive(ws)).cancel)
                    attempts = 0
                    self._on_change(LinkUp(first))
                    first = False
                    await self._read(ws)
            except (OSError, TimeoutError, WebSocketException, ValueError) as error:
                self._after(error, attempts)
                waited = isinstance(error, TimeoutError)
            if not self._over:
                await asyncio.sleep(_PAUSES_S[min(self._fruitless, len(_PAUSES_S) - 1)] if not waited else 0)
                attempts += 1
                self._fruitless += 1

    def _disconnected(self) -> None:
        self._ws = None
        if not self._over:
            self._ready.clear()

    def _after(self, error: Exception, attempts: int) -> None:
        if (
            isinstance(error, ConnectionClosed)
            and error.rcvd is not None
            and error.rcvd.code in (_OWNED, _UNKNOWN_KERNEL)
        ):
            self._finish(LinkOver(error.rcvd.code == _OWNED, error.rcvd.reason))
        elif isinstance(error, InvalidStatus) and error.response.status_code == 404:
            self._finish(LinkOver(False, "the server does not know this kernel"))
        else:
            self._on_change(LinkDown(why(error), attempts + 1))

    async def _keep_held(self) -> None:
        while not self._over:
            await asyncio.sleep(BEAT_S)
            await self._beat()

    async def _beat(self) -> None:
        """Check that the session is still ours; else end the link."""
        async with self._beating:
            started = asyncio.get_running_loop().time()
            if self._over or self._hold is None or self.unsure_for < BEAT_S / 2:
                return
            if owner := await self._hold():
                self._finish(LinkOver(True, owner))
                if self._ws is not None:
                    self._ws.transport.abort()
            self._held_at = started

    def _finish(self, over: LinkOver) -> None:
        self._over = True
        self._on_change(over)
        self._ready.set()  # wake waiters: it will not connect again

    async def _connect(self) -> KernelConnection:
        path = f"/api/kernels/{self._kernel_id}/channels?session_id={self._session_id}"
        if self._lease is not None:
            lease = self._lease
            path = (
                f"/jlab-mcp/channels/{self._kernel_id}?since={self.seq}&client={lease.client}"
                f"&epoch={lease.epoch}&on_exit={lease.on_exit}&got={_GOT_EVERY}"
            )
        return await open_connection(
            self._dialer, path, self._headers, None if self._lease else SUBPROTOCOL, _OPEN_TIMEOUT_S
        )

    async def _handshake(self, ws: KernelConnection) -> None:
        """Make sure that requests will reach the kernel."""
        self._ws = ws
        if self._lease is not None:
            # Before Python 3.12 `wait_for` can swallow a cancellation.
            async with asyncio.timeout(_OPEN_TIMEOUT_S):
                await self._greeting(ws)
            for frame in list(self._unconfirmed.values()):
                await ws.send(frame)
            self._ready.set()
        else:
            self._spawn(self._probe(ws))

    async def _greeting(self, ws: KernelConnection) -> None:
        """Raises ValueError if the first frame is no hello, so the server is not our Jupyter extension."""
        frame = await ws.recv()
        try:
            if isinstance(frame, str) and isinstance(parse_control(frame), Hello):
                return
        except ValueError as error:
            self._oddities.note("an unknown greeting", error)
        raise ValueError("the server does not speak our protocol")

    async def _probe(self, ws: KernelConnection) -> None:
        """Ask a stock server's kernel for its info until it answers: it may lose earlier requests."""
        attempt = 0
        while self._ws is ws and not self._ready.is_set():
            request = Request(
                "shell", "kernel_info_request", f"{self._session_id}-probe-{id(ws):x}-{attempt}", {}
            )
            future: asyncio.Future[KernelMessage] = asyncio.get_running_loop().create_future()
            self._replies[request.msg_id] = future
            self._probe_id = request.msg_id
            self._heard.clear()
            try:
                await ws.send(pack_request(request, self._session_id, datetime.now(UTC).isoformat()))
                await asyncio.wait_for(asyncio.shield(future), 1.0)
                if attempt < _PROBES_FOR_IOPUB:
                    # After a restart the server may receive replies before it receives output.
                    await asyncio.wait_for(self._heard.wait(), 0.5)
                if self._ws is ws:
                    self._ready.set()
            except TimeoutError:
                attempt += 1
            except ConnectionClosed:
                return
            finally:
                self._replies.pop(request.msg_id, None)

    async def _keep_alive(self, ws: KernelConnection) -> None:
        """Confirm the lease, and notice a half-open connection."""
        interval, patience = _PING_RESUMABLE if self._lease else _PING_STOCK
        try:
            while True:
                sent = asyncio.get_running_loop().time()
                async with asyncio.timeout(patience):
                    pong = asyncio.ensure_future(await ws.ping())
                requests = sum(map(len, self._unconfirmed.values()))
                await unless_silent(ws, pong, patience + min(requests / _SLOWEST, LEASE_S / 2))
                self._confirmed = sent
                await asyncio.sleep(interval)
        except TimeoutError:
            ws.transport.abort()
        except ConnectionClosed:
            pass

    async def _read(self, ws: KernelConnection) -> None:
        joiner = PieceJoiner()
        received = unreported = handled = 0
        while True:
            data = await ws.recv()
            if self.unsure_for > LEASE_S:
                if self._lease is not None:
                    raise ConnectionError("this process was stopped")
                await self._beat()
                if self._over:
                    return
            if isinstance(data, str):
                self._control(data, unfetched=received == 0)
                continue
            if self._lease is None:
                self._hand_on(data, 0)
            else:
                unreported += len(data)
                received += len(data)
                if joined := joiner.feed(data):
                    seq, frame = joined
                    if seq > self.seq:
                        self._hand_on(frame, seq)
                        self.seq = seq
                if unreported >= _GOT_EVERY:
                    unreported = 0
                    await ws.send(json.dumps({"got": self.seq, "bytes": received}))
            handled += 1
            if handled % _YIELD_EVERY == 0:
                await asyncio.sleep(0)

    def _hand_on(self, frame: bytes, seq: int) -> None:
        try:
            message = unpack_message(frame, seq)
        except ValueError as error:
            self._oddities.note("an unknown message", error)
            self._on_message(unread_message(seq))
            return
        self._fruitless = 0
        if message.odd:
            self._oddities.note(f"unusable fields in {message.msg_type:.40}", ", ".join(message.odd))
        self._unconfirmed.pop(message.parent_id, None)
        if message.channel == "iopub" and message.parent_id == self._probe_id:
            self._heard.set()
        future = self._replies.get(message.parent_id)
        if future is not None and message.channel in ("shell", "control") and not future.done():
            future.set_result(message)
        try:
            self._on_message(message)
        except Exception:  # one message must not end the link
            if self._oddities.note("a message that failed"):
                log.exception("handling a message of kernel %s failed", self._kernel_id)

    def _control(self, frame: str, unfetched: bool) -> None:
        try:
            control = parse_control(frame)
        except ValueError as error:
            self._oddities.note("an unknown frame", error)
            return
        match control:
            case Known(msg_id):
                self._unconfirmed.pop(msg_id, None)
            case NotSent(msg_id, reason):
                self._unconfirmed.pop(msg_id, None)
                if (future := self._replies.get(msg_id)) is not None and not future.done():
                    future.set_exception(TimeoutError())
                self._on_change(RequestRefused(msg_id, reason))
            case Missing(first, last, size, reason):
                self.seq = max(self.seq, last)
                if size or reason:
                    self._on_change(OutputLost(max(0, last + 1 - first), size, reason, last, unfetched))
            case UserAct(line):
                self._on_act(decode(line.encode()).event)
            case Hello() | Pong():
                pass
            case _:
                assert_never(control)

    def _tell(self, news: Mapping[str, Any]) -> None:
        ws = self._ws
        if ws is not None and self._ready.is_set():
            self._spawn(send_quietly(ws, json.dumps(news)))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task
