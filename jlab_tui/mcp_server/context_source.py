"""Makes the tools' context at the first call that needs it, so that the first reply loads little."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from .stdio import CancelReasons

if TYPE_CHECKING:
    from .context import App


class AppSource:
    """Makes the application once; its imports run in a thread."""

    def __init__(
        self,
        make: Callable[[], Awaitable[App]],
        preload: Callable[[], None],
        reasons: CancelReasons,
        *,
        is_successor: bool = False,
    ) -> None:
        """`is_successor`: an earlier process of the same client left sessions, which must not wait for the next call."""
        self.reasons = reasons
        self._make = make
        self._preload = preload
        self.is_successor = is_successor
        self._app: App | None = None
        self._lock = asyncio.Lock()
        self._warming: asyncio.Task[None] | None = None

    async def get(self) -> App:
        if self._app is None:
            async with self._lock:
                if self._app is None:
                    await asyncio.to_thread(self._preload)
                    self._app = await self._make()
                    self._app.clear_up()
        self._app.sessions.reclaim_soon()
        return self._app

    @property
    def made(self) -> App | None:
        """The application, if a call has needed it."""
        return self._app

    def warm_up(self) -> None:
        """Load what the first call needs. Called after the first reply."""
        if self._warming is None:
            self._warming = asyncio.create_task(self._warm_up())

    async def _warm_up(self) -> None:
        if self.is_successor:
            await self.get()
        else:
            await asyncio.to_thread(self._preload)

    async def close(self) -> None:
        if self._app is not None:
            await self._app.close()
