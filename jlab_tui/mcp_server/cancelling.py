"""Handles cancelled calls: the run continues unless a person cancelled the call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core.journal.acts import OWN_CELL
from ..core.session.call import Call
from .context import App
from .stdio import is_by_user
from .tool_arguments import Ctx

if TYPE_CHECKING:
    from ..services.session.run_handle import RunHandle
    from ..services.session.session import Session


class InterruptOnCancel:
    """Wrap a call that runs code or waits for it: if the user cancels the call, interrupt the run; else leave it running."""

    def __init__(self, app: App, ctx: Ctx, session: Session | None = None, run_id: str = "") -> None:
        """For a call that runs code in `session`, or one that waits for `run_id`."""
        self.run: RunHandle | None = None
        """the run that the call started, once it is known"""
        self._app, self._ctx, self._session, self._run_id = app, ctx, session, run_id
        self._before = session.current if session is not None else None

    async def __aenter__(self) -> InterruptOnCancel:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if kind is None or not issubclass(kind, asyncio.CancelledError):
            return
        if not self._app.reasons.by_user(self._ctx.request_id):
            return
        if target := self._target():
            # In a new task, because the handler's scope stays cancelled.
            session, run = target
            self._app.start_background(session.cancel(run))

    def _target(self) -> tuple[Session, RunHandle] | None:
        session = self._session
        if session is None:
            return self._app.sessions.held_run(self._run_id)
        # A run that is new is ours, even if the call was cancelled before it got the run's id.
        now = session.current
        is_new = now is not None and now is not self._before and now.tool != OWN_CELL
        run = self.run or (now if is_new else None)
        return (session, run) if run is not None else None


async def stop_left_running(app: App, arguments: Mapping[str, Any], call: Call, reason: str) -> None:
    """Interrupt what a call left running that the user cancelled while no process served it. Starts nothing."""
    if not is_by_user(reason):
        return
    run_id = arguments.get("run_id")
    if not isinstance(run_id, str):
        session_id = arguments.get("session_id", call.session_id)
        run_id = await app.replies.earlier(str(session_id), call.msg_id)
    if held := app.sessions.held_run(run_id):
        session, run = held
        await session.cancel(run)
