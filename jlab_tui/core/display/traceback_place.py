"""The files and lines that a traceback names, in the forms of IPython and of Python. What they hold is text from a kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_SGR = re.compile(r"\x1b\[[0-9;:]*m")
_IPYTHON = re.compile(r"^File (?P<file>.+?):(?P<line>\d{1,9})(?:, in .*|$)")
_PYTHON = re.compile(r'^\s*File "(?P<file>.+)", line (?P<line>\d{1,9})(?:, in .*|$)')
_LIBRARIES = re.compile(r"[/\\](?:site-packages|dist-packages|lib[/\\]python[0-9.]+)[/\\]")


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A line of a file; the path as the traceback has it, `~` for the home directory."""

    file: str
    line: int
    """from 1 on"""

    @property
    def is_of_library(self) -> bool:
        return _LIBRARIES.search(self.file) is not None


def file_places(lines: Sequence[str]) -> list[FilePlace]:
    """Return the files of a traceback, the most useful one first: of the user's own code the one nearest to the error, then
    those of libraries."""
    found = list(dict.fromkeys(reversed(list(_places(lines)))))
    return sorted(found, key=lambda place: place.is_of_library)


def _places(lines: Sequence[str]) -> Iterator[FilePlace]:
    for raw in lines:
        line = _SGR.sub("", raw)
        match = _IPYTHON.match(line) or _PYTHON.match(line)
        if match is not None and not match["file"].startswith("<"):
            yield FilePlace(match["file"], max(1, int(match["line"])))
