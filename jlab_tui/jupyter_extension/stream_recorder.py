"""The recording of one kernel through all its incarnations: every message numbered, every death explained."""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import time
from collections import deque
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Set

import zmq

from . import exit_cause as obituary
from . import segments
from .activity import Activity
from .framing import Message, pack
from .kernel_client import ClientRequest, KernelClient, new_outbox
from .kernel_command import holds_more
from .kernel_process import exited, process_of, successor
from .kernel_state import KernelState, Parent
from .spool import SpoolThread, Written
from .stream import Record, Stream
from .stream_chunks import cut, joined

SPOOL_BATCH = 4 << 20
SPOOL_DELAY_S = 0.05
SPOOL_RETRY_S = 2.0
STALLED_S = 5.0
"""To write so much as SPOOL_BATCH; beyond it the disk is taken for stalled."""
LAST_WORDS_S = 0.25
LARGE_PEAK = 16 << 20

log = logging.getLogger("jlab_mcp_extension")

_NOBODY = Parent("", "", None)


@dataclass(frozen=True)
class StreamLimits:
    """Bytes per kernel."""

    cache: int = 8 << 20
    """Kept in memory although it is on disk."""
    pause: int = 8 << 20
    """Not on disk yet: above it, the kernel is read no faster than the disk takes it."""
    memory: int = 64 << 20
    """Not on disk and the disk takes nothing: above it, the oldest is dropped and counted."""
    disk: int = 1 << 30


