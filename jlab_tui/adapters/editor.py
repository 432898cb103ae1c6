"""The user's editor, on a private copy of a text."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..core.errors import UsageError

_COMMON: Final = ("nano", "vim", "vi")
_UNTOUCHED: Final = "The code stays as it is."


def edit(text: str, env: Mapping[str, str], suffix: str = ".py") -> str:
    """Open a text in `$VISUAL`, `$EDITOR` or what is there, its last line ended, and return it as it was saved. Blocks, and has the terminal. Raises
    UsageError without an editor, and for one that fails."""
    command = _command(env)
    with tempfile.TemporaryDirectory(prefix="jlab-mcp-") as folder:  # of this user alone
        file = Path(folder) / f"code{suffix}"
        ended_line = text if text.endswith("\n") or not text else f"{text}\n"
        file.write_text(ended_line, encoding="utf-8", errors="replace")
        try:
            ended = subprocess.run([*command, str(file)], env=dict(env), check=False)
        except OSError as error:
            raise UsageError(
                f"The editor {command[0]!r} cannot be started: {error.strerror or error}. {_UNTOUCHED}",
                "Set EDITOR to one that is there.",
            ) from None
        if ended.returncode:
            raise UsageError(
                f"The editor {command[0]!r} ended with exit code {ended.returncode}. {_UNTOUCHED}",
                "Save and leave it without an error, or set EDITOR to another one.",
            )
        try:
            return file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise UsageError(
                f"The edited text cannot be read: {error.strerror or error}. {_UNTOUCHED}", "Try again."
            ) from None


def _command(env: Mapping[str, str]) -> list[str]:
    given = env.get("VISUAL") or env.get("EDITOR") or ""
    try:
        command = shlex.split(given)
    except ValueError as error:
        raise UsageError(f"EDITOR={given!r} cannot be read: {error}. {_UNTOUCHED}", "Correct it.") from None
    if command:
        return command
    found = next((name for name in _COMMON if shutil.which(name, path=env.get("PATH", os.defpath))), "")
    if not found:
        raise UsageError(f"There is no editor: neither VISUAL nor EDITOR is set. {_UNTOUCHED}", "Set EDITOR.")
    return [found]
