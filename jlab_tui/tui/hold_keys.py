"""Holding code before it runs: the keys, and the question about what is held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.errors import JlabError
from ..core.feed.feed import Feed
from ..core.feed.items import Change, FeedCell
from ..core.feed.session_feed import SessionFeed
from ..core.journal.acts import COMMENT_MAX, DECLINE, HERE_EVERY_S, RUN
from ..core.journal.events import RunStatus
from ..services.dashboard.actions import Actions, Target
from .ansi import one_line
from .format import shortened
from .held_screen import HeldScreen
from .outcomes import Outcomes, Say
from .themes import Palette

_EDITING_S = 3600.0
_OTHERS = "Somebody else has decided, or the agent has given it up."
_TOO_LATE = "Your decision came too late: somebody else had decided, or the agent had given it up."


class HoldKeys:
    def __init__(
        self,
        actions: Actions,
        outcomes: Outcomes,
        say: Say,
        push_screen: Callable[..., Any],
        edit: Callable[[str], str],
    ) -> None:
        """`edit` opens a text in the user's editor. Raises JlabError."""
        self._actions = actions
        self._outcomes = outcomes
        self._say = say
        self._push_screen = push_screen
        self._edit = edit
        self._screen: HeldScreen | None = None
        self._aside: set[str] = set()
        """runs at which the user looks in the feed first"""
        self._decided: dict[str, tuple[str, str]] = {}
        """what the user decided about runs, and with which text, until their owners have heard"""
        self._here_at = 0.0

    @property
    def holds_all(self) -> bool:
        return self._actions.holds_all

    def hold(self, target: Target, feed: Feed) -> None:
        """Hold the session's next code, or show the question about what it holds again."""
        view = feed.sessions.get(target.session)
        if view is not None and view.held is not None:
            self._aside.discard(view.held.run)
        else:
            self._outcomes.start("Hold", lambda: self._actions.hold(target))

    def hold_all(self, targets: Sequence[Target]) -> None:
        self._outcomes.start("Hold all", lambda: self._actions.hold_all(targets))

    def took(self, changes: Sequence[Change]) -> bool:
        """Note what was decided, here or elsewhere. Returns whether there is held code among the changes."""
        cells = [change.item for change in changes if isinstance(change.item, FeedCell) and change.item.hold]
        for cell in cells:
            if not cell.is_held:
                self._actions.was_decided(cell.hold)
                if _is_too_late(cell, self._decided.pop(cell.run, None)):
                    self._say(_TOO_LATE, severity="warning")
                if self._screen is not None and self._screen.cell is cell:
                    screen, self._screen = self._screen, None
                    screen.dismiss("")
                    self._say(_OTHERS)
        return any(cell.is_held for cell in cells)

    def held_here(self, feed: Feed) -> list[str]:
        """Names of the sessions whose held code runs once this dashboard has ended."""
        return [
            view.name
            for view in feed.sessions.values()
            if view.held is not None and not view.closed and self._actions.has_asked(view.held.hold)
        ]

    def second(self, now: float) -> None:
        if now - self._here_at >= HERE_EVERY_S:
            self._here_at = now
            self._actions.stay()

    def goes_away(self) -> None:
        """Keep what is held while the user's editor has the terminal, and nothing else runs here."""
        self._actions.stay(_EDITING_S)

    def ask(self, feed: Feed, palette: Palette) -> None:
        """Show the question about the code that has waited longest. Called while nothing else has the keys."""
        if self._screen is not None:
            return
        views = [view for view in feed.sessions.values() if view.held is not None and not view.closed]
        for view in sorted(views, key=lambda view: view.held.at if view.held is not None else 0.0):
            cell = view.held
            if cell is not None and cell.run not in self._aside:
                self._show(view, cell, palette)
                return

    def _show(self, view: SessionFeed, cell: FeedCell, palette: Palette) -> None:
        self._screen = HeldScreen(cell, view.name, palette)
        self._push_screen(self._screen, lambda answer: self._answered(view, cell, answer))

    def _answered(self, view: SessionFeed, cell: FeedCell, answer: str | None) -> None:
        self._screen = None
        if not cell.is_held:
            return
        target = Target(view.session, view.kernel_id, view.name, cell.run)
        match answer:
            case "run":
                self._decide(target, RUN)
            case "edit":
                self._change(target, cell)
            case "decline":
                self._decline(target)
            case _:
                self._aside.add(cell.run)
                self._say("It waits; h shows the question again.")

    def _decide(self, target: Target, action: str, reason: str = "") -> None:
        self._aside.add(target.run)  # until its owner has heard
        self._decided[target.run] = action, reason
        self._outcomes.start(
            shortened(one_line(target.name), 24), lambda: self._actions.decide(target, action, reason)
        )

    def _change(self, target: Target, cell: FeedCell) -> None:
        try:
            changed = self._edit(cell.source)
        except JlabError as error:
            self._say(str(error), title="Edit: failed", severity="error")
            return
        changed = changed.removesuffix("\n") if not cell.source.endswith("\n") else changed
        if changed == cell.source or not changed.strip():
            self._say("The code was not changed; enter runs it as it is.")
        else:
            self._decide(target, RUN, changed)

    def _decline(self, target: Target) -> None:
        from .text_screens import TextScreen  # its widget loads slowly, and not before the first frame

        def closed(answer: tuple[str, bool] | None) -> None:
            if answer is not None and answer[1]:
                self._decide(target, DECLINE, answer[0].strip())

        title = "Decline it. Why? The agent reads it; it may be empty"
        self._push_screen(TextScreen(title, "", COMMENT_MAX, may_be_empty=True), closed)


def _is_too_late(cell: FeedCell, decided: tuple[str, str] | None) -> bool:
    """Whether something else became of held code than what the user had decided."""
    if decided is None:
        return False
    action, changed = decided
    if (cell.status is RunStatus.DECLINED) != (action == DECLINE):
        return True
    return action == RUN and changed not in ("", cell.source)
