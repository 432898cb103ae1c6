"""Takes the terminal's name out of what it sends; Textual would take the answer for keys, and keys act."""

from __future__ import annotations

import re

from ..core.cli.picture_choice import ANSWER

_BEGUN = re.compile(r"\x1bP(?:>(?:\|[^\x1b\x07]{0,100}\x1b?)?)?\Z")
"""a part of the answer; an escape alone is a key"""


class AnswerFilter:
    """Takes what a terminal sends, in any pieces, until its name has come."""

    def __init__(self) -> None:
        self.name: str | None = None
        self._held = ""

    def cleaned(self, text: str) -> str:
        """Return what is handed on."""
        if self.name is not None:
            return text
        text, self._held = self._held + text, ""
        if (match := ANSWER.search(text)) is not None:
            self.name = match[1]
            return text[: match.start()] + text[match.end() :]
        begun = _BEGUN.search(text) if text else None
        if begun is not None:
            self._held = begun[0]
            return text[: begun.start()]
        return text
