"""Chooses the Python of a local JupyterLab, starts it detached and ends it. A PID counts only with its start time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import command_line, open_own, private_dir, process_start, write_atomic

PORT_TAKEN = 98
PROJECT_KERNEL = "jlab-mcp-project"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python and what it can run."""

    path: str
    runs: bool
    has_server: bool = False
    has_kernel: bool = False
    has_pip: bool = False


@dataclass(frozen=True, slots=True)
class PythonChoice:
    """The Python of the server, the Python of the kernels, and why."""

    server: str
    kernel: str
    """empty: the server's own"""
    note: str = ""


_INSPECT = """
import importlib.metadata as m, importlib.util as u, sys
server = sys.version_info >= (3, 9) and all(u.find_spec(n) for n in ("jupyterlab", "jupyter_server"))
server = server and int(m.version("jupyter_server").split(".")[0]) >= 2
print(int(server), *(int(u.find_spec(name) is not None) for name in ("ipykernel", "pip")))
"""
"""checks what the Jupyter extension needs; without it, the Python can run kernels only"""


async def inspect_python(path: str) -> Interpreter:
    """Ask a Python what it can run: nothing if it does not start."""
    try:
        process = await asyncio.create_subprocess_exec(
            path, "-c", _INSPECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        out, _ = await asyncio.wait_for(process.communicate(), 30)
        server, kernel, pip = (flag == "1" for flag in out.decode().split()[-3:])
    except (OSError, ValueError, TimeoutError):
        return Interpreter(path, False)
    return Interpreter(path, True, server, kernel, pip)


async def choose_python(root: Path, env: Mapping[str, str]) -> PythonChoice:
    """Choose the first with ipykernel of the root's `.venv`, VIRTUAL_ENV, CONDA_PREFIX and our own Python for the kernels.

    It runs the server too if it has JupyterLab; else our own Python does, with a kernel spec for it.
    """
    note = ""
    for prefix in (str(root / ".venv"), env.get("VIRTUAL_ENV", ""), env.get("CONDA_PREFIX", "")):
        path = Path(prefix) / "bin" / "python"
        if not prefix or not (path.exists() or path.is_symlink()):
            continue  # a broken link is an environment without its Python
        if path.parent.parent.resolve() == Path(sys.prefix).resolve():
            break
        found = await inspect_python(str(path))
        if found.has_server and found.has_kernel:
            return PythonChoice(found.path, "", note)
        if found.has_kernel:
            return PythonChoice(sys.executable, found.path, note)
        note = note or _why_not(prefix, found, shutil.which("uv", path=env.get("PATH")))
    return PythonChoice(sys.executable, "", note)


def _why_not(prefix: str, found: Interpreter, uv: str | None) -> str:
    """Say why an environment is not used, and after `with: ` the command that fixes it. uv's environments have no pip."""
    python = shlex.quote(found.path)
    if not found.runs:
        fix = f"python3 -m venv --clear {shlex.quote(prefix)}"
        return f"The Python of {prefix} does not run, so it is not used; recreate it with: {fix}"
    install = f"{python} -m pip install" if found.has_pip or not uv else f"uv pip install --python {python}"
    first = "" if found.has_pip or uv else f"{python} -m ensurepip && "
    return f"{prefix} has no ipykernel, so it is not used; add it with: {first}{install} ipykernel jupyterlab"


def write_kernelspec(directory: Path, python: str, name: str) -> Path:
    """Write a kernel spec for a Python with ipykernel but no server. Returns the data directory that holds it."""
    target = private_dir(directory / "kernels" / PROJECT_KERNEL)
    spec = {
        "argv": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": f"Python ({name})",
        "language": "python",
        "metadata": {"debugger": True},
    }
    write_atomic(target / "kernel.json", json.dumps(spec, indent=1) + "\n", mode=0o644)
    return directory


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
    """Return the command that runs the Python that shell lines put on the PATH; `python3` first, as on a node."""
    script = f'{setup}\nexec "$(command -v python3 || command -v python || echo python3)" "$@"'
    return ["bash", "-c", script, "jlab-mcp", *arguments]


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
    )
    kept: dict[str, Any] = {k: v for k, v in env.items() if k not in drop}
    return {**kept, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
