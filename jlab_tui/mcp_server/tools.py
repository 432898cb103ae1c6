"""All tools and resources, in the order in which a model should read them. Their docstrings are its manual."""

from __future__ import annotations

from typing import Any

from mcp.server import MCPServer
from mcp_types import CallToolResult

from .context_source import AppSource
from .launch_tools import add_launch_tools
from .notebook_tools import NotebookTools
from .run_tools import RunTools
from .server_tools import ServerTools
from .session_tools import SessionTools
from .tasks import TaskExtension
from .tool_arguments import LOSES, READ, RUN, STEER, WRITE


def add_tools(server: MCPServer[Any], source: AppSource, tasks: TaskExtension) -> None:
    """Register every tool."""
    about, sessions, runs, notebooks = (
        ServerTools(source),
        SessionTools(source, tasks),
        RunTools(source, tasks),
        NotebookTools(source),
    )
    server.add_tool(about.ping, title="Is the server ready?", annotations=READ, structured_output=False)
    server.add_tool(
        about.check_resources, title="CPU, memory and GPUs", annotations=READ, structured_output=False
    )
    add_launch_tools(server, source, tasks)
    for function, title, marks in (
        (sessions.start_new_session, "New notebook with a kernel", WRITE),
        (sessions.start_session_resume_notebook, "Open a notebook and restore its state", RUN),
        (sessions.start_session_continue_notebook, "Copy a notebook and continue", WRITE),
        (runs.execute_code, "Run code in a new cell", RUN),
        (runs.wait_for_run, "Wait for a run", READ),
        (notebooks.read_output, "Read a run's full output", READ),
        (runs.edit_cell, "Edit a cell and run it", RUN),
        (runs.run_cell, "Run a cell again", RUN),
        (notebooks.delete_cell, "Delete a cell", LOSES),
        (notebooks.add_markdown, "Add a text cell", WRITE),
        (notebooks.read_notebook, "Read a notebook", READ),
        (runs.execute_scratch, "Run code in a throwaway kernel", RUN),
        (notebooks.inspect_variables, "What is in memory", READ),
        (sessions.interrupt_kernel, "Interrupt the kernel", STEER),
        (sessions.restart_kernel, "Restart the kernel", LOSES),
        (sessions.shutdown_session, "Shut down a session", LOSES),
    ):
        server.add_tool(function, title=title, annotations=marks, structured_output=False)


def add_resources(server: MCPServer[Any], source: AppSource) -> None:
    """Register what clients can read without a tool call."""
    about, notebooks = ServerTools(source), NotebookTools(source)

    @server.resource(
        "jlab-mcp://server/status",
        title="Server status",
        description="The JSON that ping returns.",
        mime_type="application/json",
    )
    async def server_status() -> str:
        return _only_text(await about.ping())

    @server.resource(
        "jlab-mcp://session/{session_id}/notebook",
        title="Notebook of a session",
        description="Map of the notebook's cells.",
        mime_type="text/plain",
    )
    async def session_notebook(session_id: str) -> str:
        return _only_text(await notebooks.read_notebook(session_id=session_id))


def _only_text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")
