"""The JSON answers that a tool and its task share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..core.kernel.leaving import left_sentence
from ..core.notebook.notebook import SKIPPED
from ..core.server.record import ServerState
from ..core.server.status import ServerStatus
from ..core.server.status_json import status_json, without_blanks
from ..services.server.walltime_notice import clock_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..services.server.ready import Server
    from ..services.session.notebook_rerun import RerunReply
    from ..services.session.session import Session
    from ..services.sessions.left_sessions import Adoptable
    from .context import App

_SKIPPED_MAX: Final = 50
"""ids of skipped cells in an answer"""
WAIT_ON: Final = "Call wait_for_server() to keep waiting."


def start_answer(status: ServerStatus | None, root: str, now: float) -> dict[str, Any]:
    """Describe a starting server; None: the start is still being prepared."""
    if status is None:
        return {"ready": False, "state": "starting", "message": "Preparing the start.", "next": WAIT_ON}
    ready = status.state is ServerState.READY and status.reachable is True
    facts = {"ready": ready, **without_blanks(status_json(status, root, now))}
    if not ready and not status.is_elsewhere:
        facts["next"] = WAIT_ON if status.state.is_live else "Read the message; then start_server()."
    return facts


def opened_answer(session: Session) -> dict[str, Any]:
    """Describe an opened session."""
    identity = session.identity
    answer: dict[str, Any] = {
        "session_id": identity.id,
        "notebook_path": identity.notebook,
        "hostname": identity.hostname,
        "kernel_id": identity.kernel_id,
    }
    if identity.python:
        answer["python"] = identity.python
    if identity.cwd:
        answer["cwd"] = identity.cwd
    if warnings := [*session.opening_warnings, *session.warnings()]:
        answer["warnings"] = warnings
    if notice := session.take_notice():
        answer["notice"] = notice
    return answer


async def kept_sessions(app: App, server: Server, found: Sequence[Adoptable]) -> list[dict[str, Any]]:
    """Describe sessions of earlier processes: since when each has no client, how long its kernel stays and what that holds."""
    samples = await server.api.resources() if any(one.left for one in found) else []
    uses = (samples[-1].kernels if samples else None) or {}
    clock = clock_of(app.now())
    told = []
    for one in found:
        facts: dict[str, Any] = {
            "session_id": one.session,
            "notebook_path": one.notebook,
            "running": one.running,
        }
        if one.left is not None:
            use = uses.get(one.kernel_id)
            gpu_mb = use.gpu_memory_mb if use is not None else None
            facts["kernel"] = left_sentence(one.left, clock)
            facts |= {"gpu_memory_mb": round(gpu_mb)} if gpu_mb else {}
            facts["to_end_it"] = f'shutdown_session(session_id="{one.session}")'
        told.append(facts)
    return told


def rerun_answer(reply: RerunReply) -> dict[str, Any]:
    """Describe a notebook's cells that ran again."""
    answer: dict[str, Any] = {"reexecution": reply.state, "cells_total": reply.total, "cells": reply.rows}
    if reply.left_out:
        answer["ok_cells_not_listed"] = reply.left_out
    if reply.skipped:
        more = len(reply.skipped) - _SKIPPED_MAX
        answer["cells_skipped"] = {
            "tag": SKIPPED,
            "cells": [*reply.skipped[:_SKIPPED_MAX], *([f"... and {more} more"] if more > 0 else [])],
        }
    return answer