class StreamRecorder:
    """Records one kernel from its first claim until it is gone."""

    def __init__(
        self,
        kernel_id: str,
        lookup: Callable[[], Optional[Any]],
        context: zmq.Context[Any],
        spool: SpoolThread,
        readers: Executor,
        oom: obituary.OomCounter,
        limits: StreamLimits,
        activity: Activity,
    ) -> None:
        self.kernel_id = kernel_id
        self.stream = Stream(limits.cache, limits.memory)
        self.conversation = KernelState()
        self.obituary: Optional[Dict[str, Any]] = None
        self.gone_at: Optional[float] = None
        self.listeners: Set[Callable[[], None]] = set()
        """Called when the stream has grown."""
        self._lookup = lookup
        self._context = context
        self._spool = spool
        self._readers = readers
        self._oom = oom
        self._limits = limits
        self._activity = activity
        self._loop = asyncio.get_event_loop()
        self._link: Optional[KernelClient] = None
        self._outbox = new_outbox()
        self._parent_bytes = b""
        self._parent = _NOBODY
        self._crash_seen = False
        self._given_up = False
        self._backlog: Deque[Message] = deque()
        self._whole: Optional[Message] = None
        self._pieces: Optional[Iterator[Message]] = None
        self._settled = asyncio.Event()
        self._settled.set()
        """Nothing is being written."""
        self._spool_timer: Optional[asyncio.TimerHandle] = None
        self._stall_timer: Optional[asyncio.TimerHandle] = None
        """While something is being written, or is to be written again."""
        self._paused = False
        self._peak = 0
        self._connect()
        self._task = asyncio.ensure_future(self._follow())

    def submit(self, request: ClientRequest) -> bool:
        """Send a request once; False when its msg_id was taken before."""
        if self.conversation.known(request.msg_id):
            return False
        self.conversation.sent(request.msg_id, request.is_run)
        if self._link is None:
            self._outbox.append(request)
        else:
            self._link.submit(request)
        return True

    def ack(self, seq: int) -> None:
        if self.stream.ack(seq):
            self._spool.ack(self.kernel_id, self.stream.acked)
            self._resume_if_room()
            self._give_memory_back()

    @property
    def recorded_bytes(self) -> int:
        """What was not acknowledged, as the files hold it."""
        return self._spool.size(self.kernel_id) + self.stream.unspooled_bytes

    async def read_back(self, after: int, max_bytes: int) -> List[Record]:
        """Records that are on disk only; a file system that hangs holds up this reader and nobody else."""
        folder = self._spool.folder(self.kernel_id)
        unsafe = [record for record in self._spool.unsafe(self.kernel_id) if record[0] > after]
        read = await self._loop.run_in_executor(self._readers, segments.read_spool, folder, after, max_bytes)
        return sorted(dict([*unsafe, *read]).items())

    async def settled(self) -> None:
        """Whatever the spool thread has removed until now is known as a gap."""
        await self._settled.wait()

    def close(self) -> None:
        """Stop recording; what is in memory goes to the spool as far as the spool takes it."""
        self._task.cancel()
        self._end()
        self.flush()
        self._spool.close(self.kernel_id, remove=self.stream.acked == self.stream.last)

    def flush(self) -> None:
        """Hand everything that only memory has to the spool; it answers nobody."""
        for timer in (self._spool_timer, self._stall_timer):
            if timer is not None:
                timer.cancel()
        self._spool_timer = self._stall_timer = None
        batch = self.stream.take_batch(self.stream.memory_bytes + 1)
        if batch:
            self._spool.write(self.kernel_id, batch, lambda _: None)

    # One incarnation after the other.

    async def _follow(self) -> None:
        first = self._lookup()
        if first is not None:
            first.add_restart_callback(self._on_given_up, "dead")
        try:
            while True:
                manager = self._lookup()
                if manager is None:
                    break
                process = process_of(manager)
                if process is None and not await manager.is_alive():
                    # Claimed while it was starting again: its ports are not known before it has.
                    self._disconnect()
                    if await successor(self._lookup, None) is None:
                        break
                    continue
                if self._link is None:
                    self._connect()
                code = await exited(manager, process)
                if not await self._on_exit(manager, process, code):
                    break
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("jlab-mcp: the recording of kernel %s ended", self.kernel_id)
        self._end()
        self.gone_at = time.monotonic()
        self._changed()

    def _end(self) -> None:
        self._disconnect()
        manager = self._lookup()
        if manager is not None:
            manager.remove_restart_callback(self._on_given_up, "dead")
        self._activity.give_back(self.kernel_id)

    async def _on_exit(self, manager: Any, process: Any, code: Optional[int]) -> bool:
        """Record the end of a process; True once another has taken its place."""
        stopping = bool(getattr(manager, "shutting_down", False)) and not self._crash_seen
        await self._take_last_words()
        replacement: Optional[Any] = None
        replaced = bool(getattr(manager, "autorestart", False))
        if stopping:
            replacement = await successor(self._lookup, process)
            replaced = replacement is not None
        death = obituary.Death(code, stopping, replaced, self._oom.recent())
        self._record_exit(obituary.explain(death))
        if not stopping:
            replacement = await successor(self._lookup, process)
            if replacement is None:
                self._record_exit(obituary.not_again(death, self._given_up))
        if replacement is not None:
            self._activity.restarted(self.kernel_id)
        return replacement is not None

    async def _take_last_words(self) -> None:
        if self._link is None:
            return
        socket, deadline = self._link.socket, time.monotonic() + LAST_WORDS_S
        while not socket.cut.is_set() and time.monotonic() < deadline:
            # What the process had handed to the system comes in as fast as there is room for it.
            socket.drain_all()
            self._record(at_any_size=True)
            try:
                await asyncio.wait_for(socket.cut.wait(), LAST_WORDS_S / 25)
            except asyncio.TimeoutError:
                pass
        socket.drain_all()
        self._record(at_any_size=True)
        self._disconnect()

    def _record_exit(self, content: Dict[str, Any]) -> None:
        # What waits for the next process goes to it, unless there is none.
        unsent = {request.msg_id for request in self._outbox} if content["restarting"] else set()
        self.obituary = {**content, "lost": self.conversation.kernel_died(unsent)}
        self.stream.append(pack(obituary.message(self.obituary)))
        self._changed()

    def _connect(self) -> None:
        manager = self._lookup()
        if manager is None:
            return
        self._crash_seen = False
        manager.add_restart_callback(self._on_crash, "restart")
        info = manager.get_connection_info()
        self._link = KernelClient(
            self._context,
            info,
            manager.session,
            self._on_batch,
            self._may_read,
            self._outbox,
            holds_more(manager),
        )

    def _on_crash(self) -> None:
        self._crash_seen = True

    def _on_given_up(self) -> None:
        self._given_up = True

    def _disconnect(self) -> None:
        if self._link is not None:
            self._outbox = self._link.close()
            self._link = None
        manager = self._lookup()
        if manager is not None:
            manager.remove_restart_callback(self._on_crash, "restart")

    # From the kernel into the stream.

    def _on_batch(self, batch: List[Message]) -> None:
        link = self._link
        ours = [m for m in batch if link is None or not link.is_own(self._parent_of(m).msg_id, m)]
        if ours:
            self._backlog.extend(joined(ours))
            self._record(at_any_size=False)
        heard = [m for m in batch if m.channel == "iopub"]
        if heard:
            self._activity.feed(self.kernel_id, heard)

    def _record(self, at_any_size: bool) -> None:
        """Number what has arrived; a huge print bit by bit, no faster than the disk takes it."""
        before = self.stream.last
        while self._backlog or self._pieces is not None:
            if not at_any_size and not self._has_room():
                break
            if self._pieces is None:
                self._whole = self._backlog.popleft()
                self._pieces = cut(self._whole)
            piece = next(self._pieces, None)
            if piece is not None:
                self.stream.append(pack(piece))
                continue
            self._pieces = None
            assert self._whole is not None
            self._fold(self._whole, self.stream.last)
            self._whole = None
        if self.stream.last != before:
            self._changed()

    def _fold(self, message: Message, seq: int) -> None:
        if message.channel != "iopub":
            self.conversation.replied(self._parent_of(message), seq)
        elif message.msg_type == "status":
            try:
                state = json.loads(bytes(message.content))["execution_state"]
            except (ValueError, KeyError, TypeError):
                return
            self.conversation.status(self._parent_of(message), state)

    def _parent_of(self, message: Message) -> Parent:
        """Cached by its bytes: all messages of a cell have the same parent."""
        if message.parent != self._parent_bytes:
            try:
                raw = json.loads(message.parent)
            except ValueError:
                raw = {}
            self._parent_bytes = message.parent
            self._parent = Parent(
                str(raw.get("msg_id", "")), str(raw.get("msg_type", "")), raw.get("subshell_id")
            )
        return self._parent

    def _may_read(self) -> bool:
        return not self._backlog and self._pieces is None and self._has_room()

    def _has_room(self) -> bool:
        """Whether memory takes more: below the mark, or when waiting for the disk is hopeless."""
        if self.stream.unspooled_bytes <= self._limits.pause:
            return True
        self._paused = not self.stream.stalled
        return self.stream.stalled

    def _resume_if_room(self) -> None:
        if self.stream.unspooled_bytes <= self._limits.pause:
            self._resume()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._record(at_any_size=False)
            if self._link is not None:
                self._link.socket.resume()

    def _changed(self) -> None:
        self._peak = max(self._peak, self.stream.memory_bytes)
        for listener in list(self.listeners):
            listener()
        self._spool_later(SPOOL_DELAY_S)

    # From the stream onto the disk.

    def _spool_later(self, delay: float) -> None:
        if self._settled.is_set() and self._spool_timer is None and self.stream.unspooled:
            self._spool_timer = self._loop.call_later(delay, self._spool_batch)

    def _spool_batch(self) -> None:
        self._spool_timer = None
        batch = self.stream.take_batch(SPOOL_BATCH)
        if batch:
            self._settled.clear()
            if self._stall_timer is None and not self.stream.stalled:
                steps = 1 + sum(len(frame) for _, frame in batch) // SPOOL_BATCH
                self._stall_timer = self._loop.call_later(STALLED_S * steps, self._on_stalled)
            self._spool.write(self.kernel_id, batch, lambda written: self._on_written(batch, written))

    def _on_stalled(self) -> None:
        self._stall_timer = None
        self.stream.stalled = True
        self._resume()

    def _on_written(self, batch: List[Record], written: Written) -> None:
        self._settled.set()
        if written.error is not None:
            self.stream.give_back(batch)
            self._spool_later(SPOOL_RETRY_S)
            return
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        self.stream.stalled = False
        self.stream.spooled(batch)
        for first, last, size in written.dropped:
            self.stream.lost_on_disk(first, last, size)
        self._spool_later(0 if self.stream.memory_bytes > SPOOL_BATCH else SPOOL_DELAY_S)
        self._resume_if_room()
        self._give_memory_back()

    def _give_memory_back(self) -> None:
        """After a burst the allocator keeps what it got; return it to the system."""
        if self._peak > LARGE_PEAK and self.stream.memory_bytes <= self._limits.cache:
            self._peak = 0
            self._loop.call_later(0.5, trim_heap)


def return_large_blocks() -> None:
    """glibc's mallopt(M_MMAP_THRESHOLD): large blocks go back when freed; it would learn to keep those of a burst."""
    try:
        ctypes.CDLL(None).mallopt(-3, 256 * 1024)
    except (AttributeError, OSError):
        pass


def trim_heap() -> None:
    """glibc's malloc_trim; elsewhere nothing."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        pass
