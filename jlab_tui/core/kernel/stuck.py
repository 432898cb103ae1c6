"""Says what a kernel's cell is doing: one sentence on what it waits for, and the stacks of its threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .stacks import ThreadStack, stack_lines, trimmed
from .waits import ChildFacts, ProcessFacts, Wait, by_system, what_it_waits_for

QUIET_S: Final = 120.0
"""seconds without output after which a busy kernel is looked at by itself, once a run"""
_MAY_LAST: Final = frozenset(
    {Wait.LOCK, Wait.FILE_LOCK, Wait.QUEUE, Wait.THREAD, Wait.PIPE, Wait.SOCKET, Wait.OTHERS}
)
_THREADS_SHOWN: Final = 8
_CHILDREN_SHOWN: Final = 5
_CHARS: Final = 6000
_BY: Final = {
    "subshell": "The kernel itself told its stacks",
    "py-spy": "py-spy read its stacks",
    "signal": "Python's fault handler wrote its stacks, because its lock is held",
}


@dataclass(frozen=True, slots=True)
class KernelLook:
    """What a look at a kernel found; the parts that could not be had are None."""

    threads: tuple[ThreadStack, ...] | None = None
    process: ProcessFacts | None = None
    by: str = ""
    """subshell, py-spy or signal: where `threads` come from"""

    @property
    def main(self) -> ThreadStack | None:
        return next((thread for thread in self.threads or () if thread.is_main), None)


def looked(
    threads: Sequence[ThreadStack] | None, process: ProcessFacts | None, by: str
) -> tuple[KernelLook, int]:
    """Make a look without the kernel's own calls; also return the number of threads that are only the kernel's own."""
    kept, own = trimmed(threads) if threads is not None else (None, 0)
    return KernelLook(tuple(kept) if kept is not None else None, process, by if kept is not None else ""), own


def sentence(look: KernelLook) -> str:
    """Say what the cell waits for."""
    if look.threads is None and look.process is None:
        return "What it does is unknown: neither the kernel nor its server tells."
    wait, process = what_it_waits_for(look.main, look.process), look.process
    main = process.threads[0] if process is not None and process.threads else None
    match wait:
        case Wait.UNKNOWN:
            return f"What it waits for is unknown{_where(look)}."
        case Wait.NOTHING:
            return f"It waits for {wait}{_where(look)}."
        case Wait.CHILD if process is not None and process.children:
            return f"It waits for {wait}: {_child(process.children[-1])}."
        case Wait.GPU if process is not None and process.gpu_percent is not None:
            return f"It waits for {wait}, which is at {process.gpu_percent:.0f} %{_where(look)}."
        case Wait.SOCKET | Wait.PIPE | Wait.FILE_LOCK | Wait.DISK if main is not None and main.target:
            return f"It waits for {wait} ({main.target}){_where(look)}."
        case _:
            return f"It waits for {wait}{_where(look)}."


def _where(look: KernelLook) -> str:
    frames = look.main.frames if look.main is not None else ()
    users = next((frame for frame in frames if frame.is_users), None)
    return f", at {users}" if users is not None else ""


def _child(child: ChildFacts) -> str:
    named = f"{child.name or 'a program'} (PID {child.pid})"
    match by_system(child.main):
        case Wait.INPUT:
            return f"{named}, which waits for input from its terminal, where nobody types"
        case Wait.NOTHING:
            return f"{named}, which computes"
        case Wait.UNKNOWN | Wait.EVENTS:
            return named
        case Wait.CHILD:
            return f"{named}, which waits for a process of its own"
        case wait:
            return f"{named}, which waits for {wait}"


def report(look: KernelLook, own_threads: int) -> str:
    """Return the sentence, then the stacks of all threads, the user's first, in a bounded text."""
    lines = [sentence(look)]
    threads = look.threads or ()
    for thread in threads[:_THREADS_SHOWN]:
        lines.append("Main thread, outermost call first:" if thread.is_main else f"{thread.name}:")
        lines += [f"  {line}" for line in stack_lines(thread)] or ["  no Python code"]
    children = look.process.children if look.process is not None else ()
    if children:
        lines.append("Processes below it:")
        lines += [f"  {_child(child)}" for child in children[:_CHILDREN_SHOWN]]
    lines += _notes(look, own_threads)
    text = "\n".join(lines)
    return text if len(text) <= _CHARS else f"{text[: _CHARS - 4]} ..."


def _notes(look: KernelLook, own_threads: int) -> list[str]:
    more_threads = max(0, len(look.threads or ()) - _THREADS_SHOWN)
    process = look.process
    more_children = (
        process.more_children + max(0, len(process.children) - _CHILDREN_SHOWN) if process is not None else 0
    )
    parts = [
        f"{count} {what}"
        for count, what in (
            (own_threads, "threads of the kernel's own"),
            (more_threads, "other threads"),
            (more_children, "other processes"),
        )
        if count
    ]
    left_out = f"Left out: {', '.join(parts)}. " if parts else ""
    if look.threads is not None:
        return [f"({left_out}{_BY[look.by]}; the run goes on)"]
    why = f" ({'; '.join(process.tried)})" if process is not None and process.tried else ""
    return [f"({left_out}No stacks: the kernel does not answer beside its code{why}.)"]


def stuck_on(look: KernelLook) -> str:
    """Name what a silent cell waits for if it may never come without the user; empty for what takes its time by nature."""
    process = look.process
    wait = what_it_waits_for(look.main, process)
    children = process.children if process is not None else ()
    if wait is Wait.CHILD and any(by_system(child.main) is Wait.INPUT for child in children):
        wait = Wait.INPUT
    return "input" if wait is Wait.INPUT else str(wait) if wait in _MAY_LAST else ""


def silence(run: str, seconds: float, look: KernelLook) -> tuple[str, str]:
    """Say what a run does that has printed nothing for so many seconds: to the model, and to the user of a dashboard."""
    said = f"Run {run} has printed nothing for {_span(seconds)}. {sentence(look)}"
    return (
        f'{said} wait_for_run(run_id="{run}", stacks=true) shows its stacks.',
        f"{said} S shows its stacks.",
    )


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.0f} min"
