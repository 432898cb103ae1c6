"""Records one kernel through all its restarts: numbers every message, explains every exit."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import sys
import time
from concurrent.futures import Executor
from typing import Any, Callable, Dict, List, Optional, Set

import zmq

from .activity import Activity
from .exit_cause import MSG_TYPE, EndRule, ProcessExit, exit_cause, final_cause
from .framing import Message, json_object, pack
from .kernel_client import ClientRequest, KernelClient, new_outbox, own_message
from .kernel_command import holds_more
from .kernel_process import exited, let_go_of_control, pid_of, process_of, replacement_of
from .kernel_state import KernelState
from .numbering import MessageNumbering
from .oom_counter import OomCounter
from .run_meter import USE, ProcessUse, RunMeter
from .spool import SpoolThread
from .stream import Record, Stream
from .stream_spooler import StreamLimits, StreamSpooler
from .usage import process_use

LAST_OUTPUT_S = 0.25

log = logging.getLogger("jlab_mcp_extension")


class StreamRecorder:
    """The recorder of one kernel, from its first claim until it is gone."""

    def __init__(
        self,
        kernel_id: str,
        lookup: Callable[[], Optional[Any]],
        context: zmq.Context[Any],
        spool: SpoolThread,
        readers: Executor,
        oom: OomCounter,
        limits: StreamLimits,
        activity: Activity,
        take_rule: Callable[[str], Optional[EndRule]],
    ) -> None:
        """`take_rule` returns by which rule the server ended the kernel; `lookup` its manager, None once the server dropped it."""
        self.kernel_id = kernel_id
        self.stream = Stream(limits.cache, limits.memory)
        self.kernel_state = KernelState()
        self.exit_cause: Optional[Dict[str, Any]] = None
        """Of the newest exit, with the requests lost in it."""
        self.gone_at: Optional[float] = None
        self.meter = RunMeter()
        self.listeners: Set[Callable[[], None]] = set()
        """Called when the stream has grown."""
        self._lookup = lookup
        self._context = context
        self._oom = oom
        self._activity = activity
        self._take_rule = take_rule
        self._spooler = StreamSpooler(kernel_id, self.stream, limits, spool, readers, self._resume)
        self._numbering = MessageNumbering(self.stream, self.kernel_state, lambda: self._spooler.has_room)
        self._is_paused = False
        """Whether a message here or in the kernel's socket waits for room in the stream."""
        self._kernel_client: Optional[KernelClient] = None
        self._outbox = new_outbox()
        self._has_crashed = False
        self._has_given_up = False
        self._ran_at = -math.inf
        """When code last began to run in it."""
        self._connect()
        self._task = asyncio.ensure_future(self._follow())

    def submit(self, request: ClientRequest) -> bool:
        """Send a request once; False if its msg_id is known."""
        if self.kernel_state.known(request.msg_id):
            return False
        self.kernel_state.sent(request.msg_id, request.is_run)
        if self._kernel_client is None:
            self._outbox.append(request)
        else:
            self._kernel_client.submit(request)
        return True

    def ack(self, seq: int) -> None:
        """Note that the owner has everything up to `seq`."""
        self._spooler.ack(seq)

    @property
    def answers(self) -> bool:
        """Whether the kernel's process has answered since it started."""
        return self._kernel_client is not None and self._kernel_client.ready

    def ran_within(self, seconds: float) -> bool:
        """Whether code began to run so lately."""
        return time.monotonic() - self._ran_at < seconds

    @property
    def recorded_bytes(self) -> int:
        """Size of the unacknowledged records as files."""
        return self._spooler.recorded_bytes

    async def read_back(self, after: int, max_bytes: int) -> List[Record]:
        """Return records that are only on disk."""
        return await self._spooler.read_back(after, max_bytes)

    async def settled(self) -> None:
        """Wait until the stream has a gap for each record removed from the disk so far."""
        await self._spooler.settled()

    def close(self) -> None:
        """Stop recording, and give the spool what it accepts from memory."""
        self._task.cancel()
        self._end()
        self._spooler.close()

    def flush(self) -> None:
        """Hand the spool everything that is only in memory."""
        self._spooler.flush()

    # One process of the kernel after the other.

    async def _follow(self) -> None:
        first = self._lookup()
        if first is not None:
            first.add_restart_callback(self._on_given_up, "dead")
        try:
            while await self._follow_process():
                pass
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("jlab-mcp: the recording of kernel %s ended", self.kernel_id)
        self._end()
        self.gone_at = time.monotonic()
        self._on_grown()

    async def _follow_process(self) -> bool:
        """Wait until one process ends. Returns whether another one replaces it."""
        manager = self._lookup()
        if manager is None:
            return False
        process = process_of(manager)
        if process is None and not await manager.is_alive():
            # Claimed during a restart: its ports are unknown until it has started.
            self._disconnect()
            return await replacement_of(None, self._lookup) is not None
        if self._kernel_client is None:
            self._connect()
        code = await exited(manager, process)
        return await self._on_exit(manager, process, code)

    def _end(self) -> None:
        self._disconnect()
        manager = self._lookup()
        if manager is not None:
            manager.remove_restart_callback(self._on_given_up, "dead")
        self._activity.give_back(self.kernel_id)

    async def _on_exit(self, manager: Any, process: Any, code: Optional[int]) -> bool:
        """Record the end of a process; True once another one has replaced it."""
        stopping = bool(getattr(manager, "shutting_down", False)) and not self._has_crashed
        await self._drain_output()
        replacement: Optional[Any] = None
        is_replaced = bool(getattr(manager, "autorestart", False))
        if stopping:
            replacement = await replacement_of(process, self._lookup)
            is_replaced = replacement is not None
        rule = self._take_rule(self.kernel_id)
        seen = ProcessExit(code, stopping, is_replaced, self._oom.recent(), rule)
        self._record_exit(exit_cause(seen))
        if not stopping:
            replacement = await replacement_of(process, self._lookup)
            if replacement is None:
                self._record_exit(final_cause(seen, self._has_given_up))
        if replacement is not None:
            self._activity.restarted(self.kernel_id)
        return replacement is not None

    async def _drain_output(self) -> None:
        """Take the output that the process had handed to the system as fast as there is room; then disconnect."""
        if self._kernel_client is None:
            return
        socket, deadline = self._kernel_client.socket, time.monotonic() + LAST_OUTPUT_S
        socket.watch_cut()
        while not socket.cut.is_set() and time.monotonic() < deadline:
            socket.drain_all()
            self._number(at_any_size=True)
            try:
                await asyncio.wait_for(socket.cut.wait(), LAST_OUTPUT_S / 25)
            except asyncio.TimeoutError:
                pass
        socket.drain_all()
        self._number(at_any_size=True)
        self._disconnect()

    def _record_exit(self, cause: Dict[str, Any]) -> None:
        # Waiting requests go to the next process, if there is one.
        unsent = {request.msg_id for request in self._outbox} if cause["restarting"] else set()
        running = self.meter.running
        use = {running: self.meter.end(running, None)} if running else {}
        self.exit_cause = {**cause, "at": time.time(), "lost": self.kernel_state.kernel_died(unsent), USE: use}
        self.stream.append(pack(own_message("iopub", MSG_TYPE, self.exit_cause)))
        self._on_grown()

    def _connect(self) -> None:
        manager = self._lookup()
        if manager is None:
            return
        self._has_crashed = False
        manager.add_restart_callback(self._on_crash, "restart")
        self._kernel_client = KernelClient(
            self._context,
            manager.get_connection_info(),
            manager.session,
            self._on_batch,
            self._may_read,
            self._outbox,
            holds_more(manager),
            lambda: let_go_of_control(manager),
        )

    def _on_crash(self) -> None:
        self._has_crashed = True

    def _on_given_up(self) -> None:
        self._has_given_up = True

    def _disconnect(self) -> None:
        if self._kernel_client is not None:
            self._outbox = self._kernel_client.close()
            self._kernel_client = None
        manager = self._lookup()
        if manager is not None:
            manager.remove_restart_callback(self._on_crash, "restart")

    # From the kernel into the stream.

    def _on_batch(self, batch: List[Message]) -> None:
        client, parent_of = self._kernel_client, self._numbering.parent_of
        batch = [self._metered(m) if m.msg_type == "status" else m for m in batch]
        ours = [m for m in batch if client is None or not client.is_own(parent_of(m).msg_id, m)]
        if ours:
            self._numbering.add(ours)
            self._number()
        published = [m for m in batch if m.channel == "iopub"]
        if published:
            self._activity.feed(self.kernel_id, published)

    def _metered(self, status: Message) -> Message:
        """Measure a run from its busy to its idle, which tells what it used."""
        parent = self._numbering.parent_of(status)
        if parent.msg_type != "execute_request" or parent.subshell is not None:
            return status
        content = json_object(bytes(status.content))
        if content.get("execution_state") == "busy":
            self._ran_at = time.monotonic()
            self.meter.begin(parent.msg_id, self._process_use())
        elif content.get("execution_state") == "idle":
            use = self.meter.end(parent.msg_id, self._process_use())
            return status._replace(content=json.dumps({**content, USE: use}).encode()) if use else status
        return status

    def _process_use(self) -> ProcessUse:
        pid = pid_of(self._lookup())
        return process_use(sys.modules.get("psutil"), pid) if pid is not None else None

    def _number(self, at_any_size: bool = False) -> None:
        has_grown = self._numbering.number(at_any_size)
        self._is_paused = self._is_paused or self._numbering.waiting
        if has_grown:
            self._on_grown()

    def _may_read(self) -> bool:
        has_room = not self._numbering.waiting and self._spooler.has_room
        self._is_paused = self._is_paused or not has_room
        return has_room

    def _resume(self) -> None:
        if not self._is_paused:
            return
        self._is_paused = False
        self._number()
        if self._kernel_client is not None:
            self._kernel_client.socket.resume()

    def _on_grown(self) -> None:
        for listener in list(self.listeners):
            listener()
        self._spooler.grown()
