"""Starts and finds a browser's way to a project's server from this host."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ...core.errors import ServerError
from ...core.link.forward import Forward, forward_key, parse_forward
from ..programs import run
from .host_files import forward_files

START_S: Final = 30.0
IDLE_S: Final = 600.0
"""it ends so long after its last use"""
RUN: Final = "--forward"
_POLL_S: Final = 0.05
_FIND_S: Final = 5.0
_TRIES: Final = 3


class Forwards:
    """The way to one project's server."""

    def __init__(self, status_dir: Path, cwd: Path, env: Mapping[str, str]) -> None:
        self._key = forward_key(str(status_dir))
        self._cwd = cwd
        self._env = env

    async def open(self) -> Forward:
        """Make sure that it is there. Raises ServerError."""
        argv = [sys.executable, "-P", "-m", "jlab_tui", RUN]
        why = "another process has not made it in time"
        for _ in range(_TRIES):
            ran = await run(argv, self._env, START_S, cwd=str(self._cwd))
            if not ran.is_ok:
                why = (ran.err.strip().splitlines() or ["it did not start"])[-1]
                break
            with contextlib.suppress(TimeoutError):  # the one that serves may be just ending
                async with asyncio.timeout(_FIND_S):
                    return await self._found()
        raise ServerError(
            f"A browser's way to the server could not be opened: {why}.",
            "Try again; `jlab-mcp doctor` checks directories and the server.",
        )

    async def _found(self) -> Forward:
        """What the one that serves says; it may be just starting."""
        files = forward_files(self._key)
        while True:
            forward = parse_forward(files.last_word())
            if forward is not None and files.socket.exists():
                return forward
            await asyncio.sleep(_POLL_S)
