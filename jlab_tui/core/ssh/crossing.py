"""What crosses to the program on the other machine, as one argument that no shell reads as anything but a word.

It is visible in that machine's list of processes, so nothing secret is in it.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping
from typing import Final, NamedTuple

PREFIX: Final = "JLAB_MCP_"
OF_THIS_MACHINE: Final = f"{PREFIX}SITE_CONFIG"
CONVERSATION: Final = "CLAUDE_CODE_SESSION_ID"
MARK: Final = b"jlab-mcp-begins "
"""what the program writes to stdout, on a line with its version, before anything else: start-up files may have talked"""
_SIZE_MAX: Final = 100_000
"""one argument may have 128 kB"""


class Crossing(NamedTuple):
    """What a command knows here and needs there."""

    host: str
    """the other machine, as the user calls it"""
    directory: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    """variables of the environment"""
    marks: bool = True
    """whether it writes `MARK`; the dashboard in a terminal does not"""


def crossing_of(host: str, directory: str, env: Mapping[str, str], *, marks: bool = True) -> Crossing:
    """What crosses of an environment: the settings, which an MCP client's entry sets in `env`, and the conversation."""
    settings = sorted(
        (name, value)
        for name, value in env.items()
        if (name.startswith(PREFIX) and name != OF_THIS_MACHINE) or name == CONVERSATION
    )
    return Crossing(host, directory, tuple(settings), marks)


def encode_crossing(crossing: Crossing) -> str:
    """Of letters, digits, `+`, `/` and `=`. Raises ValueError if it is too large to be an argument."""
    packed = json.dumps([*crossing[:2], dict(crossing.settings), crossing.marks], separators=(",", ":"))
    text = binascii.b2a_base64(packed.encode(), newline=False).decode()
    if len(text) > _SIZE_MAX:
        raise ValueError(f"the settings ({PREFIX}...) have more than {_SIZE_MAX // 1000} kB")
    return text


def decode_crossing(text: str) -> Crossing:
    """Raises ValueError."""
    try:
        host, directory, settings, marks = json.loads(binascii.a2b_base64(text.encode(), strict_mode=True))
        if not isinstance(host, str) or not isinstance(directory, str) or not isinstance(marks, bool):
            raise ValueError
        pairs = tuple((str(name), str(value)) for name, value in settings.items())
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ValueError("it was not written by jlab-mcp") from None
    allowed = all(name.startswith(PREFIX) or name == CONVERSATION for name, _ in pairs)
    if not allowed:
        raise ValueError("it sets what jlab-mcp does not set")
    return Crossing(host, directory, pairs, marks)


def begins(line: bytes) -> str | None:
    """The version that a program says when it begins; None for any other line."""
    return line[len(MARK) :].strip().decode("ascii", "replace") if line.startswith(MARK) else None
