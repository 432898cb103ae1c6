"""What arguments of several tools look like, and the marks that clients read: who may run in parallel, what loses something."""

from __future__ import annotations

from typing import Annotated, Any, Final

from mcp.server.mcpserver import Context
from mcp_types import ToolAnnotations
from pydantic import Field, StrictInt

WAIT_MAX_S: Final = 110.0
Ctx = Context[Any, Any]
SessionId = Annotated[str, Field(description="8 hex digits, as given by the tools that start a session")]
WaitS = Annotated[
    float | None,
    Field(
        ge=0,
        le=WAIT_MAX_S,
        description="seconds to wait (90 when left out) before answering with what there is; the code runs on",
    ),
]
CellRef = Annotated[
    str | StrictInt,
    Field(description="cell id, as read_notebook shows it, or index; negative indices count from the end"),
]

READ: Final = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
WRITE: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
)
STEER: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
LOSES: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
)
