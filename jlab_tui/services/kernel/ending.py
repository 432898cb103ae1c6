"""Says how a kernel ended after a shutdown or restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.errors import ServerError

if TYPE_CHECKING:
    from ..ports import Jupyter


async def how_cut(api: Jupyter, kernel_id: str) -> str:
    """Return a sentence if the kernel was killed because it took too long to end; empty if it ended by itself or if unknown."""
    try:
        recorded = (await api.recorded_kernels()).get(kernel_id)
    except ServerError:
        return ""
    return recorded.how_cut if recorded is not None else ""
