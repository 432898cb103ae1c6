"""Keys with which a user steers the agent of a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.journal.acts import COMMENT_MAX
from ..services.dashboard.actions import Actions, Target
from ..services.dashboard.looks import Looks
from .ansi import one_line
from .format import shortened
from .outcomes import Outcomes

PushScreen = Callable[..., Any]
"""`App.push_screen`"""


class SteeringKeys:
    def __init__(
        self,
        actions: Actions,
        looks: Looks,
        outcomes: Outcomes,
        push_screen: PushScreen,
        edit: Callable[[str], str],
    ) -> None:
        """`edit` opens a text in the user's editor. Raises JlabError."""
        self._actions = actions
        self._looks = looks
        self._edit = edit
        self._outcomes = outcomes
        self._push_screen = push_screen
        self._drafts: dict[str, str] = {}
        """comments that were not sent, by session"""

    def comment(self, target: Target) -> None:
        def answered(text: str) -> None:
            self._outcomes.start("Comment", lambda: self._actions.comment(target, text))

        name = shortened(one_line(target.name), 24)
        self._ask(f"Comment to the agent in {name}", target.session, COMMENT_MAX, answered)

    def run(self, target: Target, code: str) -> None:
        if code.strip():
            self._outcomes.start("Your cell", lambda: self._actions.run_own(target, code))

    def look(self, target: Target, expression: str) -> None:
        """Evaluate an expression beside the running cell."""
        if expression.strip():
            name = shortened(one_line(expression.strip()), 40)
            self._outcomes.start(f"{name} (not saved)", lambda: self._looks.value(target, expression.strip()))

    def write(self, target: Target) -> None:
        """Run what the user writes in their editor."""

        async def written() -> str:
            code = self._edit("")
            return (
                await self._actions.run_own(target, code.rstrip("\n"))
                if code.strip()
                else "Nothing was written."
            )

        self._outcomes.start("Your cell", written)

    def _ask(self, title: str, draft: str, most: int, answered: Callable[[str], None]) -> None:
        """Ask for lines of text, beginning with those that were not sent the last time."""
        from .text_screens import TextScreen  # its widget loads slowly, and not before the first frame

        def closed(answer: tuple[str, bool] | None) -> None:
            text, is_sent = answer or ("", False)
            self._drafts[draft] = "" if is_sent else text
            if is_sent:
                answered(text)

        self._push_screen(TextScreen(title, self._drafts.get(draft, ""), most), closed)
