"""Runs another program with a deadline. A failure is a result, never an exception."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    returncode: int | None
    """None if it did not start, or did not finish in time"""
    out: str
    err: str

    @property
    def is_ok(self) -> bool:
        return self.returncode == 0


async def run(
    argv: Sequence[str],
    env: Mapping[str, str],
    timeout_s: float,
    *,
    stdin: str | None = None,
    cwd: str | None = None,
) -> Ran:
    """Run a command. At the deadline or when cancelled, kill and reap its whole process group."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env=env,
            cwd=cwd,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return Ran(None, "", f"{argv[0]} cannot be run: {error.strerror or error}")
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate(None if stdin is None else stdin.encode())
    except TimeoutError:
        return Ran(None, "", f"{argv[0]} timed out: no answer in {timeout_s:g} s")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.shield(process.wait())
    return Ran(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))
