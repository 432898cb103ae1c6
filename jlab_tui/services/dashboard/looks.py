"""What a dashboard asks of kernels; apart from `kernel_looks`, which loads much that the first frame does not need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ...core.errors import UsageError

if TYPE_CHECKING:
    from ...core.kernel.variable_table import Variables
    from .actions import Target


class Looks(Protocol):
    """What a dashboard can ask a kernel. Every method raises JlabError when there is no answer."""

    async def variables(self, target: Target) -> Variables: ...

    async def value(self, target: Target, expression: str) -> str:
        """The value of an expression, or its exception; nothing is saved."""
        ...

    async def stacks(self, target: Target) -> str:
        """What the kernel's code does and waits for."""
        ...


class NoLooks:
    """A recording has no kernel to ask."""

    async def variables(self, target: Target) -> Variables:
        raise UsageError(
            "This is a recording: there is no kernel to ask.", "Open a live dashboard: jlab-mcp start"
        )

    async def value(self, target: Target, expression: str) -> str:
        raise UsageError(
            "This is a recording: there is no kernel to ask.", "Open a live dashboard: jlab-mcp start"
        )

    async def stacks(self, target: Target) -> str:
        raise UsageError(
            "This is a recording: there is no kernel to ask.", "Open a live dashboard: jlab-mcp start"
        )
