"""Finds the command that starts this program, and writes it into the files of MCP clients."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..core.cli.client_config import (
    NAME,
    ClientChoices,
    Command,
    Merged,
    Registered,
    broken_in,
    choices_in,
    merge_mcp_json,
    registered_in,
    with_allow_rule,
)
from ..core.errors import UsageError
from .files import write_atomic


def own_command(env: Mapping[str, str]) -> Command:
    """Return the command with which an MCP client starts this installation.

    The bare name if every shell finds it; the full path if it is in an environment that only some shells activate; the
    interpreter if the script broke because its environment was moved.
    """
    script = Path(sys.executable).with_name(NAME)
    on_path = shutil.which(NAME, path=env.get("PATH"))
    if on_path and _is_same(Path(on_path), script) and Path(on_path).parent != script.parent:
        return Command(NAME)
    if on_path and _is_same(Path(on_path), script) and sys.prefix == sys.base_prefix:
        return Command(NAME)
    if script.exists() and _script_works(script):
        return Command(str(script))
    return Command(sys.executable, ("-P", "-m", "jlab_tui"))


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.resolve() == other.resolve()
    except OSError:
        return False


def _script_works(script: Path) -> bool:
    """Whether the interpreter that the script names exists."""
    try:
        with script.open("rb") as file:
            first, second = file.readline(512), file.readline(4096)
    except OSError:
        return False
    interpreter = interpreter_of(first, second)
    return not interpreter or Path(interpreter).exists()


def interpreter_of(first: bytes, second: bytes) -> str:
    """Return the interpreter that the first lines of a script name by its full path; empty if they name none.

    Installers write `#!/path/python`, or for long paths `#!/bin/sh` and `'''exec' /path/python "$0" "$@"`.
    """
    if first.startswith(b"#!/bin/sh") and b"exec" in second:
        match = re.search(rb"exec'? +[\"']?(/[^\"'$]*?)[\"']? +[\"']?\$0", second)
    else:
        match = re.match(rb"#! *(/[^\n]*?)(?: -\S+)*\s*$", first)
    return match[1].decode("utf-8", "surrogateescape") if match else ""


def register_in_project(path: Path, command: Command) -> Merged:
    """Write or merge `.mcp.json`. Raises UsageError and leaves the file unchanged."""
    try:
        merged = merge_mcp_json(_text_of(path), command, str(path))
        if merged.is_changed:
            _write(path, merged.text)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8 text (byte {error.start}). Nothing was written.", "Save it as UTF-8."
        ) from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}.",
            "Run `jlab-mcp init` in a directory where you may write.",
        ) from None
    return merged


def allow_tools(path: Path, rule: str) -> bool:
    """Let Claude Code run this server's tools without asking. Returns whether the file changed. Raises UsageError."""
    try:
        text = _text_of(path)
        allowed = with_allow_rule(text, str(path), rule)
        if allowed != text:
            path.parent.mkdir(exist_ok=True)
            _write(path, allowed)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be changed: {error}. It stays as it is.",
            f"Add the rule {rule} in Claude Code: /permissions",
        ) from None
    return allowed != text


def _text_of(path: Path) -> str:
    """Return the text of somebody's file, with its own line ends; empty if there is none."""
    return path.read_bytes().decode("utf-8") if path.exists() else ""


def _write(path: Path, text: str) -> None:
    """Replace somebody's file, and keep its mode and the link that leads to it."""
    target = path.resolve()
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask()
    write_atomic(target, text, mode=mode)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def run_client_command(argv: Sequence[str], env: Mapping[str, str]) -> tuple[bool, str] | None:
    """Run a client's own command. Returns whether it succeeded and its output; None if the client is not installed."""
    program = shutil.which(argv[0], path=env.get("PATH"))
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *argv[1:]],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    return done.returncode == 0, (done.stdout.strip() or done.stderr.strip())


def client_choices(directories: Sequence[Path], env: Mapping[str, str]) -> ClientChoices:
    """Return what Claude Code's settings say of this server for these projects."""
    projects = list(dict.fromkeys(directories))
    of_projects = [
        folder / ".claude" / name for folder in projects for name in ("settings.local.json", "settings.json")
    ]
    texts = _texts([*of_projects, *_of_user(env)])
    choices = choices_in(texts, [str(directory) for directory in projects])
    entries = _texts([directory / ".mcp.json" for directory in projects])
    return replace(choices, broken=broken_in([*entries, *texts]))


def registrations(directories: Sequence[Path], env: Mapping[str, str]) -> list[tuple[Registered, bool]]:
    """Return where Claude Code finds this server, and whether each command can run."""
    projects = list(dict.fromkeys(directories))
    _, user = _of_user(env)
    found: list[Registered] = []
    for path, text in _texts([*(directory / ".mcp.json" for directory in projects), user]):
        found += registered_in(text, path, [str(directory) for directory in projects])
    return [(place, shutil.which(place.program, path=env.get("PATH")) is not None) for place in found]


def _of_user(env: Mapping[str, str]) -> tuple[Path, Path]:
    """Return Claude Code's settings of the user, and the file with its state and the servers of the user."""
    home = Path(env.get("HOME") or "~").expanduser()
    if configured := env.get("CLAUDE_CONFIG_DIR"):
        return Path(configured) / "settings.json", Path(configured) / ".claude.json"
    return home / ".claude" / "settings.json", home / ".claude.json"


def _texts(paths: Sequence[Path]) -> list[tuple[str, str]]:
    """Return each file that can be read, with its text; a byte that is no UTF-8 is replaced, as Claude Code does."""
    texts = []
    for path in dict.fromkeys(paths):
        try:
            texts.append((str(path), path.read_text(encoding="utf-8-sig", errors="replace")))
        except OSError:
            continue
    return texts
