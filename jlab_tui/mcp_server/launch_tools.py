"""The tools that start the server and wait for it, with the question of where to run it.

Without `from __future__ import annotations`: the SDK reads the question's annotations, which name local functions.
"""

from typing import Annotated, Any, Literal

from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Elicit, MCPServer, Resolve
from mcp_types import CallToolResult
from pydantic import BaseModel, BeforeValidator, Field

from ..core.display.printable import printable
from ..core.errors import StatusFileError
from ..core.reply.task import StartTask
from ..core.settings import Mode
from .content import as_json, as_text, beat_of
from .context_source import AppSource
from .shared_answers import start_answer
from .tasks import TaskExtension
from .tool_arguments import STEER, WAIT_MAX_S, Ctx

Wait = Annotated[float, Field(ge=0, le=WAIT_MAX_S)]


class WhereToRun(BaseModel):
    """The form that the user fills in at the first start."""

    mode: Literal["slurm", "local"] = Field(
        default="slurm",
        description="slurm: a job on a compute node; local: this machine (a login node is shared!)",
    )
    partition: str = Field(default="", description="partition; empty: the cluster's default")
    gres: str = Field(
        default="", description="such as gpu:1 or gpu:a100:2; none for no GPU; empty: as set, gpu:1"
    )
    time_limit: str = Field(
        default="", description="walltime such as 4:00:00 or 1-00:00:00; empty: as set, 4:00:00"
    )


def add_launch_tools(server: MCPServer[Any], source: AppSource, tasks: TaskExtension) -> None:
    """Register `start_server` and `wait_for_server`."""

    async def where_to_run(ctx: Ctx, mode: str | None) -> WhereToRun | Elicit[WhereToRun] | None:
        app = await source.get()
        able = ctx.client_capabilities
        if mode or able is None or able.elicitation is None:
            return None
        try:
            if app.starting.known_mode() is not None or await app.starting.is_there():
                return None
        except StatusFileError:
            return None
        survey = await app.starting.survey()
        return Elicit(
            printable(f"Where should JupyterLab run for {app.settings.root}? The cluster has:\n{survey}"),
            WhereToRun,
        )

    async def start_server(
        mode: Annotated[
            Literal["slurm", "local"] | None,
            BeforeValidator(lambda said: said or None),
            Field(description="slurm: a job on a compute node; local: this machine"),
        ] = None,
        time_limit: Annotated[str, Field(description="e.g. 4:00:00 or 1-00:00:00")] = "",
        partition: str = "",
        gres: Annotated[str, Field(description="e.g. gpu:1, gpu:a100:2 or none")] = "",
        cpus: Annotated[int | None, Field(ge=1)] = None,
        mem_mb: Annotated[int | None, Field(ge=1)] = None,
        bootstrap: Annotated[
            bool, Field(description="first create a .venv with ipykernel; only if a reply asks for it")
        ] = False,
        wait_s: Wait = 90,
        *,
        answer: Annotated[ElicitationResult[WhereToRun], Resolve(where_to_run)],
        ctx: Ctx,
    ) -> CallToolResult:
        """Start this project's Jupyter server, as a SLURM job or a local process, and wait until it is ready.

        Does nothing if a server is running or queued. Choices are remembered: leave arguments out to use them again. If the
        reply begins with mode_required, ask the user where to run and call again with mode=. A start that takes longer than
        wait_s continues; a queued job keeps its place, and the reply gives the reason and the expected start. Call
        wait_for_server to keep waiting; never start a second server."""
        from ..services.server.client_start import Choice  # with the application, after the first reply

        app = await source.get()
        starting = app.starting
        chosen = answer.data if isinstance(answer, AcceptedElicitation) else None
        if not await starting.is_there():
            picked = mode or (chosen.mode if chosen else "")
            if not picked and starting.known_mode() is None:
                return as_text(await _mode_required(await starting.survey(), str(app.settings.root)))
            choice = Choice(
                Mode(picked) if picked else None,
                time_limit or (chosen.time_limit if chosen else "") or None,
                partition or (chosen.partition if chosen else "") or None,
                gres or (chosen.gres if chosen else "") or None,
                cpus,
                mem_mb,
            )
            await starting.start(choice, bootstrap=bootstrap)
        return await _wait(wait_s, ctx)

    async def wait_for_server(timeout_s: Wait = 90, *, ctx: Ctx) -> CallToolResult:
        """Wait until the server that is starting is ready, for at most timeout_s seconds. Call again as often as needed.

        Returns JSON, for a queued job with its reason, position and estimated_start_in_s. A server that does not come up within
        its time limits is stopped, and the reply says why."""
        return await _wait(timeout_s, ctx)

    async def _wait(timeout: float, ctx: Ctx) -> CallToolResult:
        app = await source.get()
        may_be_task = tasks.due(app, ctx, timeout)
        patience = app.settings.task_after_s if may_be_task else timeout
        look = await app.starting.wait(patience, app.settings.queue_timeout_s, beat_of(ctx))
        if may_be_task and not look.is_settled:
            launch = int(look.status.record.started) if look.status is not None else 0
            return await tasks.start(StartTask(launch, tasks.next_wait()))
        return as_json(start_answer(look.status, str(app.settings.root), app.now()))

    server.add_tool(
        start_server, title="Start the Jupyter server", annotations=STEER, structured_output=False
    )
    server.add_tool(wait_for_server, title="Wait for the server", annotations=STEER, structured_output=False)


async def _mode_required(survey: str, root: str) -> str:
    return (
        f"mode_required: nothing was started. Nobody has chosen yet where JupyterLab runs for {root}. Ask the user, "
        'then call start_server(mode="slurm", partition=..., gres=..., time_limit=...) for a compute node, or '
        f'start_server(mode="local") for this machine. The cluster has now:\n{survey}'
    )
