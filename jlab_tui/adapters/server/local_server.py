"""Local mode: JupyterLab as a detached process on this machine, described by files and identified by its PID."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from ...core.errors import LaunchFailed, ServerError
from ...core.server.environment import PythonChoice, require_projects
from ...core.server.machine import Machine
from ...core.server.record import ServerRecord, ServerState
from ...core.server.status import Observation
from ...core.settings import Mode, Settings, status_dir_name
from ...core.slurm.allocation import Allocation
from ..files import process_start, reason_of, tail_text
from ..machine import this_machine
from .environment import choose_python, own_serves
from .file_names import local_launch, local_log
from .launch_files import read_connection, remove_launch_files
from .preparation import prepare
from .process import (
    PORT_TAKEN,
    end_process,
    free_port,
    is_ours,
    server_env,
    spawn,
)


class Jobs(Protocol):
    """Slurm's jobs, in one of which this process may run (see `adapters.slurm.jobs_around`)."""

    async def here(self) -> Allocation | None: ...
    async def is_over(self, job_id: str) -> bool: ...


class LocalServer:
    """Launches and watches JupyterLab on this machine."""

    def __init__(
        self,
        settings: Settings,
        env: Mapping[str, str],
        here: Machine | None = None,
        jobs: Jobs | None = None,
    ) -> None:
        """`here`: the machine to act as, by default this one. `jobs`: those that this machine may be a node of."""
        self._settings = settings
        self._here = here or this_machine()
        self._env = env
        self._jobs = jobs
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._tried: set[int] = set()

    async def launch(
        self, say: Callable[[str], None], announce: Callable[[ServerRecord], None]
    ) -> ServerRecord:
        """Start the process. It needs no announcement, because its record follows at once."""
        settings = self._settings
        host = self._here.name
        around = await self._jobs.here() if self._jobs is not None else None
        if around is not None:
            say(
                f"This is inside {around}: JupyterLab runs here, and ends with that job. "
                "`jlab-mcp start --mode slurm` submits another job instead."
            )
        port = free_port(settings.local_bind_ip, settings.port_min, settings.port_max, tried=self._tried)
        if port is None and free_port(settings.local_bind_ip, 0, 0, tried=set()) is None:
            raise LaunchFailed(
                f"This machine has no address {settings.local_bind_ip}.",
                "Unset JLAB_MCP_LOCAL_BIND_IP, or set it to an address of this machine.",
            )
        if port is None:
            raise LaunchFailed(
                f"Every port from {settings.port_min} to {settings.port_max} is taken on {host}.",
                "Set JLAB_MCP_PORT_MIN and JLAB_MCP_PORT_MAX to another range.",
            )
        self._tried.add(port)
        if settings.setup.strip():
            # The set-up puts it on the PATH, for server and kernels.
            choice = PythonChoice("python3")
        else:
            choice = await choose_python(settings.root, self._env)
            require_projects(
                choice, sys.executable, fallback=settings.python_fallback, own_serves=own_serves()
            )
        log = settings.log_dir / local_log(status_dir_name(settings.root), str(port))
        try:
            prepared = prepare(
                settings,
                local_launch(str(port)),
                replace(choice, silent=""),
                ip=settings.local_bind_ip,
                port=port,
                in_job=around is not None,
                hostname="127.0.0.1" if settings.local_bind_ip == "127.0.0.1" else host,
            )
            process = spawn(
                [choice.server, str(prepared.launcher), str(prepared.files.config_file)],
                log=log,
                cwd=settings.server_root_dir,
                env=server_env(self._env),
                setup=settings.setup,
            )
        except OSError as error:
            raise LaunchFailed(
                f"JupyterLab could not be started: {reason_of(error)}.",
                "Check that the path exists and that you may write there; `jlab-mcp doctor` checks each.",
            ) from None
        self._children[process.pid] = process
        return ServerRecord(
            state=ServerState.STARTING,
            mode=Mode.LOCAL,
            hostname=host,
            pid=process.pid,
            pid_start=process_start(process.pid),
            port=port,
            token=prepared.files.token,
            started=round(time.time(), 3),
            launcher=host,
            conn_file=str(prepared.files.connection_file),
            log=str(log),
            root=str(settings.root),
            machine=self._here.text,
            inside_job=around.job_id if around is not None else "",
            ends=around.ends if around is not None else 0.0,
        )

    async def observe(self, record: ServerRecord, *, urgent: bool = False) -> Observation:
        child = self._children.get(record.pid)
        if child is not None:
            child.poll()
        alive: bool | None = None
        is_elsewhere = self.is_elsewhere(record) and not self._here.shares_loopback(
            record.launcher, record.machine
        )
        if not self.is_elsewhere(record):
            # Right after the fork the command line is still ours, so only the start time counts.
            alive = is_ours(record.pid, record.pid_start)
        elif await self._is_over(record):
            alive, is_elsewhere = False, True
        connection = read_connection(Path(record.conn_file)) if record.conn_file else None
        tail = tail_text(Path(record.log)) if alive is False and record.log else ""
        return Observation(
            time.time(), process_alive=alive, is_elsewhere=is_elsewhere, connection=connection, log_tail=tail
        )

    def is_elsewhere(self, record: ServerRecord) -> bool:
        return not self._here.has(record.launcher, record.machine)

    async def _is_over(self, record: ServerRecord) -> bool:
        """Whether the job is over on whose node it ran."""
        if self._jobs is None or not record.inside_job or not record.state.is_live:
            return False
        return await self._jobs.is_over(record.inside_job)

    async def end(self, record: ServerRecord) -> str:
        if self.is_elsewhere(record):
            if await self._is_over(record):
                self.clear_up(record)
                return f"Job {record.inside_job}, in which JupyterLab ran on {record.hostname}, is over."
            there = f"Run `jlab-mcp stop` on {record.launcher}"
            if record.inside_job:
                there = f"Run: srun --overlap --jobid={record.inside_job} --nodelist={record.target.node} jlab-mcp stop"
            raise ServerError(
                f"This server runs on {record.launcher}, not on {self._here.name}.",
                f"{there}; if that machine is gone: jlab-mcp stop --forget",
            )
        what = f"JupyterLab (PID {record.pid})"
        if not is_ours(record.pid, record.pid_start):
            self.clear_up(record)
            return f"{what} had already ended."
        if not await end_process(record.pid, record.pid_start):
            raise ServerError(f"{what} does not stop.", f"End it with: kill -9 {record.pid}")
        child = self._children.pop(record.pid, None)
        if child is not None:
            await asyncio.to_thread(child.wait)
        self.clear_up(record)
        return f"{what} stopped."

    def may_retry(self, record: ServerRecord) -> bool:
        child = self._children.get(record.pid)
        code = child.poll() if child is not None else None
        return code == PORT_TAKEN or "in use" in record.message

    def clear_up(self, record: ServerRecord) -> None:
        if record.conn_file:
            remove_launch_files(Path(record.conn_file))
