"""Waits with progress messages, and for several tasks of which some may fail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)

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
    started = loop.time()
    pause = first_s
    try:
        while not (await asyncio.wait([task], timeout=pause))[0]:
            tell(loop.time() - started)
            pause = min(2 * pause, most_s)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task])  # what it must bring to its end is brought there first
        raise
    return await task


class Tasks:
    """Tasks under way, which nobody else keeps."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def wait(self, timeout: float) -> None:
        """Wait until none is under way."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)

    async def cancel(self, what: str) -> None:
        await cancelled(what, self._tasks)


async def first_of(timeout: float, *events: asyncio.Event) -> None:
    """Wait until one of some events is set, `timeout` seconds at most."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def all_of(what: str, *work: Awaitable[object]) -> None:
    """Wait for everything, also when some of it fails: a failure goes to the log with its traceback."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, Exception):
            log.error("%s failed", what, exc_info=result)


async def in_turn(*steps: Callable[[], Awaitable[object]]) -> None:
    """Do one step after another."""
    for step in steps:
        await step()


async def cancelled(what: str, tasks: Collection[asyncio.Task[Any]], timeout: float = 5.0) -> None:
    """Cancel tasks and wait until they have ended, `timeout` seconds at most."""
    others = [task for task in tasks if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    if not others:
        return
    done, late = await asyncio.wait(others, timeout=timeout)
    for task in done:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", what, exc_info=error)
    if late:
        log.error("%s: %d tasks do not end", what, len(late))
