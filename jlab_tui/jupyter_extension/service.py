"""The extension's state on one server: recorders, claims, spool and sampler, and the timer that cleans up."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Mapping, Optional, Protocol, Set, Tuple, Union

import zmq

from . import PROTOCOL, __version__
from .activity import Activity
from .cgroup import oom_counter_paths
from .claims import Claims, Graces, Granted, Ownerless, Refused, owned_by
from .ended_kernels import EndedKernels, describe, rule_of
from .heap import return_large_blocks
from .idle_watch import IdleWatch
from .kernel_command import is_private
from .kernel_connections import KernelConnections
from .kernel_ending import Endings
from .kernel_environment import programs
from .kernel_look import look_at
from .kernel_process import pid_of
from .oom_counter import OomCounter
from .sampler_thread import SamplerThread
from .spool import SpoolThread
from .stream_recorder import StreamRecorder
from .stream_spooler import StreamLimits

TICK_S = 0.5
KEEP_GONE_S = 600.0
SILENCE_S = 20.0
"""Others may take over from an owner that answers no ping for so long; if its system is gone too, its lease ends."""
FEATURES = ["channels", "claims", "release", "resources", "obituaries", "subshells", "acts"]

log = logging.getLogger("jlab_mcp_extension")


class Connection(Protocol):
    """One connection of a kernel's owner."""

    client: str
    epoch: Optional[int]

    def close(self, code: Optional[int] = None, reason: Optional[str] = None) -> None: ...

    def hand_on(self, act: str) -> None: ...


