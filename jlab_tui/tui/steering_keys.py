"""Keys with which a user steers the agent of a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.journal.acts import COMMENT_MAX
from ..services.dashboard.actions import Actions, Target
from .ansi import one_line
from .format import shortened
from .outcomes import Outcomes

PushScreen = Callable[..., Any]
"""`App.push_screen`"""


class SteeringKeys:
    def __init__(self, actions: Actions, outcomes: Outcomes, push_screen: PushScreen) -> None:
        self._actions = actions
        self._outcomes = outcomes
        self._push_screen = push_screen
        self._drafts: dict[str, str] = {}
        """comments that were not sent, by session"""

    def comment(self, target: Target) -> None:
        def answered(text: str) -> None:
            self._outcomes.start("Comment", lambda: self._actions.comment(target, text))

        name = shortened(one_line(target.name), 24)
        self._ask(f"Comment to the agent in {name}", target.session, COMMENT_MAX, answered)

    def _ask(self, title: str, draft: str, most: int, answered: Callable[[str], None]) -> None:
        """Ask for lines of text, beginning with those that were not sent the last time."""
        from .text_screens import TextScreen  # its widget loads slowly, and not before the first frame

        def closed(answer: tuple[str, bool] | None) -> None:
            text, is_sent = answer or ("", False)
            self._drafts[draft] = "" if is_sent else text
            if is_sent:
                answered(text)

        self._push_screen(TextScreen(title, self._drafts.get(draft, ""), most), closed)
