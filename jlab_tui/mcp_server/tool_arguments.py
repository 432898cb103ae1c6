"""Arguments that several tools share, and the annotations for clients: which tools may run in parallel or lose something.

The annotations omit MCP's defaults, except the two that clients show."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Final

from mcp.server.mcpserver import Context
from mcp_types import ToolAnnotations
from pydantic import Field, StrictInt

from ..core.relay import CALL, CANCELLED, RESENT
from ..core.session.call import Call

WAIT_MAX_S: Final = 86_400.0
Ctx = Context[Any, Any]
SessionId = Annotated[str, Field(description="id from the tool that opened the session")]
WaitS = Annotated[
    float | None,
    Field(
        ge=0,
        le=WAIT_MAX_S,
        description="return after this many seconds (default 90) with the output so far; the run continues",
    ),
]
CellRef = Annotated[
    str | StrictInt,
    Field(description="cell id or index from read_notebook; -1 is the last cell"),
]


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
WRITE: Final = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
STEER: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
LOSES: Final = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)
