"""The steps that stop running code, and what a second thread of an IPython kernel finds and does.

SIGINT alone does not stop a cell that awaits: ipykernel's handler schedules the cell's cancellation, and its event loop
notices that with the next request. Nor does it stop code that never returns to the loop or that replaced the handler.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, assert_never

ANNOUNCEMENT: Final = "jlab-mcp-interrupt-"
"""prefix of the id of a request with which another process of ours announces an interrupt"""
CANCELLED: Final = "CancelledError"
"""the exception that ends an interrupted cell that awaits; its own code may raise it too"""


class Step(Enum):
    """The last step to stop the code."""

    SIGNAL = auto()
    """the interrupt signal, like Ctrl-C"""
    WAKE = auto()
    """a request that wakes the kernel's event loop, which then cancels a cell that awaits"""
    RAISE = auto()
    """an exception in the cell, from another thread of the kernel"""
    SIGNAL_AGAIN = auto()


class Effect(Enum):
    """The effect of the first two steps on code that has not ended."""

    CLEANING_UP = auto()
    """it handles the exception"""
    NONE = auto()
    UNKNOWN = auto()
    """the kernel has no second thread that answers"""


@dataclass(frozen=True, slots=True)
class Climbed:
    """How far the interrupt went."""

    step: Step
    has_ended: bool
    effect: Effect = Effect.UNKNOWN
    backlog: str = ""
    """a sentence if the end may be behind output in transit"""


def how_stopped(step: Step, exception: str) -> str:
    """Return what stopped the code, to follow "stopped"; `exception` names the one that ended it."""
    match step:
        case Step.SIGNAL:
            return ""
        case Step.WAKE:  # slow clean-up may have ended meanwhile
            return ", once a request had woken the kernel's event loop" if exception == CANCELLED else ""
        case Step.RAISE:
            return ", at an exception raised in it, because the interrupt signal had no effect"
        case Step.SIGNAL_AGAIN:
            return ", at the second interrupt"
        case _:
            assert_never(step)


def why_not_stopped(effect: Effect) -> str:
    """Return what may keep the code from stopping, and what was tried, as two sentences."""
    tried = "an interrupt signal and a request that wakes the kernel's event loop, then both again"
    if effect is Effect.UNKNOWN:
        return (
            "It is in a C call that does not check for signals, it catches the interrupt, or (before ipykernel 7) it is a "
            f"coroutine that never awaits. Tried: {tried}."
        )
    tried = (
        "an interrupt signal, a request that wakes the kernel's event loop, an exception from another thread"
    )
    return f"It catches the interrupt, or is in a C call that does not check for signals. Tried: {tried}, a second signal."


LOOK: Final = "look"
"""reports what the main thread does, for `parse_effect`"""
RAISE: Final = "stop"
"""stops the cell, for `was_raised`"""

# Raising where the signal raises by itself would raise twice, the second time perhaps in the kernel's own loop; so would
# raising outside of the cell. A cell that waits is cancelled by its loop, in the main thread.
_SOURCE: Final = '''
import asyncio, ctypes, signal, sys, threading
from IPython import get_ipython

main = threading.main_thread().ident

def is_in_cell():
    frame = sys._current_frames().get(main)
    while frame is not None:
        code = frame.f_code
        if code.co_name == "run_code" and code.co_filename.endswith("interactiveshell.py"):
            return True
        frame = frame.f_back
    return False

def cell_task():
    loop = get_ipython().kernel.io_loop.asyncio_loop
    for task in asyncio.all_tasks(loop):
        if getattr(task.get_coro(), "__name__", "") == "run_cell_async":
            return loop, task
    return loop, None

def handles(error, depth=20):
    """Whether an exception is an interrupt, or was raised while one was handled."""
    if error is None or depth == 0:
        return False
    return type(error).__name__ in ("KeyboardInterrupt", "CancelledError") or handles(error.__context__, depth - 1)

def look():
    found = sys._current_exceptions().get(main)  # a tuple before Python 3.12
    if handles(found[1] if isinstance(found, tuple) else found):
        return "cleaning up"
    task = cell_task()[1]
    waits = task is not None and not is_in_cell()
    # Before Python 3.11 a task does not tell; the loop is awake, so it has been cancelled.
    return "cleaning up" if waits and getattr(task, "cancelling", lambda: 1)() else "busy"

def stop():
    loop, task = cell_task()
    if not is_in_cell():
        if task is None:
            return False
        loop.call_soon_threadsafe(task.cancel)
        return True
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        return False
    kind = asyncio.CancelledError if task is not None else KeyboardInterrupt
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(main), ctypes.py_object(kind))
    return True
'''


def in_kernel(function: str) -> str:
    """Return an expression that calls `LOOK` or `RAISE` in the kernel, from another thread than the main one."""
    return f"(lambda here: exec({_SOURCE!r}, here) or here[{function!r}]())({{}})"


def parse_effect(reply: Mapping[str, Any]) -> Effect:
    """Interpret the reply to `LOOK`."""
    match reply:
        case {"user_expressions": {"v": {"status": "ok", "data": {"text/plain": "'cleaning up'"}}}}:
            return Effect.CLEANING_UP
        case {"user_expressions": {"v": {"status": "ok"}}}:
            return Effect.NONE
        case _:
            return Effect.UNKNOWN


def was_raised(reply: Mapping[str, Any]) -> bool:
    """Interpret the reply to `RAISE`: whether the code has an exception to handle now."""
    match reply:
        case {"user_expressions": {"v": {"status": "ok", "data": {"text/plain": "True"}}}}:
            return True
        case _:
            return False
