"""A terminal is asked what it is, on a pseudo-terminal; one that keeps silent is not waited for."""

from __future__ import annotations

import os
import pty
import threading
from pathlib import Path

import pytest

from jlab_tui.adapters.terminal_question import ask_terminal
from jlab_tui.core.cli.picture_choice import TerminalFacts


@pytest.mark.parametrize(
    ("answer", "name"),
    [(b"\x1bP>|foot(1.20.2)\x1b\\\x1b[?62;4c", "foot(1.20.2)"), (b"\x1b[?1;2c", ""), (b"", "")],
)
def test_a_terminal_says_what_it_is(answer: bytes, name: str) -> None:
    ours, theirs = pty.openpty()
    asked: list[bytes] = []

    def terminal() -> None:
        while b"\x1b[c" not in b"".join(asked):
            asked.append(os.read(ours, 100))
        os.write(ours, answer)

    thread = threading.Thread(target=terminal)
    thread.start()
    try:
        found = ask_terminal({"TERM": "xterm-256color", "TMUX": "/tmp/t,1,0"}, os.ttyname(theirs))
    finally:
        thread.join()
        os.close(ours)
        os.close(theirs)
    assert found == TerminalFacts(True, name, in_tmux=True) and b"".join(asked).startswith(b"\x1b[>q")


def test_what_is_no_terminal_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for term, path in (("xterm", "missing"), ("xterm", "file"), ("dumb", "file"), ("linux", "file")):
        assert not ask_terminal({"TERM": term}, str(tmp_path / path)).is_terminal
    assert (tmp_path / "file").read_bytes() == b""
