"""Ends a run when only one of the kernel's two last messages arrives: the reply, or idle.

They come on two channels, and the reply may overtake minutes of output. Only the kernel can say that nothing follows: it
is asked for its info, and what it sends about that comes after all that it had to send about the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from ...core.kernel.wire import KernelMessage, Request
from .run_handle import RunHandle

SETTLE_S: Final = 2.0
"""how long to wait for the second message before asking the kernel"""
_ASK_AGAIN_S: Final = 10.0
"""a stock server may lose the question or the answer"""


@dataclass(slots=True)
class _Question:
    """Sent after the run, on the same channel."""

    replied: bool = False
    idle: bool = False
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class Completion:
    """Settles the runs of one session."""

    def __init__(
        self, send: Callable[[Request], Awaitable[bool]], on_settled: Callable[[RunHandle], None]
    ) -> None:
        """`send` asks the kernel; `on_settled` gets a run that has no more messages."""
        self.patience_s = SETTLE_S
        self._send = send
        self._on_settled = on_settled
        self._waiting: set[str] = set()
        """runs that are being settled"""
        self._questions: dict[str, _Question] = {}

    async def settle(self, run: RunHandle) -> None:
        """Note that one of the last two messages arrived; end the run once it is certain that the other one will not."""
        if run.id in self._waiting:
            return
        self._waiting.add(run.id)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.patience_s):
                    await run.done.wait()
            while not run.status.is_final:
                if await self._has_nothing_to_follow(run):
                    self._on_settled(run)
                    return
        finally:
            self._waiting.discard(run.id)

    def on_message(self, message: KernelMessage) -> None:
        """Handle any message of the kernel, after it was applied."""
        question = self._questions.get(message.parent_id)
        if question is None:
            return
        if message.channel == "shell":
            question.replied = True
        elif message.msg_type == "status" and message.content.get("execution_state") == "idle":
            question.idle = True
        if question.replied and question.idle:
            question.answered.set()

    async def _has_nothing_to_follow(self, run: RunHandle) -> bool:
        request = Request("shell", "kernel_info_request", uuid.uuid4().hex, {})
        question = self._questions[request.msg_id] = _Question()
        try:
            await self._send(request)
            answered = asyncio.ensure_future(question.answered.wait())
            ended = asyncio.ensure_future(run.done.wait())
            try:
                await asyncio.wait({answered, ended}, timeout=_ASK_AGAIN_S, return_when="FIRST_COMPLETED")
            finally:
                answered.cancel()
                ended.cancel()
            return question.answered.is_set()
        finally:
            del self._questions[request.msg_id]
