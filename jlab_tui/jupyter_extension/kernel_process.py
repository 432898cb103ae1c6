"""Follows the process behind a kernel: finds it, waits for its end, finds its replacement."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Callable, Optional

POLL_S = 0.1
REPLACEMENT_POLL_S = 0.02


def process_of(manager: Any) -> Optional[Any]:
    """Return the Popen of a kernel on this machine, or None."""
    process = getattr(getattr(manager, "provisioner", None), "process", None)
    return process if process is not None and hasattr(process, "poll") and hasattr(process, "pid") else None


def pid_of(manager: Any) -> Optional[int]:
    process = process_of(manager)
    return process.pid if process is not None else None


def let_go_of_control(manager: Any) -> None:
    """Close the manager's own connection for polite shutdowns: two descriptors a kernel. It opens one when it needs it."""
    if hasattr(manager, "_connect_control_socket") and hasattr(manager, "_close_control_socket"):
        manager._close_control_socket()


async def exited(manager: Any, process: Optional[Any]) -> Optional[int]:
    """Wait until the kernel's process ends. Returns its code as from subprocess; None if unknown."""
    if process is None:
        while await manager.is_alive():
            await asyncio.sleep(0.5)
        return None
    await _pid_ended(process)
    code: Optional[int] = process.poll()
    return code


async def _pid_ended(process: Any) -> None:
    """Wait for a pidfd if there is one, else poll, because nothing else announces the end of a process."""
    descriptor = -1
    if process.poll() is None and hasattr(os, "pidfd_open"):
        try:
            descriptor = os.pidfd_open(process.pid)
        except OSError:
            descriptor = -1
    if descriptor >= 0:
        loop = asyncio.get_event_loop()
        ended = asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    while process.poll() is None:
        await asyncio.sleep(POLL_S)


async def replacement_of(old: Optional[Any], lookup: Callable[[], Optional[Any]]) -> Optional[Any]:
    """Wait for the process that replaces `old`; None once the server has dropped the kernel.

    The server announces a restart before it happens, not after, so this polls, less and less often.
    """
    pause = REPLACEMENT_POLL_S
    while True:
        manager = lookup()
        if manager is None:
            return None
        process = process_of(manager)
        if process is not None and process is not old and process.poll() is None:
            return process
        if old is None and process is None and await manager.is_alive():
            return manager
        await asyncio.sleep(pause)
        pause = min(pause * 1.02, 0.5)
