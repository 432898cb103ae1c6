"""The MCP server: turns errors into text that says what to do next, refuses unknown arguments, exits cleanly."""

from __future__ import annotations

import asyncio
import difflib
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, cast

from mcp.server import MCPServer, NotificationOptions
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp.server.request_state import RequestStateSecurity
from mcp_types import CallToolResult, InputRequiredResult, TextContent
from mcp_types import Resource as MCPResource
from mcp_types import ResourceTemplate as MCPResourceTemplate
from mcp_types import Tool as MCPTool
from pydantic import AnyUrl, ValidationError

from .. import __version__
from ..core.display.printable import printable
from ..core.errors import JlabError
from .context_source import AppSource
from .stdio import CancelReasons, stdio
from .tasks import TaskExtension, is_started
from .tool_arguments import call_of, cancelled_before

log = logging.getLogger(__name__)

NAME = "jlab-mcp"
_UNSAID: Final = {"title", "minimum", "maximum"}
"""keys of a schema: titles are made of names, and the error names the bound that a call exceeds"""
_ERROR_HALF: Final = 4000
"""characters to keep at each end of an error, which may quote text of any length"""

INSTRUCTIONS = """\
Persistent Jupyter kernels on a SLURM node or this machine. Variables, imports and GPU memory stay between calls. Every
cell goes into a notebook that the user can open, and the user watches everything live.

1. ping: is a server there? If not, call start_server(), or the user runs `jlab-mcp start` in a terminal. A job may wait
in the queue: keep calling wait_for_server(); never start a second one.
2. start_new_session(experiment_name) returns a session_id.
3. execute_code(session_id, code), as often as you like.

Arguments of several tools: cell is an id or index from read_notebook, -1 for the last cell; wait_s is in seconds,
default 90, at most 86400; a notebook_path names an .ipynb file.

Long work: execute_code returns after wait_s with the output so far and a run_id, and the code keeps running. Call
wait_for_run(run_id) until it ends. To be told when hours of work end, make wait_for_run(run_id, wait_s=86400) the last
call of your turn. Never send the same code again because a call took long. A session runs one thing at a time; open a
second session to work in parallel.
A reply may begin with a comment from the user: do as it says.
Output was cut: read_output(run_id). What is in memory: inspect_variables(session_id).

Change notebooks only with edit_cell, add_markdown and delete_cell, never by writing the .ipynb while its session is
open. Shut a session down only if the user asks: its variables are lost. If a reply says that the kernel died or
restarted, run the imports and definitions you need again."""

THERE = """\
Server, notebooks and every path in a reply are on {machine}, not on the client's machine: read and write files there with
execute_code."""


class JlabServer(MCPServer[None]):
    """MCPServer whose tools raise `JlabError` for everything that a model can act on."""

    source: AppSource | None = None
    register: Callable[[], None] | None = None
    """adds tools and resources; called at the first request for them, so that the handshake need not wait"""
    _arguments: dict[str, list[str]] | None = None
    """of each tool; tools never change"""

    def _be_complete(self) -> None:
        register, self.register = self.register, None
        if register is not None:
            register()

    async def list_resources(self) -> list[MCPResource]:
        self._be_complete()
        return await super().list_resources()

    async def list_resource_templates(self) -> list[MCPResourceTemplate]:
        self._be_complete()
        return await super().list_resource_templates()

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Any, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        self._be_complete()
        try:
            read = await super().read_resource(uri, context)
        except ResourceError as error:
            if isinstance(error.__cause__, JlabError):
                raise ResourceError(_within(printable(str(error.__cause__)))) from None
            raise
        if isinstance(read, InputRequiredResult):
            return read
        return [replace(part, content=_printable_content(part.content)) for part in read]

    async def list_tools(self) -> list[MCPTool]:
        self._be_complete()
        tools = await super().list_tools()
        for tool in tools:
            tool.input_schema = _concise(tool.input_schema)
            tool.description = inspect.cleandoc(tool.description or "")
        return tools

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        result = await self._answer(name, arguments, context)
        app = self.source.made if self.source is not None else None
        is_read = isinstance(result, CallToolResult) and not is_started(result)
        if app is None or context is None or not is_read or cancelled_before(context) is not None:
            return result
        from .heading import headed, session_of  # with the application

        session, answer = session_of(app, arguments), cast(CallToolResult, result)
        return answer if session is None else await headed(session, call_of(context).id, answer)

    async def _answer(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None
    ) -> CallToolResult | InputRequiredResult:
        if self._arguments is None:
            tools = await self.list_tools()
            self._arguments = {tool.name: list(tool.input_schema.get("properties", {})) for tool in tools}
        known = self._arguments
        if name not in known:
            return _error(f"There is no tool {name!r}.{_nearest(name, list(known))}")
        valid = known[name]
        for argument in arguments:
            if argument not in valid:
                return _error(
                    f"{name} has no argument {argument!r}.{_nearest(argument, valid)} Nothing was done. "
                    f"Its arguments are: {', '.join(valid) or 'none'}."
                )
        arguments = {argument: value for argument, value in arguments.items() if value is not None}
        try:
            source = self.source
            if source and context and (reason := cancelled_before(context)) is not None:
                from .cancelling import stop_left_running  # with the application

                await stop_left_running(await source.get(), arguments, call_of(context), reason)
                return CallToolResult(content=[])
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, ValidationError):
                return _error(f"{_invalid(name, cause)} Nothing was done.")
            if isinstance(cause, JlabError):
                return _error(str(cause))
            if cause is None:
                return _error(str(error))
            log.error("tool %s failed", name, exc_info=cause)
            return _error(
                f"jlab-mcp failed in {name} ({type(cause).__name__}: {cause}). This is a fault in jlab-mcp; "
                "sessions and kernels keep running. Call ping to see their state."
            )


