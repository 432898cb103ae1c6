"""The user's editor: its text comes back, and every trouble is a sentence."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from jlab_tui.adapters.editor import edit
from jlab_tui.core.errors import UsageError


def editor(folder: Path, script: str) -> str:
    path = folder / "my editor"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"'{path}' --wait"


def test_the_text_comes_back_as_it_was_saved_and_its_file_is_private_and_gone(tmp_path: Path) -> None:
    said = tmp_path / "said"
    command = editor(tmp_path, f'stat -c "%a %n" "$(dirname "$2")" > "{said}"; echo "y = 2" >> "$2"')
    assert edit("x = 1", {"VISUAL": command, "EDITOR": "false", "PATH": "/usr/bin:/bin"}) == "x = 1\ny = 2\n"
    mode, folder = said.read_text(encoding="utf-8").split()
    assert mode == "700" and not Path(folder).exists()


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({"EDITOR": "no-such-editor"}, "'no-such-editor' cannot be started: No such file"),
        ({"EDITOR": "false", "PATH": "/usr/bin:/bin"}, "'false' ended with exit code 1"),
        ({"EDITOR": "vim 'x"}, "cannot be read: No closing quotation"),
        ({"PATH": "/nowhere"}, "There is no editor"),
    ],
)
def test_a_missing_or_failing_editor_is_a_sentence(env: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match="The code stays as it is") as raised:
        edit("x", env)
    assert why in raised.value.message


def test_an_editor_that_removes_the_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="The edited text cannot be read"):
        edit("x", {"EDITOR": editor(tmp_path, 'rm "$2"'), "PATH": "/usr/bin:/bin"})
