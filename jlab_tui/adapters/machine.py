"""Reads the identity of this machine: see `core.server.machine`."""

from __future__ import annotations

import platform
import socket
import subprocess
from functools import cache
from pathlib import Path

from ..core.server.machine import Machine


@cache
def this_machine() -> Machine:
    """Return the machine that runs this process."""
    return Machine(socket.gethostname(), _boot(), _namespace("pid"), _namespace("net"))


def _boot() -> str:
    """Linux: `/proc/sys/kernel/random/boot_id`; macOS: `sysctl kern.bootsessionuuid`."""
    try:
        if platform.system() != "Darwin":
            return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        argv = ["sysctl", "-n", "kern.bootsessionuuid"]
        return subprocess.run(argv, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""


def _namespace(kind: str) -> str:
    """Linux: `pid:[4026531836]` and the like; empty elsewhere."""
    try:
        return Path(f"/proc/self/ns/{kind}").readlink().name
    except OSError:
        return ""
