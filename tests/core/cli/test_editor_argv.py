"""How an editor opens a file at a line."""

from __future__ import annotations

import pytest

from jlab_tui.core.cli.editor_argv import editor_at


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        (["vim"], ["vim", "+3", "/a b.py"]),
        (["/usr/bin/nano", "-l"], ["/usr/bin/nano", "-l", "+3", "/a b.py"]),
        (["/opt/code", "--wait"], ["/opt/code", "--wait", "--goto", "/a b.py:3"]),
        (["hx"], ["hx", "/a b.py:3"]),
        (["C:\\bin\\subl"], ["C:\\bin\\subl", "/a b.py:3"]),
    ],
)
def test_each_editor_is_told_the_line_in_its_own_way(command: list[str], argv: list[str]) -> None:
    assert editor_at(command, "/a b.py", 3) == argv
