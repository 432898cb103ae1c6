"""Defines where a project on another machine is: `HOST:DIR` as the user writes it.

No dataclass: the relay imports this, and their import takes a tenth of its memory.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ..errors import UsageError

_HOST: Final = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.@+-]*@)?[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
"""a name of ~/.ssh/config, or [user@]name; nothing that ssh or a shell would read as more than a name"""
_PROGRAM: Final = re.compile(r"[A-Za-z0-9_.~+@/-]+", re.ASCII)
COMMAND: Final = "jlab-mcp"


class RemotePlace(NamedTuple):
    """A project on another machine."""

    host: str
    """as ssh takes it"""
    directory: str = ""
    """there; relative to the home directory, `~` is that directory. Empty: it was not given"""
    program: str = COMMAND
    """the command there: looked for on the PATH and in ~/.local/bin"""
    pin: str = ""
    """the one machine meant, where `host` is the name of several"""

    def __str__(self) -> str:
        return f"{self.host}:{self.directory}" if self.directory else self.host

    @property
    def arguments(self) -> tuple[str, ...]:
        """As `jlab-mcp` takes it for a relay."""
        program = ("--program", self.program) if self.program != COMMAND else ()
        pin = ("--pin", self.pin) if self.pin else ()
        return ("--ssh", str(self), *program, *pin)


def parse_place(text: str, *, program: str = COMMAND, pin: str = "") -> RemotePlace:
    """Read `HOST` or `HOST:DIR`. Raises UsageError for anything that ssh could take for more than that."""
    host, _, directory = text.partition(":")
    if not is_host(host):
        raise UsageError(
            f"{host[:60]!r} is not the name of a host.",
            "Give a name of your ~/.ssh/config, or NAME or USER@NAME; what else ssh should know belongs into ~/.ssh/config.",
        )
    if any(ord(character) < 32 or ord(character) == 127 for character in directory):
        raise UsageError(
            f"{directory[:60]!r} is not the name of a directory: it has a control character.",
            "Give the directory on one line, as in HOST:proj.",
        )
    if not _PROGRAM.fullmatch(program) or program.startswith("-"):
        raise UsageError(
            f"{program[:60]!r} is not the path of a program.",
            "Give the path of jlab-mcp on that host, without spaces.",
        )
    if pin and not is_host(pin):
        raise UsageError(f"{pin[:60]!r} is not the name of a host.", "Give the name of one login node.")
    return RemotePlace(host, directory, program, pin)


def is_host(text: str) -> bool:
    """Whether ssh takes it for a host and for nothing else."""
    return len(text) <= 255 and _HOST.fullmatch(text) is not None
