"""Derives from a kernel's messages whether it is busy and how far each of our requests got. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Dict, List, NamedTuple, Optional, Set

KNOWN_REQUESTS = 20_000
SHOWN_REQUESTS = 100

SENT, RUNNING, DONE, LOST = "sent", "running", "done", "lost"


class Parent(NamedTuple):
    """The request that caused a message."""

    msg_id: str
    msg_type: str
    subshell: Optional[str]


class _Request:
    __slots__ = ("is_run", "seq_reply", "state")

    def __init__(self, is_run: bool) -> None:
        self.is_run = is_run
        self.state = SENT
        self.seq_reply: Optional[int] = None


class KernelState:
    """The requests that we sent, and everyone's activity on the kernel."""

    def __init__(self) -> None:
        self._requests: OrderedDict[str, _Request] = OrderedDict()
        self._busy: Dict[str, Parent] = {}

    def known(self, msg_id: str) -> bool:
        return msg_id in self._requests

    def sent(self, msg_id: str, is_run: bool = True) -> None:
        """Note a request to the kernel, so that `known` prevents sending it twice."""
        self._requests[msg_id] = _Request(is_run)
        while len(self._requests) > KNOWN_REQUESTS:
            self._requests.popitem(last=False)

    def status(self, parent: Parent, state: str) -> None:
        """Note a status of the kernel about any client's request."""
        if state == "idle":
            self._busy.pop(parent.msg_id, None)
            ended = self._requests.get(parent.msg_id)
            if ended is not None and parent.msg_type.startswith("comm_"):
                ended.state = DONE  # comm messages have no reply
            return
        if state != "busy" or not parent.msg_id:
            return
        if parent.msg_type == "execute_request" and parent.subshell is None:
            # The main shell runs one request at a time: this makes up for a lost idle.
            self._busy = {k: p for k, p in self._busy.items() if not _is_run(p)}
        self._busy[parent.msg_id] = parent
        request = self._requests.get(parent.msg_id)
        if request is not None and request.state == SENT:
            request.state = RUNNING

    def replied(self, parent: Parent, seq: int) -> None:
        """Note that message `seq` answers one of our requests."""
        self._busy.pop(parent.msg_id, None)
        request = self._requests.get(parent.msg_id)
        if request is not None:
            request.state = DONE
            request.seq_reply = seq

    def kernel_died(self, unsent: Set[str]) -> List[str]:
        """Note that the process is dead. Returns the lost requests: all of them except those `unsent`."""
        self._busy.clear()
        lost = []
        for msg_id, request in self._requests.items():
            if request.state in (SENT, RUNNING) and msg_id not in unsent:
                request.state = LOST
                lost.append(msg_id)
        return lost

    @property
    def busy(self) -> bool:
        """Whether a cell is running, ours or another client's."""
        return any(_is_run(parent) for parent in self._busy.values())

    @property
    def occupied(self) -> bool:
        """Whether a cell is running, or one of our requests is about to."""
        return self.busy or any(
            request.is_run and request.state == SENT for request in self._requests.values()
        )

    @property
    def running(self) -> Optional[str]:
        """Our request that is running in the main shell."""
        for msg_id, parent in self._busy.items():
            if _is_run(parent) and msg_id in self._requests:
                return msg_id
        return None

    def requests(self) -> Dict[str, Dict[str, Any]]:
        """Return recent requests and all unfinished ones."""
        recent = set(list(self._requests)[-SHOWN_REQUESTS:])
        return {
            msg_id: {"state": request.state, "seq_reply": request.seq_reply}
            for msg_id, request in self._requests.items()
            if msg_id in recent or request.state in (SENT, RUNNING)
        }


def _is_run(parent: Parent) -> bool:
    return parent.msg_type == "execute_request" and parent.subshell is None
