"""Waiting with a sign of life: whatever takes over a second says what it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def patiently(
    work: Coroutine[Any, Any, T],
    tell: Callable[[float], None],
    first_s: float = 1.0,
    most_s: float = 10.0,
) -> T:
    """Wait for `work`. After `first_s`, and then in longer and longer pauses up to `most_s`, call `tell` with the
    seconds waited so far."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    pause = first_s
    try:
        while not (await asyncio.wait([task], timeout=pause))[0]:
            tell(loop.time() - begun)
            pause = min(2 * pause, most_s)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task])  # what it must bring to its end is brought there first
        raise
    return await task
