"""Keeps a pasted text one text: Textual's parser takes what follows an escape in it for keys, and keys act."""

from __future__ import annotations

from typing import Final

BEGIN: Final = "\x1b[200~"
END: Final = "\x1b[201~"
_ESC: Final = "\x1b"


class PasteFilter:
    """Takes what a terminal sends, in any pieces, and leaves escapes out of bracketed pastes."""

    def __init__(self) -> None:
        self._is_inside = False
        self._passed = ""
        """outside: the last characters, which may begin a mark"""
        self._held = ""
        """inside: characters that may begin a mark"""

    def cleaned(self, text: str) -> str:
        cleaned = ""
        while text:
            part, text = self._inside(text) if self._is_inside else self._outside(text)
            cleaned += part
        return cleaned

    def _outside(self, text: str) -> tuple[str, str]:
        """Return what is handed on, all of it at once as an escape may be a key, and what is left to look at."""
        window = self._passed + text
        at = window.find(BEGIN)
        if at < 0:
            self._passed = window[1 - len(BEGIN) :]
            return text, ""
        cut = at + len(BEGIN) - len(self._passed)
        self._passed, self._is_inside = "", True
        return text[:cut], text[cut:]

    def _inside(self, text: str) -> tuple[str, str]:
        inner, mark, rest = (self._held + text).partition(END)
        self._held = ""
        if mark:
            self._is_inside = False
        else:
            begun = next(n for n in range(len(END) - 1, -1, -1) if inner.endswith(END[:n]))
            self._held = inner[len(inner) - begun :]
            inner = inner[: len(inner) - begun]
        return inner.replace(_ESC, "") + mark, rest
