"""Gives the tools their services, settings and background tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from ..core.server.resources import Sample
    from ..core.settings import Settings
    from ..services.ports import Jupyter
    from ..services.server.client_start import ClientStart
    from ..services.server.launcher import Launcher
    from ..services.server.ready import Server
    from ..services.session.notebook_rerun import NotebookRerun
    from ..services.session.reader import Reader
    from ..services.session.replies import Replies
    from ..services.sessions.once import Once
    from ..services.sessions.registry import Sessions
    from .stdio import CancelReasons


T = TypeVar("T")
_TIDYING: Final = "tidying"
_TIDY_AFTER_S: Final = 0.5


class ShrunkImage(Protocol):
    @property
    def data(self) -> bytes: ...
    @property
    def mime(self) -> str: ...
    @property
    def note(self) -> str: ...


@dataclass(frozen=True, slots=True)
class App:
    """Services and settings behind the tools."""

    settings: Settings
    launcher: Launcher
    sessions: Sessions
    once: Once
    reader: Reader
    replies: Replies
    rerun: NotebookRerun
    starting: ClientStart
    server: Callable[[], Awaitable[Server]]
    """the ready server; raises a ServerError without one"""
    resources: Callable[[Jupyter], Awaitable[Sample]]
    """CPU, memory and GPUs; raises a ServerError if nobody measures them"""
    vitals: Callable[[str, float], Awaitable[str]]
    """`(progress or last line, seconds)`: how a run goes, one line for the user"""
    shrink: Callable[[str, str, int], ShrunkImage]
    """`(base64, mime, max_px)`; blocking"""
    grep: Callable[[str, Iterable[tuple[int, str]]], Iterator[tuple[int, str, int]]]
    """the numbered lines that match a regular expression, with the position in the line; raises TimeoutError; blocking"""
    give_memory_back: Callable[[], None]
    """returns free memory to the system; blocking"""
    clear_up: Callable[[], None]
    """begins to move, compress and remove old records, while calls go on"""
    now: Callable[[], float]
    reasons: CancelReasons
    close: Callable[[], Awaitable[None]]
    _background: set[asyncio.Task[Any]] = field(default_factory=set)

    def start_background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run work that outlives the call that started it."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def tidy_up(self) -> None:
        """Return memory to the system soon after large work, when no call is waiting."""
        if not any(task.get_name() == _TIDYING for task in self._background):
            self.start_background(self._tidy_up()).set_name(_TIDYING)

    async def _tidy_up(self) -> None:
        await asyncio.sleep(_TIDY_AFTER_S)
        await asyncio.to_thread(self.give_memory_back)
