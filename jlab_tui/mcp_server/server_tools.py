"""The tools `ping` and `check_resources`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp_types import CallToolResult

from ..core.errors import ServerError, StatusFileError
from ..core.server.gpu_idle import idle_minutes
from ..core.server.idle_job import idle_end_sentence
from ..core.server.resources import resources_json
from ..core.server.status_json import kernel_json, not_understood, status_json, trouble_json, without_blanks
from ..services.server.walltime_notice import clock_of
from .content import as_json
from .context import App
from .context_source import AppSource
from .shared_answers import kept_sessions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.journal.summary import Heads
    from ..core.server.resources import Sample
    from ..core.server.status import ServerStatus


class ServerTools:
    """`ping` and `check_resources`."""

    def __init__(self, source: AppSource) -> None:
        self._source = source

    async def ping(self) -> CallToolResult:
        """Check whether the Jupyter server is ready, and list its kernels and sessions. Call this first.

        Returns JSON: status ("ok" or the server's state), message, hint, walltime_left_s, kernels, sessions, and adoptable_sessions:
        those of an earlier process; use their session_id to continue them (ended_sessions: their kernels are gone). If there is no server, call start_server."""
        app = await self._source.get()
        root = str(app.settings.root)
        try:
            status = await app.launcher.look()
        except StatusFileError as error:
            return as_json({"status": "error", **trouble_json("unknown", error, root)})
        if status is None:
            return as_json({"status": "no_server", **trouble_json("none", app.launcher.no_server(), root)})
        facts, more = _server_facts(app, status), {}
        heads = await app.sessions.heads()
        if closed := await app.sessions.close_ended(heads):
            more["ended_runs"] = [
                {"run_id": run.id, "status": str(run.status), "cause": run.cause} for run in closed
            ]
        if facts["healthy"]:
            try:
                more |= await self._sessions(app, heads)
            except ServerError as error:  # lost meanwhile
                facts = _server_facts(app, await app.launcher.look() or status)
                if facts["healthy"]:
                    facts |= {"status": facts["state"], "healthy": False}
                    facts |= {"message": error.message, "hint": error.hint}
        return as_json({**facts, **more})

    async def _sessions(self, app: App, heads: Heads) -> dict[str, Any]:
        """Return the kernels and sessions of an answering server. Raises ServerError."""
        server = await app.server()
        await app.sessions.reclaim(heads)
        kernels = await server.api.kernels()
        held = {s.identity.kernel_id: s.identity.id for s in app.sessions.open_sessions}
        answer: dict[str, Any] = {"active_sessions": len(held)}
        answer["kernels"] = [
            {**kernel_json(kernel), "session_id": held.get(kernel.kernel_id, "")} for kernel in kernels
        ]
        answer["sessions"] = [
            {
                "session_id": s.identity.id,
                "notebook_path": s.identity.notebook,
                "running": s.current.id if s.current else "",
                **({"unusable": s.state.why_over} if s.state.why_over else {}),
            }
            for s in app.sessions.open_sessions
        ]
        alive = {k.kernel_id for k in kernels}
        left = await app.sessions.left(alive, heads)
        if left.adoptable:
            answer["adoptable_sessions"] = await kept_sessions(app, server, left.adoptable)
        if left.ended:
            answer["ended_sessions"] = [
                {"session_id": e.session, "notebook_path": e.notebook, "why": e.why} for e in left.ended
            ]
        if left.more or left.unread:
            answer["older_sessions"] = {
                "adoptable": left.more,
                "not_read_yet": left.unread,
                "meaning": "So many are not listed. Name a session by its session_id, or open its notebook, to continue it.",
            }
        recorded = await server.api.recorded_kernels()
        if exposed := [kernel_id for kernel_id, kernel in recorded.items() if not kernel.is_private]:
            answer["readable_by_others"] = {
                "kernel_ids": exposed,
                "meaning": "These kernels use TCP ports without encryption: every account of their machine can read their code "
                "and output. Kernels whose command is ipykernel's use private sockets.",
            }
        samples = await server.api.resources()
        if idle := self._idle_gpus(app, samples):
            answer["idle_gpus"] = idle
        if samples and (plan := samples[-1].idle_end) is not None:
            answer["idle_end"] = idle_end_sentence(plan, clock_of(app.now()))
        odd = server.api.oddities + sum(session.oddities for session in app.sessions.open_sessions)
        if sentence := not_understood(odd):
            answer["not_understood"] = sentence
        features = await server.api.features()
        if not features:
            answer["missing"] = (
                "The Jupyter extension is not loaded, or another version of jlab-mcp started this server (then, when nothing "
                "runs: jlab-mcp stop; jlab-mcp start). A lost connection or a restart of this process may lose output, and a "
                "killed process leaves its kernels running until you shut them down."
            )
        return answer

    @staticmethod
    def _idle_gpus(app: App, samples: Sequence[Sample]) -> dict[str, Any]:
        """Return the kernels that have held an idle GPU for long."""
        uses = (samples[-1].kernels if samples else None) or {}
        minutes = {
            k: found
            for k, use in uses.items()
            if (found := idle_minutes(use, app.settings.gpu_idle_warn_min))
        }
        meaning = (
            "These kernels hold GPU memory and have not used a GPU for so long. Many sites end such jobs."
        )
        return {"minutes": minutes, "meaning": meaning} if minutes else {}

    async def check_resources(self) -> CallToolResult:
        """Show the CPU, memory and GPUs of the server's allocation, how much is used, and what each kernel uses. Runs nothing in
        your kernels. Returns JSON; unknown values are null."""
        app = await self._source.get()
        server = await app.server()
        return as_json(resources_json(await app.resources(server.api)))


def _server_facts(app: App, status: ServerStatus) -> dict[str, Any]:
    facts = without_blanks(status_json(status, str(app.settings.root), app.now()))
    return {"status": "ok" if facts["healthy"] else facts["state"], **facts, "active_sessions": 0}
