"""The user's editor and pager: what they are given, what comes back, and every trouble as a sentence."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from jlab_tui.adapters.user_programs import edit, existing_file, open_at, page
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


def test_a_file_is_opened_at_a_line_and_no_shell_reads_its_name(tmp_path: Path) -> None:
    said, file = tmp_path / "said", tmp_path / "a $(touch gone); b.py"
    file.write_text("x", encoding="utf-8")
    command = editor(tmp_path, f'printf "%s|" "$@" > "{said}"')
    open_at(str(file), 7, {"EDITOR": command, "PATH": "/usr/bin:/bin"})
    assert said.read_text(encoding="utf-8") == f"--wait|+7|{file}|"
    with pytest.raises(UsageError, match="There is no editor"):
        open_at(str(file), 7, {"PATH": "/nowhere"})


def test_a_ctrl_c_for_the_program_does_not_end_the_dashboard(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    command = editor(tmp_path, 'kill -INT $PPID; echo "y" >> "$2"')
    assert edit("x", {"EDITOR": command, "PATH": "/usr/bin:/bin"}) == "x\ny\n"
    assert signal.getsignal(signal.SIGINT) is before


def test_a_pager_gets_a_private_file_and_only_less_gets_colours(tmp_path: Path) -> None:
    said = tmp_path / "said"
    for name, given in (("less", "-R|coloured"), ("other pager", "plain")):
        program = tmp_path / name
        script = f'for last; do :; done; (stat -c %a "$(dirname "$last")"; [ $# = 2 ] && printf "%s|" "$1"; cat "$last") > "{said}"'
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o700)
        page("coloured", "plain", {"PAGER": f"'{program}'", "PATH": "/usr/bin:/bin"})
        assert said.read_text(encoding="utf-8") == f"700\n{given}"
    page("coloured", "plain", {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert said.read_text(encoding="utf-8") == "700\n-R|coloured"
    with pytest.raises(UsageError, match="There is no pager"):
        page("a", "b", {"PATH": "/nowhere"})
    with pytest.raises(UsageError, match="cannot be read: No closing"):
        page("a", "b", {"PAGER": "less 'x"})


def test_only_files_of_this_host_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.py").write_text("x", encoding="utf-8")
    os.mkfifo(tmp_path / "fifo")
    found = str(tmp_path / "sub" / "a.py")
    assert existing_file("a.py", str(tmp_path / "sub")) == found == existing_file("~/sub/a.py", "/nowhere")
    assert existing_file(found, "") == found
    for name in ("b.py", "~nobody-here/a.py", "sub", "fifo", "a\0b", "x" * 5000, ""):
        assert existing_file(name, str(tmp_path)) == ""
    assert existing_file("a.py", "relative") == ""
