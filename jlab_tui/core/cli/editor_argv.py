"""How editors are told which line of a file to show."""

from __future__ import annotations

from collections.abc import Sequence

_GOTO = frozenset({"code", "code-insiders", "codium", "cursor", "windsurf"})
_COLON = frozenset({"helix", "hx", "subl", "zed"})


def editor_at(command: Sequence[str], file: str, line: int) -> list[str]:
    """Return the arguments that open an absolute path at a line (from 1 on)."""
    program = command[0].replace("\\", "/").rpartition("/")[2]
    if program in _GOTO:
        return [*command, "--goto", f"{file}:{line}"]
    if program in _COLON:
        return [*command, f"{file}:{line}"]
    return [*command, f"+{line}", file]
