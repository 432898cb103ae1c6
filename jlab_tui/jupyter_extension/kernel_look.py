"""Looks at a kernel's process without touching what it runs: its threads, its children, and its stacks on request.

The stacks come from py-spy, where it is installed and the system lets it read the process, else from the handler that
`kernel_startup` has registered. Nothing here stops a process or needs a right that its owner lacks.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import shutil
import subprocess
import threading
import time
from typing import Any, Dict, List, Optional, Tuple

from .process_facts import process_facts, stacks_file
from .usage import import_psutil, process_tree

SPY_S = 10.0
_WRITTEN_S = 3.0
_SETTLED_S = 0.05
_STACKS_MAX = 200_000
_one_at_a_time = threading.Lock()


def look_at(pid: int, with_stacks: bool) -> Dict[str, Any]:
    """Describe the process of a kernel, as in `process_facts`; `stacks`: {by, text} or null, `tried`: why not. Blocks."""
    tree = process_tree(import_psutil(), pid)
    stacks, tried = _stacks(tree) if with_stacks else (None, [])
    return {**process_facts(pid, tree[1:], platform.machine()), "stacks": stacks, "tried": tried}


def _stacks(tree: List[int]) -> Tuple[Optional[Dict[str, str]], List[str]]:
    tried: List[str] = []
    with _one_at_a_time:
        for by, ask in (("py-spy", _by_spy), ("signal", _by_signal)):
            text, why = ask(tree)
            if text:
                return {"by": by, "text": text[:_STACKS_MAX]}, tried
            tried.append("%s: %s" % (by, why))
    return None, tried


def _by_spy(tree: List[int]) -> Tuple[str, str]:
    program = shutil.which("py-spy")
    if program is None:
        return "", "not installed"
    command = [program, "dump", "--nonblocking", "--full-filenames", "--pid", str(tree[0])]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SPY_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", type(error).__name__
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode == 0 and "Thread" in text:
        return text, ""
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return "", lines[0][:200] if lines else "exit code %d" % done.returncode


def _by_signal(tree: List[int]) -> Tuple[str, str]:
    """The kernel may be a child of the process that Jupyter started."""
    for pid in tree:
        found = stacks_file(pid)
        if found is not None:
            path, number, thread = found
            with contextlib.suppress(OSError):
                os.truncate(path, 0)
                _tell(pid, thread, number)
                return _written(path), "nothing was written"
    return "", "this kernel takes no signal for it"


def _tell(pid: int, thread: int, number: int) -> None:
    """Signal one thread of a process. Raises OSError; without this call in the C library, too."""
    tgkill = getattr(ctypes.CDLL(None, use_errno=True), "tgkill", None)
    if tgkill is None or tgkill(pid, thread, number) != 0:
        raise OSError(ctypes.get_errno(), "tgkill")


def _written(path: str) -> str:
    """Return what the handler writes, once it has written no more for a moment."""
    deadline, before = time.monotonic() + _WRITTEN_S, -1
    while time.monotonic() < deadline:
        time.sleep(_SETTLED_S)
        size = os.stat(path).st_size
        if size and size == before:
            break
        before = size
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read(_STACKS_MAX)
