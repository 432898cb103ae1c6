"""What a run has said last, and what its text tells of its progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ..display.mime import describe_data, text_of
from ..display.terminal_text import render_terminal
from ..journal.events import DataShown
from ..progress.digest import Digest
from ..progress.sentences import pace_words

_RECENT: Final = 2000


@dataclass(slots=True)
class LatestOutput:
    """The latest of one run's outputs."""

    digest: Digest = field(default_factory=Digest)
    at: float = 0.0
    """epoch seconds of the last output, as far as they are known"""
    _recent: str = ""
    """the end of the printed text"""
    _view: str = ""
    """text of the widget that changed last"""
    _update: Mapping[str, Any] = field(default_factory=dict)
    """what a display of this cell was changed to last, such as a bar in HTML"""

    @property
    def line(self) -> str:
        """Return the last line that is not blank, as a terminal shows it: of the widget or display that changed last, or
        else of the printed text."""
        changed = self._view or describe_data(self._update)
        recent = changed if changed.strip() else self._recent
        lines = (line.strip() for line in reversed(render_terminal(recent).split("\n")))
        return next((line for line in lines if line), "")

    def headline(self, now: float) -> str:
        """Return how far the run is by now (epoch seconds), or else its last line, for progress messages."""
        pace = self.digest.pace(now)
        return pace_words(pace) if pace is not None else self.line

    def print(self, text: str, stream: str) -> None:
        self.digest.feed(text, self.at, stream)
        self._recent = (self._recent + text[-_RECENT:])[-_RECENT:]
        if not text.isspace():
            self._view, self._update = "", {}

    def show(self, event: DataShown) -> None:
        self._view = event.view or self._view
        if event.view is not None:
            self.digest.show(event.view, self.at)
        elif words := text_of(event.data.get("text/plain")):
            self.digest.skip(words.count("\n") + 1)

    def change(self, view: str) -> None:
        """Note the new text of a widget."""
        self._view, self._update = view, {}
        self.digest.show(view, self.at)

    def update(self, data: Mapping[str, Any]) -> None:
        """Note the new data of a display."""
        self._view, self._update = "", data
        self.digest.show(text_of(data.get("text/plain")), self.at)

    def clear(self) -> None:
        self._view, self._update = "", {}

    def copy(self) -> LatestOutput:
        return replace(self, digest=self.digest.copy())
