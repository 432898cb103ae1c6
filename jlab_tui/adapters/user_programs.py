"""The user's editor and pager, which have the terminal while they run. Arguments reach them as they are: no shell reads them."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ..core.cli.editor_argv import editor_at
from ..core.errors import UsageError

_EDITORS: Final = ("nano", "vim", "vi")
_PAGERS: Final = ("less", "more")
_UNTOUCHED: Final = "The code stays as it is."


def edit(text: str, env: Mapping[str, str], suffix: str = ".py") -> str:
    """Open a text in `$VISUAL`, `$EDITOR` or what is there, its last line ended, and return it as it was saved. Blocks, and has the terminal. Raises
    UsageError without an editor, and for one that fails."""
    command = _editor(env, _UNTOUCHED)
    with tempfile.TemporaryDirectory(prefix="jlab-mcp-") as folder:  # of this user alone
        file = Path(folder) / f"code{suffix}"
        ended_line = text if text.endswith("\n") or not text else f"{text}\n"
        file.write_text(ended_line, encoding="utf-8", errors="replace")
        if code := _run([*command, str(file)], env, "editor", "EDITOR", _UNTOUCHED):
            raise UsageError(
                f"The editor {command[0]!r} ended with exit code {code}. {_UNTOUCHED}",
                "Save and leave it without an error, or set EDITOR to another one.",
            )
        try:
            return file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise UsageError(
                f"The edited text cannot be read: {error.strerror or error}. {_UNTOUCHED}", "Try again."
            ) from None


def open_at(file: str, line: int, env: Mapping[str, str]) -> None:
    """Open a file in the user's editor at a line. Blocks, and has the terminal. Raises UsageError without an editor."""
    _run(editor_at(_editor(env, ""), file, line), env, "editor", "EDITOR", "")


def page(coloured: str, plain: str, env: Mapping[str, str]) -> None:
    """Show a text in `$PAGER`, less or more; with colours in less only, because others would pass on whatever comes. Blocks, and
    has the terminal. Raises UsageError without a pager."""
    command = _command(env.get("PAGER", ""), "PAGER", "") or _there(_PAGERS, env)
    if not command:
        raise UsageError("There is no pager: PAGER is not set, and less is not there.", "Set PAGER.")
    is_less = Path(command[0]).name == "less"
    with tempfile.TemporaryDirectory(prefix="jlab-mcp-") as folder:
        file = Path(folder) / "output.txt"
        file.write_text(coloured if is_less else plain, encoding="utf-8", errors="replace")
        _run([*command, *(["-R"] if is_less else []), str(file)], env, "pager", "PAGER", "")


def existing_file(name: str, directory: str) -> str:
    """Return the absolute path of a file of this host, empty if there is none. `name` may begin with `~`, or be relative to
    `directory`."""
    try:
        path = Path(directory or "/", Path(name).expanduser())
        return str(path) if path.is_absolute() and path.is_file() else ""
    except (OSError, ValueError, RuntimeError):  # too long, a NUL in it, nobody's home
        return ""


def _run(argv: Sequence[str], env: Mapping[str, str], what: str, variable: str, then: str) -> int:
    """Run a program in the terminal and return its exit code. A ctrl+c that it gets is not ours."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        return subprocess.run(argv, env=dict(env), check=False).returncode
    except OSError as error:
        raise UsageError(
            f"The {what} {argv[0]!r} cannot be started: {error.strerror or error}. {then}".rstrip(),
            f"Set {variable} to one that is there.",
        ) from None
    finally:
        signal.signal(signal.SIGINT, before)


def _editor(env: Mapping[str, str], then: str) -> list[str]:
    command = _command(env.get("VISUAL") or env.get("EDITOR") or "", "EDITOR", then) or _there(_EDITORS, env)
    if not command:
        raise UsageError(
            f"There is no editor: neither VISUAL nor EDITOR is set. {then}".rstrip(), "Set EDITOR."
        )
    return command


def _command(given: str, variable: str, then: str) -> list[str]:
    try:
        return shlex.split(given)
    except ValueError as error:
        raise UsageError(
            f"{variable}={given!r} cannot be read: {error}. {then}".rstrip(), "Correct it."
        ) from None


def _there(names: Sequence[str], env: Mapping[str, str]) -> list[str]:
    found = next((name for name in names if shutil.which(name, path=env.get("PATH", os.defpath))), "")
    return [found] if found else []
