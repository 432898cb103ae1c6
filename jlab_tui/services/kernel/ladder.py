"""Stops the code that a kernel runs: goes from the interrupt signal to stronger means, and says which one worked.

A KeyboardInterrupt triggers the code's own clean-up (`finally`, `except`, `with`), which another one would abort. So
nothing stronger follows while the code cleans up, unless the caller asks again.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Final, Protocol

from ...core.errors import KernelGone
from ...core.kernel.interrupt_ladder import (
    LOOK,
    RAISE,
    Climbed,
    Effect,
    Step,
    in_kernel,
    parse_effect,
    was_raised,
)
from ...core.kernel.wire import Request
from .subshell import Subshell, evaluation

if TYPE_CHECKING:
    from ..ports import Jupyter, Link

PATIENCE_S: Final = 2.0
"""seconds from an interrupt to the check of its effect"""
_WAKE_AFTER_S: Final = 0.3
"""its part for the signal alone"""
_CLEAN_UP_S: Final = 3.0
"""how long to wait for the clean-up after the interrupt"""
_RAISED_S: Final = 1.0
_LOOK_S: Final = 1.0
_STATE_S: Final = 0.1
"""between two questions for the kernel's state"""


class Stoppable(Protocol):
    """The code to stop."""

    async def has_ended(self, within_s: float) -> bool:
        """Wait up to so many seconds for its end."""

    async def backlog(self) -> str:
        """A sentence while its end may be behind output in transit; then nothing that arrives tells how the kernel is."""

    def has_printed(self) -> bool:
        """Whether it has printed anything since the signal, the only sign of an effect if the kernel has no subshell."""


class Ladder:
    """Interrupts one kernel."""

    def __init__(self, api: Jupyter, kernel_id: str, link: Link, subshell: Subshell) -> None:
        self.patience_s = PATIENCE_S
        self._api = api
        self._kernel_id = kernel_id
        self._link = link
        self._subshell = subshell

    async def climb(self, code: Stoppable, *, ends_clean_up: bool = False) -> Climbed:
        """Stop the code. `ends_clean_up`: the user asks again while the code cleans up."""
        await self._api.interrupt(self._kernel_id)
        if await code.has_ended(min(_WAKE_AFTER_S, self.patience_s)):
            return Climbed(Step.SIGNAL, True)
        await self._wake()
        if await code.has_ended(self.patience_s):
            return Climbed(Step.WAKE, True)
        if backlog := await code.backlog():
            return Climbed(Step.WAKE, False, backlog=backlog)
        effect = await self._effect(code)
        if effect is Effect.CLEANING_UP and not ends_clean_up:
            has_ended = await code.has_ended(_CLEAN_UP_S)
            return Climbed(Step.WAKE, has_ended, effect, "" if has_ended else await code.backlog())
        if effect is not Effect.UNKNOWN and await self._raise() and await code.has_ended(_RAISED_S):
            return Climbed(Step.RAISE, True, effect)
        if await code.has_ended(0):
            return Climbed(Step.WAKE, True, effect)
        await self._api.interrupt(self._kernel_id)
        await self._wake()
        return Climbed(Step.SIGNAL_AGAIN, await code.has_ended(self.patience_s), effect)

    async def _wake(self) -> None:
        await self._link.send(Request("shell", "kernel_info_request", uuid.uuid4().hex, {}))

    async def _effect(self, code: Stoppable) -> Effect:
        if subshell := await self._subshell.get():
            try:
                reply = await self._link.ask(evaluation(in_kernel(LOOK), subshell), _LOOK_S)
            except TimeoutError:
                return Effect.UNKNOWN  # only a C call can block a subshell
            if (effect := parse_effect(reply.content)) is not Effect.UNKNOWN:
                return effect
        return Effect.CLEANING_UP if code.has_printed() else Effect.UNKNOWN

    async def _raise(self) -> bool:
        subshell = await self._subshell.get()
        try:
            return was_raised((await self._link.ask(evaluation(in_kernel(RAISE), subshell), _LOOK_S)).content)
        except TimeoutError:
            return False


class KernelCode:
    """Whatever a kernel runs, whoever asked for it, as far as the server knows."""

    def __init__(self, api: Jupyter, kernel_id: str, name: str) -> None:
        """`name`: what messages call the kernel's session."""
        self._api = api
        self._kernel_id = kernel_id
        self._name = name

    async def has_ended(self, within_s: float) -> bool:
        """Raises KernelGone."""
        deadline = asyncio.get_running_loop().time() + within_s
        while (state := await self._api.kernel_state(self._kernel_id)) != "idle":
            if state is None:
                raise KernelGone(
                    f"The kernel of {self._name} is gone.", "Open its notebook again to continue."
                )
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(_STATE_S)
        return True

    async def backlog(self) -> str:
        return ""  # the server knows the state, whatever is in transit

    def has_printed(self) -> bool:
        return False
