"""Keeps what users ask of one session from their dashboards, and what its replies tell of them."""

from __future__ import annotations

import asyncio

from ...core.journal.events import Event, HumanActed, ReplyHeaded
from ...core.session.replay import ReplayedSession
from ...core.session.steering import Steering, due, head, told, took
from ..journal.writer import SessionJournal
from ..ports import Acts


class SessionSteering:
    """What users have asked of one session."""

    def __init__(self, session: str, journal: SessionJournal, actions: Acts) -> None:
        self.calls = asyncio.Event()
        """set while something waits for the next reply"""
        self._state = Steering(session)
        self._journal = journal
        self._actions = actions

    def continue_from(self, left: ReplayedSession) -> None:
        """Continue where an earlier process left the session."""
        for headed in left.headed:
            self._become(told(self._state, headed))

    async def begin(self) -> None:
        """Take in what was asked so far, and from now on what is new."""
        await self._actions.join(self)

    def end(self) -> None:
        self._actions.leave(self)

    def on_act(self, event: Event) -> None:
        """Take in what the link hands on."""
        if isinstance(event, HumanActed):
            self.take(event)

    def take(self, act: HumanActed) -> None:
        self._become(took(self._state, act))

    def has_words_for(self, call: str) -> bool:
        """Whether the reply to that call begins with something from the user."""
        return self.calls.is_set() or self._state.has_told(call)

    async def head(self, call: str) -> str:
        """Return how the reply to a call begins, and have it on record."""
        if found := due(self._state, call):
            for headed in found:
                self._record(headed)
            await self._journal.flush()
        return head(self._state, call)

    def _record(self, headed: ReplyHeaded) -> None:
        self._journal.record(headed)
        self._become(told(self._state, headed))

    def _become(self, state: Steering) -> None:
        self._state = state
        if state.waiting:
            self.calls.set()
        else:
            self.calls.clear()
