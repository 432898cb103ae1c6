"""Stacks of a kernel's threads, from its subshell, from py-spy or from faulthandler; what belongs to the kernel itself is left out."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ..json_values import flag, items, mapping, parse_json, text, whole

_FRAMES_MAX: Final = 200
_SHOWN_AT_BOTH_ENDS: Final = 4, 8
"""frames of a long stack: so many outer and inner ones"""
_MACHINERY: Final = re.compile(
    r"(^|/)(ipykernel|IPython|tornado|asyncio|zmq|traitlets|jupyter_client|anyio)/|ipykernel_launcher\.py$|runpy"
    r"|(^|/)(selectors|threading)\.py$|^<frozen "
)
"""files of which an idle kernel's threads consist"""
_LIBRARY: Final = re.compile(
    r"(^|/)(site-packages|dist-packages)/|/lib(64)?/python3[\d.]*/|^<(frozen |__array_function__)"
)
_CELL: Final = re.compile(r"^(In\[\d+\]|.*/ipykernel_\d+/\d+\.py|<ipython-input.*)$")
_THREAD_ENDS: Final = frozenset({"_bootstrap", "_bootstrap_inner", "run"})


@dataclass(frozen=True, slots=True)
class StackFrame:
    """One call."""

    file: str
    """its path; `In[5]` for a cell, where that is known"""
    line: int
    function: str
    code: str = ""
    """the line's text, where that is known"""

    @property
    def is_cell(self) -> bool:
        return _CELL.match(self.file) is not None

    @property
    def is_users(self) -> bool:
        """Whether it is code of a cell or of the user's own files."""
        return self.is_cell or not (_LIBRARY.search(self.file) or _MACHINERY.search(self.file))

    def __str__(self) -> str:
        named = self.file if self.file.startswith("In[") else "a cell" if self.is_cell else _short(self.file)
        code = f": {self.code}" if self.code else ""
        inside = "" if self.function in ("<module>", "<cell>") else f", in {self.function}"
        return f"{named}, line {self.line}{inside}{code}"


@dataclass(frozen=True, slots=True)
class ThreadStack:
    """One thread, or a task of the kernel's event loop."""

    name: str
    frames: tuple[StackFrame, ...]
    """the innermost first"""
    is_main: bool = False
    """it runs the cell"""


def parse_answer(reply: Mapping[str, Any]) -> list[ThreadStack] | None:
    """Interpret the content of a subshell's reply to `services.kernel.stacks_probe`; None if it is none."""
    answer = mapping(mapping(reply.get("user_expressions")).get("v"))
    try:
        found = mapping(parse_json(ast.literal_eval(text(mapping(answer.get("data")).get("text/plain")))))
    except (ValueError, SyntaxError, TypeError, AttributeError, MemoryError, RecursionError):
        return None
    return [_thread(mapping(each)) for each in items(found.get("threads"))]


def _thread(raw: Mapping[str, Any]) -> ThreadStack:
    frames = [items(each) for each in items(raw.get("frames"))[:_FRAMES_MAX]]
    return ThreadStack(
        text(raw.get("name")) or "a thread",
        tuple(
            StackFrame(text(each[0]), whole(each[1]), text(each[2]), text(each[3]))
            for each in frames
            if len(each) == 4
        ),
        flag(raw.get("main")),
    )


_HEADS: Final = (
    re.compile(r'^Thread (?P<id>[0-9A-Fa-fx]+) \([^)]*\): "(?P<name>.*)"$'),  # py-spy
    re.compile(
        r"^(?:Current thread|Thread) (?P<id>0x[0-9a-f]+)(?: \[(?P<name>.*)\])? \(most recent call first\):$"
    ),
)
_CALLS: Final = (
    re.compile(r"^    (?P<function>\S.*) \((?P<file>.+):(?P<line>\d+)\)$"),  # py-spy
    re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>.*)$'),
)


def parse_dump(dump: str) -> list[ThreadStack]:
    """Parse what `py-spy dump` or faulthandler wrote."""
    threads: list[tuple[str, list[StackFrame]]] = []
    for line in dump.splitlines():
        if head := next((found for form in _HEADS if (found := form.match(line))), None):
            threads.append((head["name"] or f"thread {head['id']}", []))
        elif threads and (call := next((found for form in _CALLS if (found := form.match(line))), None)):
            frames = threads[-1][1]
            if len(frames) < _FRAMES_MAX:
                frames.append(
                    StackFrame(call["file"], int(call["line"]), call["function"].rpartition(".")[2])
                )
    return [
        ThreadStack(name, tuple(frames), any(_starts_kernel(frame) for frame in frames))
        for name, frames in threads
    ]


def _starts_kernel(frame: StackFrame) -> bool:
    return frame.file.endswith("ipykernel_launcher.py") or (
        frame.function == "launch_instance" and "traitlets" in frame.file
    )


def trimmed(threads: Sequence[ThreadStack]) -> tuple[list[ThreadStack], int]:
    """Leave out the kernel's own calls. Return the main thread, then those with code of the user's, then others; and the
    number of threads that are only the kernel's own."""
    kept = []
    for thread in threads:
        frames = _inside_cell(thread.frames) if thread.is_main else _inside_thread(thread.frames)
        if thread.is_main or not all(_MACHINERY.search(frame.file) for frame in frames):
            kept.append(replace(thread, frames=frames))
    kept.sort(key=lambda thread: (not thread.is_main, not any(frame.is_users for frame in thread.frames)))
    return kept, len(threads) - len(kept)


def _inside_cell(frames: tuple[StackFrame, ...]) -> tuple[StackFrame, ...]:
    """Return what the cell has called, the cell included; all frames if it runs none."""
    for number, frame in enumerate(frames):
        if frame.function == "run_code" and frame.file.endswith("interactiveshell.py"):
            return frames[:number]
    cells = [number for number, frame in enumerate(frames) if frame.is_cell]
    return frames[: cells[-1] + 1] if cells else frames


def _inside_thread(frames: tuple[StackFrame, ...]) -> tuple[StackFrame, ...]:
    """Return what a thread's target has called."""
    end = len(frames)
    while end and frames[end - 1].file.endswith("threading.py") and frames[end - 1].function in _THREAD_ENDS:
        end -= 1
    return frames[:end]


def stack_lines(thread: ThreadStack) -> list[str]:
    """Return a thread's calls, the outermost first; of a long stack both ends, and the user's own calls between."""
    frames = thread.frames[::-1]
    outer, inner = _SHOWN_AT_BOTH_ENDS
    lines: list[str] = []
    gone = users = 0
    for number, frame in enumerate(frames):
        is_between = outer <= number < len(frames) - inner
        users += is_between and frame.is_users
        if is_between and (not frame.is_users or users > outer + inner):
            gone += 1
            continue
        if gone:
            lines.append(f"... {gone} call{'s' * (gone != 1)} ...")
            gone = 0
        lines.append(str(frame))
    return lines


def _short(path: str) -> str:
    """Return a library's path below its packages, another one's last three parts."""
    for mark in ("/site-packages/", "/dist-packages/"):
        if mark in path:
            return path.rpartition(mark)[2]
    if found := re.search(r"/lib(?:64)?/python3[\d.]*/(.*)$", path):
        return found[1]
    parts = path.split("/")
    return path if len(parts) <= 4 else "/".join(("...", *parts[-3:]))