def _printable_content(content: str | bytes) -> str | bytes:
    return printable(content) if isinstance(content, str) else content


def _concise(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without tokens that a model does not need.

    A default that is nothing (null, "", 0, false) is not told. Nor is null: an argument that is null counts as left out."""
    kept = {key: value for key, value in schema.items() if key not in _UNSAID or isinstance(value, dict)}
    if not kept.get("default", True):
        del kept["default"]
    kinds = [kind for kind in kept.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del kept["anyOf"]
        return _concise(kept | kinds[0])
    return {key: _concise(value) if isinstance(value, dict) else value for key, value in kept.items()}


def _error(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=_within(printable(text)))], is_error=True)


def _within(text: str) -> str:
    is_long = len(text) > 2 * _ERROR_HALF
    return f"{text[:_ERROR_HALF]} ... {text[-_ERROR_HALF:]}" if is_long else text


def _nearest(word: str, known: Sequence[str]) -> str:
    close = [name for name in known if word and word in name]
    close += difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def _invalid(name: str, error: ValidationError) -> str:
    problems = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"])
        problems.append(
            f"argument {where!r} is missing" if item["type"] == "missing" else f"{where}: {item['msg']}"
        )
    return f"{name}: {'; '.join(problems)}."


def make_server(source: AppSource, key: bytes | None = None, machine: str = "") -> JlabServer:
    """Make the server with its tools; `source` provides the application at the first call that needs it. `key` proves a
    question to the user that an earlier process of the same client began. `machine`: where everything is, if the client is
    on another one."""

    def register() -> None:
        from .tools import add_resources, add_tools  # slow imports, after the first reply

        add_tools(server, source, tasks)
        add_resources(server, source)

    @asynccontextmanager
    async def lifespan(_: MCPServer[None]) -> AsyncIterator[None]:
        try:
            yield None
        finally:
            await source.close()

    tasks = TaskExtension(source)
    server = JlabServer(
        NAME,
        version=__version__,
        instructions=f"{INSTRUCTIONS}\n\n{THERE.format(machine=machine)}" if machine else INSTRUCTIONS,
        lifespan=lifespan,
        log_level="WARNING",
        extensions=[tasks],
        request_state_security=RequestStateSecurity(keys=[key]) if key else None,
    )
    server.source, server.register = source, register
    return server


def serve(
    make_source: Callable[[CancelReasons], AppSource], key: bytes | None = None, machine: str = ""
) -> None:
    """Serve on stdio until the client goes away or a signal comes. `key`, `machine`: see `make_server`."""
    reasons = CancelReasons(is_behind_line=bool(machine))
    source = make_source(reasons)
    server = make_server(source, key, machine)
    asyncio.run(_serve(server, source, reasons))


async def _serve(server: JlabServer, source: AppSource, reasons: CancelReasons) -> None:
    # Private in SDK 2.3, but the only way to serve on our own streams and announce list_changed.
    low = server._lowlevel_server
    options = low.create_initialization_options(NotificationOptions(tools_changed=True), {})
    if source.is_successor:
        source.warm_up()
    async with stdio(reasons, source.warm_up) as (incoming, outgoing):
        await low.run(incoming, outgoing, options)
