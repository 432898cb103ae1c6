"""The core asks nothing of the machine: what import-linter cannot see, such as a method of a path that reads the disk."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import jlab_tui

CORE = Path(jlab_tui.__file__).parent / "core"

READS_OR_WRITES = {
    "absolute", "chmod", "cwd", "exists", "expanduser", "glob", "hardlink_to", "home", "is_dir", "is_fifo",
    "is_file", "is_mount", "is_socket", "is_symlink", "iterdir", "lchmod", "link_to", "lstat", "mkdir", "open",
    "read_bytes", "read_text", "readlink", "rename", "resolve", "rglob", "rmdir", "samefile", "stat", "symlink_to",
    "unlink", "walk", "write_bytes", "write_text",
}  # fmt: skip
"""methods of `pathlib.Path` that touch the file system, or depend on this process"""
FUNCTIONS = {"open", "input", "print", "__import__"}


def outside_calls(source: str) -> list[str]:
    """Calls in a module that ask something of the machine, each as `line: name`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name in READS_OR_WRITES:
                found.append(f"{node.lineno}: {name}")
            case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
                found.append(f"{node.lineno}: {name}")
    return found


@pytest.mark.parametrize(
    "module", sorted(CORE.rglob("*.py")), ids=lambda module: str(module.relative_to(CORE))
)
def test_no_module_of_the_core_touches_files(module: Path) -> None:
    assert outside_calls(module.read_text(encoding="utf-8")) == []


def test_a_look_at_the_disk_would_be_found() -> None:
    source = "def find(path):\n    if path.exists():\n        return open(path)\n    return settings.home"
    assert outside_calls(source) == ["2: exists", "3: open"]
