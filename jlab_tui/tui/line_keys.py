"""Keys that ask for a line about a kernel, which is the one that was chosen when they were pressed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..services.dashboard.actions import Target
from .ansi import one_line
from .format import shortened
from .kernel_keys import KernelKeys
from .steering_keys import SteeringKeys
from .widgets.prompt import PromptAnswered

Ask = Callable[[str, str], Awaitable[None]]
"""asks for a line: of which kind, and behind which label"""


class LineKeys:
    def __init__(self, kernel_keys: KernelKeys, steering_keys: SteeringKeys) -> None:
        self._kernel_keys = kernel_keys
        self._steering_keys = steering_keys
        self._asked_of: Target | None = None

    async def interrupt_why(self, target: Target, ask: Ask) -> None:
        self._asked_of = target
        await ask("reason", f"Interrupt {shortened(one_line(target.name), 24)}, because:")

    async def own_cell(self, target: Target, ask: Ask, *, is_busy: bool) -> None:
        """Ask for code; in a busy kernel, for something to look at."""
        self._asked_of = target
        await (ask("look", "look, not saved:") if is_busy else ask("own", ":"))

    def answered(self, message: PromptAnswered) -> None:
        """Act on the line; do nothing if it answers another question, or was given up."""
        target, self._asked_of = self._asked_of, None
        if target is None or message.is_given_up:
            return
        match message.kind:
            case "reason":
                self._kernel_keys.interrupt(target, message.text.strip())
            case "own":
                self._steering_keys.run(target, message.text)
            case "look":
                self._steering_keys.look(target, message.text)
