"""What a cancelled call leaves behind: the run goes on, unless a person cancelled it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..core.errors import JlabError
from .context import App
from .tool_arguments import Ctx

if TYPE_CHECKING:
    from ..services.session.run_handle import RunHandle
    from ..services.session.session import Session


class InterruptOnCancel:
    """Around a call that runs code or waits for it: when the user cancels it, interrupt that run and check; else leave it."""

    def __init__(self, app: App, session: Session, ctx: Ctx) -> None:
        self.run: RunHandle | None = None
        """the run that the call started, once it is known, or waits for"""
        self._app, self._session, self._ctx = app, session, ctx
        self._before = session.current

    async def __aenter__(self) -> InterruptOnCancel:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if kind is None or not issubclass(kind, asyncio.CancelledError):
            return
        if not self._app.reasons.by_user(self._ctx.request_id):
            return
        # What runs now and did not before is ours, even when the call was cancelled before it learnt the run's id.
        current = self._session.current
        run = self.run or (current if current is not self._before else None)
        if run is not None:
            # In a task of its own: the handler's scope is cancelled for good.
            self._app.start_background(self._cancel(run))

    async def _cancel(self, run: RunHandle) -> None:
        try:
            outcome = await self._session.interrupter.cancel(run)
        except JlabError as error:
            outcome = str(error)
        self._session.notice(f"The user cancelled the call. {outcome}")
