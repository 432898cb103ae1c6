"""Decides why a kernel's process ended. Pure. The result is the content of the message `jlab_mcp_obituary`."""

from __future__ import annotations

import signal
from typing import Any, Dict, Mapping, NamedTuple, Optional

MSG_TYPE = "jlab_mcp_obituary"


class EndRule(NamedTuple):
    """Why the server ended a kernel that nobody asked it to end."""

    cause: str
    """`culled` by Jupyter, or `left` by its owner."""
    detail: str
    facts: Mapping[str, Any] = {}


class ProcessExit(NamedTuple):
    """What the server saw when a kernel's process ended."""

    returncode: Optional[int]
    """As from subprocess: negative for a signal; None if unknown."""
    asked_to_stop: bool
    """The server itself was stopping or restarting the kernel."""
    replaced: bool
    """Another process replaced it, or the server is about to start one."""
    oom_kills: int
    """Out-of-memory kills in our cgroups in the last seconds."""
    rule: Optional[EndRule] = None
    """By which the server ended the kernel; None if it did not."""


def exit_cause(seen: ProcessExit) -> Dict[str, Any]:
    """Return the cause of one exit: {"exit_code", "signal", "cause", "detail", "restarting"}, and the facts of a rule."""
    code = seen.returncode
    number = -code if code is not None and code < 0 else None
    name = _signal_name(number)
    if seen.asked_to_stop and seen.rule is not None:
        cause, detail = seen.rule.cause, seen.rule.detail
    elif seen.asked_to_stop:
        cause = "restart" if seen.replaced else "shutdown"
        detail = "The kernel was restarted." if seen.replaced else "The kernel was shut down."
    elif number == signal.SIGKILL and seen.oom_kills > 0:
        cause, detail = "oom", "The out-of-memory killer ended the kernel (SIGKILL)."
    elif number is not None:
        cause, detail = "signal", "The kernel was killed by %s." % name
    elif code is not None:
        cause, detail = "exit", "The kernel's process exited with code %d." % code
    else:
        cause, detail = "exit", "The kernel's process is gone; its exit code is unknown."
    return {
        "exit_code": code if number is None else None,
        "signal": name,
        "cause": cause,
        "detail": detail,
        "restarting": seen.replaced,
        **(seen.rule.facts if seen.asked_to_stop and seen.rule is not None else {}),
    }


def final_cause(last: ProcessExit, has_given_up: bool) -> Dict[str, Any]:
    """Return the cause if no process follows a crashed one: the server gave up restarting it, or somebody shut it down."""
    if has_given_up:
        return {**exit_cause(last._replace(replaced=False)), "cause": "keeps dying"}
    return exit_cause(ProcessExit(None, True, False, 0))


def _signal_name(number: Optional[int]) -> Optional[str]:
    if number is None:
        return None
    try:
        return signal.Signals(number).name
    except ValueError:
        return "signal %d" % number
