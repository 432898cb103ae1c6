"""Turns long calls into MCP tasks, for which any process can answer."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, CallToolResult, RequestParams

from ..core.errors import JlabError
from ..core.reply.task import EXTENSION
from .context_source import AppSource
from .tool_arguments import Ctx

if TYPE_CHECKING:
    from ..core.reply.task import Task
    from .context import App
    from .task_answers import TaskAnswers

_ERA: Final = frozenset({"2026-07-28"})
_STARTED: Final = "jlab-mcp/task"
"""key in a result's `_meta`: the answer that turns the call into a task"""


def is_started(result: CallToolResult) -> bool:
    """Whether a tool's result says that the call goes on as a task."""
    return _STARTED in (result.meta or {})


class TaskParams(RequestParams):
    """The parameters of `tasks/get` and `tasks/cancel`."""

    task_id: str


class TaskExtension(Extension):
    """The extension: turns a tool's result into a task, and answers `tasks/get` and `tasks/cancel`."""

    identifier = EXTENSION

    def __init__(self, source: AppSource) -> None:
        self._source = source
        self._answers: TaskAnswers | None = None

    @staticmethod
    def due(app: App, ctx: Ctx, wait_s: float) -> bool:
        """Whether a call that waits `wait_s` seconds may become a task: its request declares tasks, and the wait is long."""
        able = ctx.client_capabilities
        declared = able is not None and EXTENSION in (able.extensions or {})
        return declared and ctx.session.protocol_version in _ERA and wait_s >= app.settings.task_after_s

    def next_wait(self) -> int:
        """Return a number that no other wait has, in any process: a client may ask the next one for it."""
        return secrets.randbelow(10**9)

    async def start(self, task: Task) -> CallToolResult:
        """Return the result of a tool that continues as a task."""
        answers = await self._ready()
        return CallToolResult(content=[], _meta={_STARTED: await answers.about(task)})

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        result = await call_next(ctx)
        if isinstance(result, CallToolResult) and result.meta and is_started(result):
            return {"resultType": "task", **result.meta[_STARTED]}
        return result

    def methods(self) -> list[MethodBinding]:
        return [
            MethodBinding("tasks/get", TaskParams, self._get, _ERA),
            MethodBinding("tasks/cancel", TaskParams, self._cancel, _ERA),
        ]

    async def _get(self, ctx: ServerRequestContext[Any, Any], params: TaskParams) -> HandlerResult:
        answers = await self._ready()
        try:
            return {"resultType": "complete", **await answers.get(params.task_id)}
        except JlabError as error:
            raise MCPError(INVALID_PARAMS, str(error)) from None

    async def _cancel(self, ctx: ServerRequestContext[Any, Any], params: TaskParams) -> HandlerResult:
        answers = await self._ready()
        try:
            await answers.cancel(params.task_id)
        except JlabError as error:
            raise MCPError(INVALID_PARAMS, str(error)) from None
        return {"resultType": "complete"}

    async def _ready(self) -> TaskAnswers:
        if self._answers is None:
            from .task_answers import TaskAnswers  # after the first reply, like the tools

            self._answers = TaskAnswers(await self._source.get())
        return self._answers
