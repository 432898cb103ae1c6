"""Copies to the clipboard of the user's terminal (OSC 52) and to tmux's buffer. Prints nothing."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping


def copy(text: str, env: Mapping[str, str]) -> list[str]:
    """Put text on the clipboard. Returns what accepted it; empty if there is no terminal."""
    taken = []
    if env.get("TMUX") and shutil.which("tmux", path=env.get("PATH")) and _to_tmux(text, env):
        taken.append("tmux's buffer")
    with contextlib.suppress(OSError):
        # not stdout, which may be a pipe or a log
        fd = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            os.write(fd, osc52(text))
        finally:
            os.close(fd)
        taken.append("the terminal's clipboard (OSC 52)")
    return taken


def osc52(text: str) -> bytes:
    """The escape sequence that sets the clipboard (xterm's control sequences, "Manipulate Selection Data")."""
    return b"\x1b]52;c;" + base64.b64encode(text.encode()) + b"\x07"


def _to_tmux(text: str, env: Mapping[str, str]) -> bool:
    try:
        done = subprocess.run(
            ["tmux", "load-buffer", "-w", "-"],
            input=text.encode(),
            env=dict(env),
            timeout=5,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
