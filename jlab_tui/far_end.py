"""The far end of a line: a command that somebody on another machine runs here, in a project here, with settings from there."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from . import __version__
from .core.errors import UsageError
from .core.ssh.crossing import MARK, Crossing


def go_there(crossing: Crossing) -> None:
    """Be in the project and have the settings that the other end names. Raises UsageError."""
    os.environ.update(crossing.settings)
    os.environ.pop("CLAUDE_PROJECT_DIR", None)
    path = Path(crossing.directory or "~")
    path = Path.home().joinpath(*path.parts[1:]) if path.parts[:1] == ("~",) else Path.home() / path
    try:
        os.chdir(path)
    except OSError as error:
        raise UsageError(
            f"{crossing.host} has no directory {path} for you ({error.strerror}).",
            f"Make it there (ssh {crossing.host}), or name another one: jlab-mcp init --ssh {crossing.host}:DIR",
        ) from None


def begin() -> None:
    """Say on stdout that what comes now is ours, and not talk of the account's start-up files."""
    os.write(1, b"\n" + MARK + __version__.encode() + b"\n")


def end_with_line() -> None:
    """End this process when the other end of its stdin has gone: without a terminal nothing else tells."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def read_key(fd: int) -> bytes:
    """Read what a relay gave its worker to prove what an earlier one sent: of stdin, no byte behind the first line."""
    if fd:
        with open(fd, "rb") as pipe:
            return pipe.read()
    read = b""
    while not read.endswith(b"\n") and (byte := os.read(fd, 1)):
        read += byte
    return bytes.fromhex(read.decode("ascii", "replace"))
