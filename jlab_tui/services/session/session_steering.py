"""Keeps what users ask of one session from their dashboards, and what its replies tell of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ...core.journal.acts import CELL
from ...core.journal.events import Event, HumanActed, ReplyHeaded, RunStatus
from ...core.session.call import Call
from ...core.session.replay import ReplayedSession
from ...core.session.steering import (
    Declined,
    Hold,
    OwnCode,
    Released,
    Steering,
    Words,
    due,
    head,
    saying,
    told,
    took,
    verdict,
    without_code,
    without_hold,
    without_lapsed,
)
from ..journal.writer import SessionJournal
from ..ports import Acts
from ..progress import first_of
from .run_handle import RunHandle


class SessionSteering:
    """What users have asked of one session."""

    def __init__(
        self, session: str, journal: SessionJournal, actions: Acts, now: Callable[[], float]
    ) -> None:
        self.calls = asyncio.Event()
        """set while something waits for the next reply"""
        self.code_waits = asyncio.Event()
        """set while there is a cell of the user's own to run"""
        self.no_code_waits = asyncio.Event()
        self._state = Steering(session)
        self._ran: set[str] = set()
        """msg_ids of an earlier process's runs"""
        self._changed = asyncio.Event()
        self._journal = journal
        self._actions = actions
        self._now = now

    def continue_from(self, left: ReplayedSession) -> None:
        """Continue where an earlier process left the session."""
        state = self._state
        for headed in left.headed:
            state = told(state, headed)
        for run, held in left.held.items():
            # One that never reached the kernel, and that nobody has decided, holds again.
            if left.runs[run].status not in (RunStatus.HELD, RunStatus.ABORTED):
                state = without_hold(state, held.hold)
        self._ran = {run.msg_id for run in left.runs.values() if run.status is not RunStatus.ABORTED}
        self._become(state)

    async def begin(self) -> None:
        """Take in what was asked so far, and from now on what is new."""
        await self._actions.join(self)

    def end(self) -> None:
        self._actions.leave(self)

    # -- what happens --------------------------------------------------------------------------------------------

    def on_act(self, event: Event) -> None:
        """Take in what the link hands on."""
        if isinstance(event, HumanActed):
            self.take(event, self._now())

    def take(self, act: HumanActed, at: float) -> None:
        state = took(self._state, act, at)
        if act.action == CELL and Call(act.id).msg_id in self._ran:
            state = without_code(state, act.id)
        self._become(state)

    def look(self, has_ended: Callable[[str], bool | None]) -> None:
        """End the holds of dashboards that are gone."""
        self._become(without_lapsed(self._state, self._now(), has_ended))

    # -- what the next reply begins with -------------------------------------------------------------------------

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

    def say(self, ident: str, text: str) -> None:
        """Have the next reply begin with a text, once."""
        self._become(saying(self._state, Words(ident, text)))

    def has_said(self, ident: str) -> bool:
        return any(headed.id == ident for headed in self._state.told)

    # -- cells of the user's own ---------------------------------------------------------------------------------

    @property
    def next_code(self) -> OwnCode | None:
        return next(iter(self._state.codes), None)

    def code_taken(self, code: OwnCode) -> None:
        """Note that it runs, or cannot."""
        self._become(without_code(self._state, code.id))

    # -- code that waits for the user ----------------------------------------------------------------------------

    @property
    def hold(self) -> Hold | None:
        """What holds the next code."""
        return self._state.hold

    async def verdict(self, run: RunHandle, hold: str, limit_s: float) -> Released | Declined | None:
        """Wait for what the user decides about a held run, `limit_s` seconds at most; None if the run ends meanwhile."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit_s
        while not run.done.is_set():
            self._changed.clear()
            if found := verdict(self._state, run.id, hold, run.source):
                self._used(hold)
                return found
            if (left := deadline - loop.time()) <= 0:
                self._used(hold)
                return Declined(f"Nobody decided within {limit_s / 60:g} min, so it was not run.")
            await first_of(left, self._changed, run.done)
        self._used(hold)
        return None

    def _used(self, hold: str) -> None:
        """End a hold of one code."""
        if any(known.id == hold and known.is_once for known in self._state.holds):
            self._become(without_hold(self._state, hold))

    def _record(self, headed: ReplyHeaded) -> None:
        self._journal.record(headed)
        self._become(told(self._state, headed))

    def _become(self, state: Steering) -> None:
        self._state = state
        self._changed.set()
        if state.codes:
            self.code_waits.set()
            self.no_code_waits.clear()
        else:
            self.code_waits.clear()
            self.no_code_waits.set()
        if state.waiting:
            self.calls.set()
        else:
            self.calls.clear()
