"""Tells at the end of a job how long it had its GPUs, and how much of that it used them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from ...core.errors import JlabError
from ...core.server.record import ServerRecord, ServerState
from ...core.server.resources import Sample
from ...core.settings import Mode

if TYPE_CHECKING:
    from .launcher import Launcher

_ASK_S: Final = 2.0


class Measured(Protocol):
    async def resources(self, history_s: float = 0) -> list[Sample]: ...


async def gpu_hours(launcher: Launcher, api: Callable[[ServerRecord], Measured]) -> str:
    """Return one sentence about a job that runs; empty where it has no GPU, or where that is unknown now."""
    with contextlib.suppress(JlabError, TimeoutError):
        known = launcher.recall()
        if (
            known is None
            or known.record.mode is not Mode.SLURM
            or known.record.state is not ServerState.READY
        ):
            return ""
        async with asyncio.timeout(_ASK_S):
            samples = await api(known.record).resources()
        if samples and samples[-1].gpu_hours is not None:
            return f"{samples[-1].gpu_hours}."
    return ""
