"""Arguments that several tools share, and the annotations for clients: which tools may run in parallel or lose something.

The annotations omit MCP's defaults, except that a tool may lose something, which clients show."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Final

from mcp.server.mcpserver import Context
from mcp_types import ToolAnnotations
from pydantic import Field, StrictInt

from ..core.relay_flights import CALL, CANCELLED, RESENT
from ..core.session.call import Call

WAIT_MAX_S: Final = 86_400.0
Ctx = Context[Any, Any]
WaitS = Annotated[float | None, Field(ge=0, le=WAIT_MAX_S)]
CellRef = str | StrictInt


def call_of(ctx: Ctx) -> Call:
    """The id of the call, which the relay gives it, or one of its own."""
    meta: Mapping[str, Any] = ctx.request_context.meta or {}
    given, resent = meta.get(CALL), meta.get(RESENT)
    call_id = given if isinstance(given, str) and given else uuid.uuid4().hex
    return Call(call_id, float(resent) if isinstance(resent, int | float) else 0.0)


def cancelled_before(ctx: Ctx) -> str | None:
    """Why the client cancelled a call while no process served it; None for a call that it wants answered."""
    meta: Mapping[str, Any] = ctx.request_context.meta or {}
    reason = meta.get(CANCELLED)
    return reason if isinstance(reason, str) else None


READ: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WRITE: Final = ToolAnnotations(destructive_hint=False, open_world_hint=False)
RUN: Final = ToolAnnotations(destructive_hint=False)
"""runs code of the model's, which may reach anything"""
STEER: Final = ToolAnnotations(destructive_hint=False, idempotent_hint=True, open_world_hint=False)
LOSES: Final = ToolAnnotations(destructive_hint=True, open_world_hint=False)
