"""Child processes of this test process: a test ends and waits for each that it starts. Seen where there is /proc."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import AnyStr, Final

LASTING: Final = {"JLAB_TEST_LASTS": "1"}
"""environment of a process that several tests share"""


@contextlib.contextmanager
def ended(process: subprocess.Popen[AnyStr]) -> Iterator[subprocess.Popen[AnyStr]]:
    """The process; killed at the end of the block if it still runs, and waited for."""
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def none_left(grace_s: float = 10.0) -> Iterator[None]:
    """Fails when a child that was started in the block runs at its end, or has not been waited for.

    `grace_s`: asyncio waits for a child in a thread, which may be a moment behind."""
    before = _children()
    yield
    deadline = time.monotonic() + grace_s
    while left := [pid for pid in _children() - before if not _lasts(pid)]:
        if time.monotonic() > deadline:
            raise AssertionError(f"left behind: {'; '.join(map(_description, left))}")
        time.sleep(0.02)


def _children() -> set[int]:
    found: set[int] = set()
    for listed in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # that thread has ended
            found.update(map(int, listed.read_text(encoding="utf-8").split()))
    return found


def _lasts(pid: int) -> bool:
    mark = "=".join(*LASTING.items()).encode()
    with contextlib.suppress(OSError):
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False


def _description(pid: int) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        return f"process {pid} ({words.strip() or 'ended, and nobody waited for it'})"
    return f"process {pid}"
