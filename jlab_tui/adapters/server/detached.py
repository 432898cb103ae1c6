"""Runs `jlab-mcp start --detach`, and what runs a user's own cells, as separate processes that outlive this one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from ...core.settings import PREFIX
from ..files import open_own, private_dir, tail_text
from .file_names import detached_log


class DetachedStart:
    """A start in a separate process; its output goes to a log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self.log = log

    @property
    def exit_code(self) -> int | None:
        """None while it is running."""
        return self._process.poll()

    async def output(self) -> str:
        """Return the end of its output."""
        return await asyncio.to_thread(tail_text, self.log)


def start_detached(
    arguments: list[str], settings: Mapping[str, str], *, log_dir: Path, cwd: Path, env: Mapping[str, str]
) -> DetachedStart:
    """Run `jlab-mcp start --detach ARGUMENTS` with `settings` (names without prefix). Raises OSError."""
    given = {**env, **{PREFIX + name: value for name, value in settings.items()}}
    log = log_dir / detached_log(time.strftime("%Y%m%d-%H%M%S"), str(os.getpid()))
    return DetachedStart(_start(["start", "--detach", *arguments], log, cwd, given), log)


def start_owner(session: str, *, log_dir: Path, cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Run the cells that users have asked for in a session, unless a client has it. Raises OSError."""
    log = log_dir / detached_log(time.strftime("%Y%m%d-%H%M%S"), str(os.getpid()))
    return _start(["--own-cells", session], log, cwd, env)


def _start(arguments: list[str], log: Path, cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    private_dir(log.parent)
    with os.fdopen(open_own(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as file:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "jlab_tui", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
        )
