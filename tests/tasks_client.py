"""A client that knows tasks, as Claude Code does: it takes the answer, and asks for the task's state itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from mcp import Client
from mcp.client.extension import ClientExtension, ResultClaim
from mcp_types import CallToolResult, Request, RequestParams, Result

from jlab_tui.core.reply.task import EXTENSION


class TaskStarted(Result):
    """The answer to a call that became a task."""

    result_type: Literal["task"]
    task_id: str
    status: str
    status_message: str | None = None
    poll_interval_ms: int


class TaskState(Result):
    """The answer to `tasks/get`."""

    task_id: str
    status: str
    status_message: str | None = None
    result: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        assert self.result is not None, self
        return "\n".join(block["text"] for block in self.result["content"])


class TaskParams(RequestParams):
    task_id: str


class TaskRequest(Request[TaskParams, str]):
    method: str


async def _unexpected(started: TaskStarted, _: object) -> CallToolResult:
    raise AssertionError(f"a test takes the task itself: {started}")


class KnowsTasks(ClientExtension):
    identifier = EXTENSION

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=TaskStarted, resolve=_unexpected)]


async def start(client: Client, tool: str, **arguments: Any) -> TaskStarted:
    """Call a tool that becomes a task."""
    result = await client.session.call_tool(tool, arguments, allow_claimed=True)
    assert isinstance(result, TaskStarted), result
    return result


async def state(client: Client, task_id: str) -> TaskState:
    request = TaskRequest(method="tasks/get", params=TaskParams(task_id=task_id))
    return await client.session.send_request(request, TaskState)


async def cancel(client: Client, task_id: str) -> None:
    request = TaskRequest(method="tasks/cancel", params=TaskParams(task_id=task_id))
    await client.session.send_request(request, Result)
