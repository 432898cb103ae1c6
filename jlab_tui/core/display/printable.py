"""Text as it may reach a terminal or the model, wherever it came from."""

from __future__ import annotations

import re
from typing import Any, TextIO

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)


def printable(text: str) -> str:
    """`text` without escape sequences, control characters but tab and newline, and controls of text direction.

    Half a surrogate pair, which no encoder takes, is a question mark."""
    if _UNSAFE.search(text) is None:
        return text
    return _UNSAFE.sub(lambda at: "?" if at[0] >= "\ud800" else "", _SEQUENCE.sub("", text))


class PrintableOutput:
    """A standard stream that prints nothing but printable text."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(printable(text).encode(encoding, "replace").decode(encoding))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
