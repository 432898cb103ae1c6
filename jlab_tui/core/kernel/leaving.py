"""What becomes of a kernel whose client has left: how long it stays, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ..setting_fields import PREFIX

Clock = Callable[[float], str]
"""epoch seconds as a time of day, such as `03:40`"""
_SLACK_S: Final = 30.0
"""between the last sign of a client and the time from which it counts as gone"""


@dataclass(frozen=True, slots=True)
class LeftKernel:
    """A kernel whose client is gone. Times are epoch seconds."""

    at: float
    released: bool
    """the client said that it leaves; otherwise it was lost"""
    ends_at: float | None
    """None while something keeps the kernel, or until it is idle"""
    stays: str
    """what keeps it: `busy`, `used` by others, `keep` (the client's setting), or nothing"""
    idle_s: float
    by: str
    """the variable that limits its idle time; empty for the default"""


@dataclass(frozen=True, slots=True)
class EndedKernel:
    """How a kernel that is gone has ended. Times are epoch seconds."""

    session: str
    path: str
    """of its notebook, from Jupyter's root directory"""
    cause: str
    """`left`, `culled`, `shutdown`, or a cause of death"""
    detail: str
    at: float
    left_at: float = 0.0
    released: bool = True
    idle_s: float = 0.0
    by: str = ""

    @property
    def is_by_rule(self) -> bool:
        """Whether the server ended it, by a rule."""
        return self.cause in ("left", "culled")

    @property
    def is_calm(self) -> bool:
        """Whether it ended by a rule or because somebody wanted it."""
        return self.is_by_rule or self.cause == "shutdown"


@dataclass(frozen=True, slots=True)
class KernelFates:
    """Kernels without a client, and kernels that are gone, by id."""

    left: Mapping[str, LeftKernel] = field(default_factory=dict)
    ended: Mapping[str, EndedKernel] = field(default_factory=dict)


def left_sentence(left: LeftKernel, clock: Clock) -> str:
    """Say since when a kernel has no client, and how long it stays."""
    who = _who(left.at, left.released, clock)
    match left.stays:
        case "busy":
            return f"{who}; its code runs on."
        case "used":
            return f"{who}; it stays while others are connected to it, such as JupyterLab."
        case "keep":
            return f"{who}; it stays until the server stops ({PREFIX}ON_EXIT=keep)."
    ends = clock(left.ends_at) if left.ends_at is not None else "once it is idle"
    return f"{who}; it ends {ends} unless a client takes it up ({_by(left.by)})."


def ended_sentence(ended: EndedKernel, clock: Clock) -> str:
    """Say why a kernel is gone."""
    match ended.cause:
        case "left" if not ended.idle_s:
            return f"{_who(ended.left_at, ended.released, clock)}, and its kernel ended ({_by(ended.by)})."
        case "left":
            is_at_once = ended.at - ended.left_at < ended.idle_s + _SLACK_S
            when = (
                f"{_span(ended.idle_s)} later" if is_at_once else f"after {_span(ended.idle_s)} without use"
            )
            who = _who(ended.left_at, ended.released, clock)
            return f"{who}, and its idle kernel ended {when} ({_by(ended.by)})."
        case "culled":
            return f"The kernel was shut down: {ended.detail}."
        case "shutdown":
            return "The kernel was shut down."
    return f"The kernel ended: {ended.detail or 'why is not known'}".rstrip(".") + "."


def ended_words(ended: EndedKernel, clock: Clock) -> str:
    """Say the same in a few words."""
    if ended.cause == "left":
        return f"client {'left' if ended.released else 'lost'} {clock(ended.left_at)}"
    return {"culled": "idle for too long", "shutdown": "shut down"}.get(ended.cause, ended.detail)


def left_words(left: LeftKernel, clock: Clock) -> str:
    """Say in a few words how long a kernel stays."""
    if left.ends_at is not None:
        return f"ends {clock(left.ends_at)}"
    return "client gone" if left.stays == "busy" else "kept"


def _who(at: float, released: bool, clock: Clock) -> str:
    return f"Its client {'left' if released else 'was lost'} at {clock(at)}"


def _by(variable: str) -> str:
    if not variable:
        return f"{PREFIX}ON_EXIT=keep keeps it"
    return f"{PREFIX}ON_EXIT=kill" if variable == f"{PREFIX}ON_EXIT" else f"{variable} sets how long"


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{round(seconds / 3600, 1):g} h"
