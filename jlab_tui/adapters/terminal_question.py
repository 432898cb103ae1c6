"""Asks this process's terminal what it is, without a screen of ours."""

from __future__ import annotations

import contextlib
import os
import re
import select
import termios
import time
import tty
from collections.abc import Mapping

from ..core.cli.picture_choice import ANSWER, NAME_QUESTION, TerminalFacts

_FENCE, _FENCED = "\x1b[c", re.compile(r"\x1b\[\?[\d;]*c")
"""every terminal answers it, after the question before"""
PATIENCE_S = 0.5


def ask_terminal(env: Mapping[str, str], path: str = "/dev/tty") -> TerminalFacts:
    """Ask for its name, for half a second at most. Blocks; what is typed meanwhile is dropped."""
    in_tmux = bool(env.get("TMUX"))
    if env.get("TERM", "dumb") in ("dumb", "linux"):
        return TerminalFacts(is_terminal=False)
    try:
        terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return TerminalFacts(is_terminal=False)
    try:
        before = termios.tcgetattr(terminal)
        try:
            tty.setcbreak(terminal, termios.TCSAFLUSH)
            os.write(terminal, f"{NAME_QUESTION}{_FENCE}".encode())
            answer = _until_fence(terminal)
        finally:
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
    except (OSError, termios.error):
        return TerminalFacts(is_terminal=False)
    finally:
        with contextlib.suppress(OSError):
            os.close(terminal)
    match = ANSWER.search(answer)
    return TerminalFacts(is_terminal=True, name=match[1] if match is not None else "", in_tmux=in_tmux)


def _until_fence(terminal: int) -> str:
    end, answer = time.monotonic() + PATIENCE_S, ""
    while _FENCED.search(answer) is None and (left := end - time.monotonic()) > 0:
        if not select.select([terminal], [], [], left)[0]:
            break
        answer += os.read(terminal, 1024).decode("utf-8", "replace")
    return answer
