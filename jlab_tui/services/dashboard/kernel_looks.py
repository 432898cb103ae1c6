"""Looks into kernels for the user of a dashboard, over a connection of its own: no cell, no count, nothing on record.

It asks a kernel's subshell, so that running code goes on. A kernel without subshells (before ipykernel 7) is asked while it
is idle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...core.errors import SessionBusy, UsageError
from ...core.kernel.variable_table import Variables, parse_variables, value_of
from ..kernel.inspection import inspect
from ..kernel.side_link import opened, side_link
from ..kernel.subshell import Subshell, evaluation
from ..kernel.variables_probe import ASK_S, probe
from .actions import Target

if TYPE_CHECKING:
    from ...core.server.record import ServerRecord
    from ..ports import Jupyter
    from ..server.launcher import Launcher


class KernelLooks:
    """Asks the kernels of this project's server."""

    def __init__(self, launcher: Callable[[], Launcher], api: Callable[[ServerRecord], Jupyter]) -> None:
        """`launcher` is asked for at the first look."""
        self._launcher = launcher
        self._api = api

    async def variables(self, target: Target) -> Variables:
        found = parse_variables(await self._evaluate(target, probe(None)))
        if isinstance(found, str):
            raise UsageError(f"{target.name}: {found}", "Choose a session with a Python kernel.")
        return found

    async def value(self, target: Target, expression: str) -> str:
        return value_of(await self._evaluate(target, expression))

    async def stacks(self, target: Target) -> str:
        api = await self._jupyter()

        async def ask(expression: str, timeout: float) -> Mapping[str, Any] | None:
            return await _beside(api, target.kernel_id, expression, timeout)

        return (await inspect(api, target.kernel_id, ask)).text

    async def _evaluate(self, target: Target, expression: str) -> Mapping[str, Any]:
        """Return the content of the kernel's reply. Raises SessionBusy while it cannot answer."""
        api = await self._jupyter()
        try:
            content = await _beside(api, target.kernel_id, expression, ASK_S)
            if content is None and await api.kernel_state(target.kernel_id) == "idle":
                async with opened(await side_link(api, target.kernel_id, is_plain=True)) as link:
                    content = (await link.ask(evaluation(expression), ASK_S)).content
        except TimeoutError:
            content = None
        if content is None:
            raise SessionBusy(
                f"The kernel of {target.name} does not answer: it runs code and has no subshells (they need ipykernel 7), or "
                "it is in a long C call.",
                "Try again when its cell has ended; S shows what it does.",
            )
        return content

    async def _jupyter(self) -> Jupyter:
        status = await self._launcher().look(health=False)
        if status is None or not status.record.is_published:
            raise self._launcher().no_server()
        return self._api(status.record)


async def _beside(api: Jupyter, kernel_id: str, expression: str, timeout: float) -> Mapping[str, Any] | None:
    """Ask a kernel's subshell. None if it has none; raises TimeoutError if it does not answer."""
    async with opened(await side_link(api, kernel_id)) as link:
        subshell = Subshell(link, lambda: 1)
        try:
            return await subshell.ask(expression, timeout)
        finally:
            await subshell.close()
