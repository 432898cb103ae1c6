"""Why a kernel's process ended: a pure decision, and the out-of-memory counters that it needs."""

from __future__ import annotations

import datetime
import json
import re
import signal
import uuid
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .framing import Message

MSG_TYPE = "jlab_mcp_obituary"
OOM_WINDOW_S = 3.0


class Death(NamedTuple):
    """What was seen when a kernel's process was gone."""

    returncode: Optional[int]
    """As subprocess gives it: negative for a signal; None when unknown."""
    asked_to_stop: bool
    """The server itself was stopping or restarting the kernel."""
    replaced: bool
    """Another process took its place, or the server is about to start one."""
    oom_kills: int
    """Out-of-memory kills around here in the last seconds."""


def explain(death: Death) -> Dict[str, Any]:
    """The content of the obituary."""
    code = death.returncode
    number = -code if code is not None and code < 0 else None
    name = _signal_name(number)
    if death.asked_to_stop:
        cause = "restart" if death.replaced else "shutdown"
        detail = "The kernel was restarted." if death.replaced else "The kernel was shut down."
    elif number == signal.SIGKILL and death.oom_kills > 0:
        cause, detail = "oom", "The out-of-memory killer ended the kernel (SIGKILL)."
    elif number is not None:
        cause, detail = "signal", "The kernel was ended by %s." % name
    elif code is not None:
        cause, detail = "exit", "The kernel's process exited with code %d." % code
    else:
        cause, detail = "exit", "The kernel's process is gone; its exit code is not known."
    return {
        "exit_code": code if number is None else None,
        "signal": name,
        "cause": cause,
        "detail": detail,
        "restarting": death.replaced,
    }


def not_again(last: Death, keeps_dying: bool) -> Dict[str, Any]:
    """The content when no process follows a crashed one: the server has given the kernel up, or somebody shut it down."""
    if keeps_dying:
        return {**explain(last._replace(replaced=False)), "cause": "keeps dying"}
    return explain(Death(None, True, False, 0))


def message(content: Dict[str, Any]) -> Message:
    """The obituary as a message that the kernel might have sent."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": MSG_TYPE,
        "session": "jlab-mcp",
        "username": "jlab-mcp",
        "version": "5.3",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(),
    }
    return Message("iopub", json.dumps(header).encode(), b"{}", b"{}", json.dumps(content).encode())


def _signal_name(number: Optional[int]) -> Optional[str]:
    if number is None:
        return None
    try:
        return signal.Signals(number).name
    except ValueError:
        return "signal %d" % number


class OomCounter:
    """How many out-of-memory kills happened lately, from counters that only grow."""

    def __init__(self, paths: List[str]) -> None:
        self._paths = paths
        self._history: List[Tuple[float, int]] = []

    def tick(self, now: float) -> None:
        """Note the counters; call it about once a second."""
        self._history.append((now, self._read()))
        while len(self._history) > 1 and self._history[1][0] < now - OOM_WINDOW_S:
            self._history.pop(0)

    def recent(self) -> int:
        """Kills since the oldest note (a few seconds ago)."""
        return max(0, self._read() - self._history[0][1]) if self._history else 0

    def _read(self) -> int:
        total = 0
        for path in self._paths:
            try:
                with open(path, encoding="utf-8") as counters:
                    found = re.search(r"^oom_kill (\d+)$", counters.read(), re.MULTILINE)
            except OSError:
                continue
            if found:
                total += int(found.group(1))
        return total
