"""Runs a key's action and shows its outcome: one of the three places where errors become text."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol

from ..core.errors import JlabError
from .ansi import one_line

log = logging.getLogger(__name__)

Act = Callable[[], Awaitable[str]]
"""does something and returns its outcome as a sentence; an empty one: the feed shows it"""


class Say(Protocol):
    """Shows a notification; its text is never markup."""

    def __call__(
        self, text: str, *, title: str = "", severity: str = "information", timeout_s: float = 6
    ) -> None: ...


class Outcomes:
    def __init__(
        self, say: Say, run: Callable[[Coroutine[None, None, None]], object], details: Callable[[], str]
    ) -> None:
        """`run` starts work in the background; `details` names the log after a fault."""
        self._say = say
        self._run = run
        self._details = details

    def start(self, title: str, act: Act) -> None:
        self._run(self._done(title, act))

    async def _done(self, title: str, act: Act) -> None:
        failed = f"{one_line(title)}: failed"
        try:
            outcome = await act()
        except JlabError as error:
            self._say(str(error), title=failed, severity="error")
        except Exception as error:
            log.exception("%s failed", title)
            # Not the error's own text: it could hold a URL with a token.
            text = f"This is a fault in jlab-mcp ({type(error).__name__}). Running code continues; try again. {self._details()}"
            self._say(text.rstrip(), title=failed, severity="error")
        else:
            if outcome:
                self._say(outcome, title=one_line(title))
