"""Keeps Jupyter's REST API and culling informed about a recorded kernel: busy or idle, and its last activity.

The server watches each kernel through its own iopub socket and decodes every message. When a kernel floods its output,
this costs more than the recording. For a recorded kernel, the recorder feeds the server's watcher instead: every
status, and one other message per second.
"""

from __future__ import annotations

import logging
import re
import time
from typing import Any, Callable, Dict, List, Optional, Set

from .framing import Message

log = logging.getLogger("jlab_mcp_extension")

OTHERS_EVERY_S = 1.0
"""Between other messages, which only update the last activity."""

_OF_SUBSHELL = re.compile(rb'"subshell_id"\s*:\s*"|"msg_type"\s*:\s*"[a-z]+_subshell_request"')

Watcher = Callable[[List[bytes]], None]


def _is_of_subshell(parent: bytes) -> bool:
    """Whether a status is about a subshell, whose idle does not mean that the kernel's code has ended."""
    return _OF_SUBSHELL.search(parent) is not None


def _is_watched_by(manager: Any, stream: object) -> bool:
    return getattr(manager, "_activity_stream", None) is stream


class _Fed:
    """Takes the place of the watcher's ZMQStream."""

    def __init__(self) -> None:
        self.socket = self
        self.closed = False
        self.watcher: Optional[Watcher] = None
        self.fed_at = 0.0
        """When it last got a message other than a status, on the monotonic clock."""

    def on_recv(self, watcher: Watcher, *_: Any, **__: Any) -> None:
        self.watcher = watcher

    def close(self, *_: Any, **__: Any) -> None:
        self.closed = True
        self.watcher = None


class Activity:
    """The watchers of one server's recorded kernels. Does nothing in a server with other internals."""

    def __init__(self, kernels: Any) -> None:
        self._kernels = kernels
        self._recorded: Set[str] = set()
        self._fed: Dict[str, _Fed] = {}
        self._start: Optional[Callable[[str], None]] = getattr(kernels, "start_watching_activity", None)
        if self._start is not None:
            kernels.start_watching_activity = self._start_watching
        else:
            log.info("jlab-mcp: this server has no activity watcher to feed")

    def feed(self, kernel_id: str, batch: List[Message]) -> None:
        """Pass on iopub messages of a kernel, in order. A recording's first ones replace the watcher's socket."""
        if self._start is None or kernel_id not in self._kernels:
            return
        manager = self._kernels.get_kernel(kernel_id)
        if kernel_id not in self._recorded:
            self._recorded.add(kernel_id)
            self._replace(kernel_id, manager)
        fed = self._fed.get(kernel_id)
        watcher = fed.watcher if fed is not None and _is_watched_by(manager, fed) else None
        if fed is None or watcher is None:
            return
        now = time.monotonic()
        for message in batch:
            is_status = message.msg_type == "status"
            if is_status and _is_of_subshell(message.parent):
                continue
            if not is_status and now - fed.fed_at < OTHERS_EVERY_S:
                continue
            if not is_status:
                fed.fed_at = now
            body = [message.header, message.parent, b"{}", bytes(message.content) if is_status else b"{}"]
            watcher([b"<IDS|MSG>", manager.session.sign(body), *body])

    def restarted(self, kernel_id: str) -> None:
        """Forget what the kernel's previous process was doing."""
        if kernel_id in self._fed and kernel_id in self._kernels:
            self._kernels.get_kernel(kernel_id).execution_state = "starting"

    def give_back(self, kernel_id: str) -> None:
        """After the recording: let the server watch a living kernel through its own socket again."""
        self._recorded.discard(kernel_id)
        fed = self._fed.pop(kernel_id, None)
        if fed is None or self._start is None or kernel_id not in self._kernels:
            return
        if _is_watched_by(self._kernels.get_kernel(kernel_id), fed):
            fed.close()
            self._start(kernel_id)

    def _replace(self, kernel_id: str, manager: Any) -> None:
        stream: Any = getattr(manager, "_activity_stream", None)
        if not (hasattr(stream, "flush") and hasattr(stream, "close")):
            return  # not watched yet: the server calls `_start_watching` later
        stream.flush()
        stream.close()
        self._start_watching(kernel_id)

    def _start_watching(self, kernel_id: str) -> None:
        """Call the server's own method with our stream in place of the iopub socket that it connects."""
        assert self._start is not None
        if kernel_id not in self._recorded:
            self._start(kernel_id)
            return
        manager = self._kernels.get_kernel(kernel_id)
        fed = _Fed()
        before = vars(manager).get("connect_iopub")
        manager.connect_iopub = lambda *_, **__: fed
        try:
            self._start(kernel_id)
        finally:
            del manager.connect_iopub
            if before is not None:
                manager.connect_iopub = before
        self._fed[kernel_id] = fed
        if fed.watcher is None:
            self._give_up(kernel_id)

    def _give_up(self, kernel_id: str) -> None:
        log.warning("jlab-mcp: cannot feed this server's activity watcher, which now watches by itself")
        self._kernels.start_watching_activity = start = self._start
        self._start = None
        if start is not None:
            start(kernel_id)
