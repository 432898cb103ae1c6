"""Says how a kernel ended that somebody ended."""

from __future__ import annotations

from ...core.errors import ServerError
from ..ports import Jupyter


async def how_cut(api: Jupyter, kernel_id: str) -> str:
    """Return a sentence on a kernel that was given no more time to end; empty if it ended by itself, or nobody knows."""
    try:
        recorded = (await api.recorded_kernels()).get(kernel_id)
    except ServerError:
        return ""
    return recorded.how_cut if recorded is not None else ""
