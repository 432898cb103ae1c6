"""The tools about the server: is it there, what is on it, what is free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp_types import CallToolResult

from ..core.errors import ServerError, StatusFileError
from .content import as_json
from .context import App
from .context_source import AppSource

if TYPE_CHECKING:
    from ..core.server.status import ServerStatus


class ServerTools:
    """`ping` and `check_resources`."""

    def __init__(self, source: AppSource) -> None:
        self._source = source

    async def ping(self) -> CallToolResult:
        """Tell whether the Jupyter server can be used, and what is on it. Call this first; it needs no kernel.

        Gives JSON: status (ok, or not), url, hostname, mode, job, walltime left, kernels with their state, your
        sessions, and sessions that an earlier process left and that you can go on with by using their session_id.
        When no server is there, call start_server."""
        app = await self._source.get()
        try:
            status = await app.launcher.look()
        except StatusFileError as error:
            return as_json(
                {"status": "error", "healthy": False, "message": error.message, "hint": error.hint}
            )
        if status is None:
            missing = app.launcher.no_server()
            return as_json(
                {
                    "status": "no_server",
                    "healthy": False,
                    "root": str(app.settings.root),
                    "message": missing.message,
                    "hint": missing.hint,
                }
            )
        answer = self._server_facts(app, status)
        if closed := await app.sessions.close_ended():
            answer["ended_runs"] = [
                {"run_id": run.id, "status": str(run.status), "cause": run.cause} for run in closed
            ]
        if answer["healthy"]:
            try:
                await self._add_sessions(app, answer)
            except ServerError as error:  # it was lost meanwhile
                again = await app.launcher.look() or status
                answer |= self._server_facts(app, again)
                if answer["healthy"]:
                    answer |= {"status": str(again.record.state), "healthy": False}
                    answer |= {"message": error.message, "hint": error.hint}
        return as_json({key: value for key, value in answer.items() if value not in ("", None)})

    def _server_facts(self, app: App, status: ServerStatus) -> dict[str, Any]:
        record = status.record
        healthy = status.reachable is True
        answer: dict[str, Any] = {
            "status": "ok" if healthy else str(record.state),
            "state": status.phase,
            "healthy": healthy,
            "message": status.sentence,
            "hint": status.hint,
            "details": list(status.details) or None,
            "notices": list(status.notices) or None,
            "hostname": record.hostname,
            "url": record.url,
            "mode": str(record.mode),
            "root": str(app.settings.root),
            "active_sessions": 0,
        }
        if record.job_id:
            answer["job_id"] = record.job_id
        if record.ends and record.state.is_live:
            answer["walltime_left_s"] = max(0, round(record.ends - app.now()))
        return answer

    async def _add_sessions(self, app: App, answer: dict[str, Any]) -> None:
        server = await app.server()
        await app.sessions.reclaim()
        kernels = await server.api.kernels()
        held = {s.info.kernel_id: s.info.id for s in app.sessions.open_sessions}
        answer["active_sessions"] = len(held)
        answer["kernels"] = [
            {
                "kernel_id": k.kernel_id,
                "state": k.execution_state,
                "session_id": held.get(k.kernel_id, ""),
                "notebook": k.path,
            }
            for k in kernels
        ]
        answer["sessions"] = [
            {
                "session_id": s.info.id,
                "notebook_path": s.info.notebook,
                "running": s.current.id if s.current else "",
                **({"unusable": s.over} if s.over else {}),
            }
            for s in app.sessions.open_sessions
        ]
        alive = {k.kernel_id for k in kernels}
        if adoptable := await app.sessions.adoptable(alive):
            answer["adoptable_sessions"] = [
                {"session_id": a.session, "notebook_path": a.notebook, "running": a.running}
                for a in adoptable
            ]
        features = await server.api.features()
        if not features:
            answer["missing"] = (
                "The node extension is not loaded, or another version of jlab-mcp started this server (then, when nothing "
                "runs: jlab-mcp stop; jlab-mcp start). After a connection failure or a restart of this process output may be lost, "
                "and the kernels of a process that was killed stay until they are shut down."
            )

    async def check_resources(self) -> CallToolResult:
        """Tell how much CPU, memory and GPU is used and free, of the allocation and not of the whole node.

        Gives JSON: cpu (count, percent, load_1m), memory (total_mb, used_mb, available_mb, percent_used), gpu (a list:
        index, name, memory_used_mb, memory_total_mb, utilization_percent, temperature_c; empty without a GPU) and what
        each kernel uses; null where nobody says. Takes milliseconds, or seconds on a server without the node extension;
        runs nothing in your kernels."""
        app = await self._source.get()
        server = await app.server()
        return as_json(await app.resources(server.record))
