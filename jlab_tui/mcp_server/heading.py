"""Begins the reply about a session with what its user has to say, whatever tool was called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mcp_types import CallToolResult, TextContent

from ..core.display.printable import printable

if TYPE_CHECKING:
    from ..services.session.session import Session
    from .context import App


def session_of(app: App, arguments: Mapping[str, Any]) -> Session | None:
    """Return the session that a call with these arguments is about, if this process holds it."""
    named, run_id = arguments.get("session_id"), arguments.get("run_id")
    return app.sessions.held(str(named or str(run_id).rpartition("-")[0]))


async def headed(session: Session, call: str, result: CallToolResult) -> CallToolResult:
    """Return the reply to a call (or a task) with its heading, if there is one."""
    if not (head := await session.steering.head(call)):
        return result
    block = TextContent(type="text", text=printable(head))
    return result.model_copy(update={"content": [block, *result.content]})