class ExtensionService:
    """One per server process; lives on its event loop."""

    def __init__(self, app: Any, spool_dir: str, graces: Graces, limits: StreamLimits, hostname: str) -> None:
        self.kernels = app.kernel_manager
        self.sessions = app.session_manager
        self.hostname = hostname
        self.started = time.time()
        self.limits = limits
        self.silence_s = SILENCE_S
        self.claims = Claims(graces)
        self.recorders: Dict[str, StreamRecorder] = {}
        self.ended = EndedKernels()
        self.endings = Endings(self.kernels, self.recorders)
        self.sampler = SamplerThread(on_sample=self._on_sample)
        self._connections: Dict[str, Set[Connection]] = {}
        self._loop = asyncio.get_event_loop()
        self.spool = SpoolThread(spool_dir, limits.disk, self._loop.call_soon_threadsafe)
        self._context: zmq.Context[Any] = zmq.Context()
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="jlab-mcp-read")
        self._oom = OomCounter(oom_counter_paths())
        self._activity = Activity(self.kernels)
        self._started_here: Dict[str, str] = {}
        """Kernels started for our sessions, each with the path of its notebook."""
        self._reaping: Set[str] = set()
        self._used = KernelConnections(self.kernels)
        self._tasks: Set[asyncio.Future[Any]] = set()
        self.idle_watch: Optional[IdleWatch] = None
        """None unless the user has the job end itself."""

    def start(self) -> None:
        return_large_blocks()
        self.spool.start()
        self.sampler.start()
        self._tick()

    def stop(self) -> None:
        """Called at the end of the process, after the event loop."""
        self.sampler.stop()
        for recorder in self.recorders.values():
            recorder.flush()
        self.spool.stop(timeout=2.0)

    # For the handlers.

    def info(self) -> Dict[str, Any]:
        return {
            "version": __version__,
            "protocol": PROTOCOL,
            "features": FEATURES,
            "hostname": self.hostname,
            "pid": os.getpid(),
            "started": self.started,
            "python": sys.executable,
            "now": time.time(),
            "spool": {"dir": self.spool.root, "bytes": self.spool.bytes},
            "cache_bytes_limit": self.limits.cache,
        }

    async def kernel_programs(self) -> Dict[str, Optional[str]]:
        """What each kernelspec starts, by name; empty where the server's kernelspecs cannot be read."""
        try:
            specs = self.kernels.kernel_spec_manager.get_all_specs()
            return programs(await specs if inspect.isawaitable(specs) else specs, os.environ)
        except Exception:
            log.exception("jlab-mcp: the kernelspecs cannot be read")
            return {}

    def ended_kernels(self) -> Dict[str, Any]:
        """How kernels ended that are gone, by id."""
        for kernel_id, recorder in self.recorders.items():
            if recorder.gone_at is not None:
                self._note_end(kernel_id, recorder)
        return self.ended.all()

    def _note_end(self, kernel_id: str, recorder: StreamRecorder) -> None:
        session, path = self.claims.owner_of(kernel_id)[3], self._started_here.get(kernel_id, "")
        self.ended.add(kernel_id, session, path, recorder.exit_cause)

    def describe(self) -> Dict[str, Any]:
        return {kernel_id: self._describe(kernel_id) for kernel_id in self.recorders}

    def _describe(self, kernel_id: str) -> Dict[str, Any]:
        recorder = self.recorders[kernel_id]
        owner, connected, epoch, session = self.claims.owner_of(kernel_id)
        return {
            "session": session,
            "epoch": epoch,
            "owner": owner,
            "owner_connected": connected,
            "first_seq": recorder.stream.first,
            "last_seq": recorder.stream.last,
            "acked_seq": recorder.stream.acked,
            "busy": recorder.kernel_state.busy,
            "running": recorder.kernel_state.running,
            "requests": recorder.kernel_state.requests(),
            "obituary": recorder.exit_cause,
            "recorded_bytes": recorder.recorded_bytes,
            "dropped_bytes": recorder.stream.dropped_bytes,
            "gone": recorder.gone_at is not None,
            "left": describe(self.left(kernel_id), time.time()),
            "cut_after_s": self.endings.cut.get(kernel_id),
            "started_here": kernel_id in self._started_here,
            "private": kernel_id not in self.kernels or is_private(self.kernels.get_kernel(kernel_id)),
        }

    async def look(self, kernel_id: str, with_stacks: bool) -> Optional[Dict[str, Any]]:
        """What the process of a kernel does; None if it is not on this machine."""
        pid = pid_of(self._manager(kernel_id))
        if pid is None:
            return None
        found = await self._loop.run_in_executor(None, look_at, pid, with_stacks)
        return {**found, "gpu": self.sampler.gpu_of(kernel_id)}

    def has_kernel(self, kernel_id: str) -> bool:
        """Whether the kernel exists and is not being shut down."""
        return kernel_id in self.kernels and kernel_id not in self._reaping

    async def start_kernel(
        self,
        name: Optional[str],
        path: Optional[str],
        notebook: Optional[str],
        session: Optional[str],
        owner: Mapping[str, Any],
        exit_s: Optional[float],
        exit_by: str = "",
    ) -> Tuple[str, Granted]:
        """Start a kernel, as the session of a `notebook` if given, and claim it in the same step."""
        if notebook:
            model = await self.sessions.create_session(
                path=path, name=notebook, type="notebook", kernel_name=name
            )
            kernel_id = model["kernel"]["id"]
        else:
            name = name or self.kernels.default_kernel_name
            kernel_id = await self.kernels.start_kernel(kernel_name=name, path=path)
        self._started_here[kernel_id] = path or ""
        outcome = self.claim(kernel_id, session, owner, takeover=True, exit_s=exit_s, exit_by=exit_by)
        assert isinstance(outcome, Granted)
        return kernel_id, outcome

    def claim(
        self,
        kernel_id: str,
        session: Optional[str],
        owner: Mapping[str, Any],
        takeover: bool,
        on_exit: Optional[str] = None,
        exit_s: Optional[float] = None,
        exit_by: str = "",
    ) -> Union[Granted, Refused]:
        """Claim a kernel of this server; the first claim starts its recording."""
        outcome = self.claims.claim(
            kernel_id, session, owner, takeover, time.monotonic(), on_exit, exit_s, exit_by
        )
        if isinstance(outcome, Refused):
            return outcome
        if kernel_id not in self.recorders:
            self.recorders[kernel_id] = StreamRecorder(
                kernel_id,
                lambda: self._manager(kernel_id),
                self._context,
                self.spool,
                self._readers,
                self._oom,
                self.limits,
                self._activity,
                self.endings.take,
            )
            self._count_owners()
        if outcome.displaced is not None:
            self.close_connections(kernel_id, outcome.displaced, 4409, owned_by(owner))
        return outcome

    def release(self, client: str, on_exit: Optional[str]) -> List[str]:
        kernels = self.claims.release(client, on_exit, time.monotonic())
        self._loop.call_soon(self._reap)
        return kernels

    def opened(self, kernel_id: str, connection: Connection) -> None:
        """Note a client's connection, and close its older ones, which are left from broken connections."""
        self.close_connections(kernel_id, connection.client, 4408, "replaced by a newer connection")
        self._connections.setdefault(kernel_id, set()).add(connection)

    def closed(self, kernel_id: str, connection: Connection) -> None:
        self._connections.get(kernel_id, set()).discard(connection)

    def close_connections(self, kernel_id: str, client: str, code: int, reason: str) -> None:
        for connection in list(self._connections.get(kernel_id, ())):
            if connection.client == client:
                self._connections[kernel_id].discard(connection)
                connection.close(code, reason)

    def hand_on(self, kernel_id: str, act: str) -> bool:
        """Send a user's action to the kernel's owner. Returns whether one is connected."""
        owners = [
            connection
            for connection in self._connections.get(kernel_id, ())
            if self.claims.owns(kernel_id, connection.client, connection.epoch)
        ]
        for connection in owners:
            connection.hand_on(act)
        return bool(owners)

    def _manager(self, kernel_id: str) -> Optional[Any]:
        return self.kernels.get_kernel(kernel_id) if kernel_id in self.kernels else None

    def _on_sample(self, sample: Dict[str, Any]) -> None:
        """From the sampler's thread, which may outlive the loop when the process ends."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._meter, sample)

    def _meter(self, sample: Dict[str, Any]) -> None:
        for kernel_id, use in sample["kernels"].items():
            if kernel_id in self.recorders:
                self.recorders[kernel_id].meter.add(use, sample)
        if self.idle_watch is not None:
            self.idle_watch.look(sample, sum(map(self._is_busy, self.kernels.list_kernel_ids())), self._used.is_used)

    def _is_busy(self, kernel_id: str) -> bool:
        recorder = self.recorders.get(kernel_id)
        if recorder is not None:
            return recorder.kernel_state.occupied or recorder.ran_within(TICK_S * 4)
        return getattr(self._manager(kernel_id), "execution_state", "") not in ("idle", "dead")

    # On the timer.

    def _tick(self) -> None:
        self._loop.call_later(TICK_S, self._tick)
        now = time.monotonic()
        self._oom.tick(now)
        self.sampler.kernel_pids = self._kernel_pids()
        self._reap()
        self._count_owners()
        for kernel_id, recorder in list(self.recorders.items()):
            if recorder.gone_at is not None and now - recorder.gone_at > KEEP_GONE_S:
                recorder.close()
                self._note_end(kernel_id, recorder)
                del self.recorders[kernel_id]
                self._started_here.pop(kernel_id, None)
                self.claims.forget(kernel_id)
                self.endings.forget(kernel_id)

    def _count_owners(self) -> None:
        self._used.count_owners(self.claims.held(time.monotonic()))

    def left(self, kernel_id: str) -> Optional[Ownerless]:
        """Return since when a kernel has no owner, and how long it stays; None while it has one."""
        is_busy = self.recorders[kernel_id].kernel_state.occupied
        return self.claims.left(kernel_id, is_busy, self._used.is_used(kernel_id), time.monotonic())

    def _kernel_pids(self) -> Dict[str, int]:
        found = {}
        for kernel_id in self.kernels.list_kernel_ids():
            pid = pid_of(self._manager(kernel_id))
            if pid is not None:
                found[kernel_id] = pid
        return found

    def _reap(self) -> None:
        busy = {kernel_id: recorder.kernel_state.occupied for kernel_id, recorder in self.recorders.items()}
        used = [kernel_id for kernel_id in self.recorders if self._used.is_used(kernel_id)]
        for kernel_id, at_once in self.claims.due(busy, time.monotonic(), used):
            if kernel_id not in self.kernels or kernel_id in self._reaping:
                continue
            left = self.left(kernel_id)
            if left is not None:
                self.endings.note(kernel_id, rule_of(left, time.time()))
            log.info("jlab-mcp: shutting down kernel %s, which has no owner any more", kernel_id)
            self._reaping.add(kernel_id)
            task = asyncio.ensure_future(self._shut_down(kernel_id, at_once))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _shut_down(self, kernel_id: str, at_once: bool) -> None:
        """Shut a kernel down, through the session manager if it has a session, so that the session ends too."""
        try:
            if at_once:
                await self.kernels.shutdown_kernel(kernel_id, now=True)
                await self.sessions.list_sessions()
                return
            for session in await self.sessions.list_sessions():
                if session["kernel"] and session["kernel"]["id"] == kernel_id:
                    await self.sessions.delete_session(session["id"])
                    return
            await self.kernels.shutdown_kernel(kernel_id)
        except Exception:
            log.exception("jlab-mcp: shutting down kernel %s failed", kernel_id)
        finally:
            self._reaping.discard(kernel_id)
            if kernel_id in self.kernels:
                self.endings.take(kernel_id)

