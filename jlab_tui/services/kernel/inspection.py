"""Looks at what a kernel's code is doing, without touching it: its subshell, then its process, then py-spy or the fault handler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...core.errors import JlabError
from ...core.kernel.stacks import ThreadStack, parse_answer, parse_dump
from ...core.kernel.stuck import KernelLook, looked, report
from ...core.kernel.waits import ProcessFacts
from .stacks_probe import ASK_S, probe

if TYPE_CHECKING:
    from ..ports import Jupyter

Evaluate = Callable[[str, float], Awaitable[Mapping[str, Any] | None]]
"""evaluates an expression beside the kernel's code, within so many seconds; raises TimeoutError; None without a subshell"""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found, and the text that says it."""

    look: KernelLook
    text: str


async def inspect(api: Jupyter, kernel_id: str, evaluate: Evaluate, *, may_signal: bool = True) -> Inspection:
    """Look at a kernel. Stacks that it does not tell itself are read by other means only if `may_signal`: py-spy reads the
    process's memory, and a signal goes to one of the kernel's own threads. Never raises JlabError."""
    threads, process = await asyncio.gather(_told(evaluate), _process(api, kernel_id, with_stacks=False))
    by = "subshell"
    if threads is None and may_signal:
        process = await _process(api, kernel_id, with_stacks=True) or process
        if process is not None and process.stacks:
            threads, by = parse_dump(process.stacks), process.stacks_by
    look, own = looked(threads, process, by)
    return Inspection(look, report(look, own))


async def _told(evaluate: Evaluate) -> Sequence[ThreadStack] | None:
    try:
        content = await evaluate(probe(), ASK_S)
    except (TimeoutError, JlabError):
        return None
    return parse_answer(content) if content is not None else None


async def _process(api: Jupyter, kernel_id: str, *, with_stacks: bool) -> ProcessFacts | None:
    try:
        return await api.process(kernel_id, with_stacks=with_stacks)
    except JlabError:
        return None
