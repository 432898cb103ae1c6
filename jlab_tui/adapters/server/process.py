"""Starts a local JupyterLab detached and ends it. A PID counts only with its start time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...core.setup_script import setup_script
from ..files import command_line, open_own, private_dir, process_start

PORT_TAKEN = 98


def free_port(ip: str, low: int, high: int, *, tried: set[int]) -> int | None:
    """Return a random free port of the range; None if each is taken or in `tried`."""
    ports = [port for port in range(low, high + 1) if port not in tried]
    random.shuffle(ports)
    for port in ports:
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ip, port))
            except OSError:
                continue
            return port
    return None


def spawn(
    arguments: list[str], *, log: Path, cwd: Path, env: Mapping[str, str], setup: str = ""
) -> subprocess.Popen[bytes]:
    """Start the server detached: own session, no stdin, output to its log. Raises OSError."""
    private_dir(log.parent)
    if setup.strip():
        arguments = after_setup(setup, arguments[1:])
    fd = open_own(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=fd,
            stderr=fd,
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
            close_fds=True,
        )
    finally:
        os.close(fd)


def after_setup(setup: str, arguments: list[str]) -> list[str]:
    """Return the command that runs the Python that shell lines put on the PATH; `python3` first, as on a node.

    A line that fails ends it, as in the job script."""
    script = f'{setup_script(setup)}\nexec "$(command -v python3 || command -v python || echo python3)" "$@"'
    return ["bash", "-c", script, "bash", *arguments]


def is_ours(pid: int, pid_start: str) -> bool:
    """Whether `pid` is alive and the recorded server: same start time, and our launcher."""
    if pid <= 1 or not pid_start or process_start(pid) != pid_start:
        return False
    line = command_line(pid)
    return not line or "launch.py" in line


async def end_process(pid: int, pid_start: str, *, grace_s: float = 30.0) -> bool:
    """Send SIGTERM, and SIGKILL after the grace, to the server's process group. Returns whether it is gone.

    In the grace its idle kernels end in their own time.
    """
    for number, patience in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 3.0)):
        if not is_ours(pid, pid_start):
            return True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)
        if await _gone(pid, pid_start, patience):
            return True
    return False


async def _gone(pid: int, pid_start: str, timeout: float) -> bool:
    deadline = asyncio.get_running_loop().time() + timeout
    while asyncio.get_running_loop().time() < deadline:
        if process_start(pid) != pid_start:
            return True
        await asyncio.sleep(0.05)
    return False


def server_env(env: Mapping[str, str]) -> dict[str, str]:
    """Return the server's environment: ours without variables that are meant for us alone."""
    drop = (
        "JUPYTER_TOKEN",
        "JUPYTER_TOKEN_FILE",
        "JPY_PARENT_PID",
        "CLAUDECODE",
        "CLAUDE_CODE_SESSION_ID",
        "PYTHONSTARTUP",
        "PYTHONHOME",
    )
    kept: dict[str, Any] = {k: v for k, v in env.items() if k not in drop}
    return {**kept, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
