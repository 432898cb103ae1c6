"""Builds adapters and services from settings. Imports of heavy libraries are deferred: each command pays for what it uses."""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .core.errors import UsageError
from .core.settings import PREFIX, Mode, Settings, load_settings

if TYPE_CHECKING:
    from .adapters.choices import Choices
    from .adapters.files import Intent
    from .adapters.jupyter.access import ServerAccess
    from .adapters.jupyter.kernel_link import KernelLink
    from .adapters.jupyter.rest import JupyterApi
    from .core.journal.summary import SessionHead
    from .core.kernel.link import Lease, LinkChange
    from .core.kernel.wire import KernelMessage
    from .core.server.record import ServerRecord
    from .core.server.route import NoRoute
    from .core.server.state_machine import Health
    from .doctor import Doctor
    from .mcp_server.context import App
    from .mcp_server.context_source import AppSource
    from .mcp_server.stdio import CancelReasons
    from .services.ports import Jupyter
    from .services.server.launcher import Launcher

_HEAVY = (
    "httpx2",
    "websockets.asyncio.client",
    "jlab_tui.adapters.jupyter.access",
    "jlab_tui.adapters.jupyter.rest",
    "jlab_tui.adapters.jupyter.kernel_link",
    "jlab_tui.adapters.journal.store",
    "jlab_tui.adapters.server.local_server",
    "jlab_tui.adapters.notebook",
    "jlab_tui.adapters.slurm.job_server",
    "jlab_tui.adapters.jupyter.spool_reader",
    "jlab_tui.services.session.cells",
    "jlab_tui.services.session.variables",
    "jlab_tui.services.server.resource_sampler",
    "jlab_tui.services.session.reader",
    "jlab_tui.services.sessions.registry",
    "jlab_tui.services.server.client_start",
)


def settings_of(env: Mapping[str, str], *, for_client: bool = False) -> Settings:
    """Settings of this process. An MCP client names its project in CLAUDE_PROJECT_DIR. Raises UsageError."""
    from .adapters.files import is_there

    start = env.get("CLAUDE_PROJECT_DIR", "") if for_client else ""
    try:
        cwd = Path(start) if start and Path(start).is_dir() else Path.cwd()
    except FileNotFoundError:
        raise UsageError(
            "The working directory is gone.", "`cd` to a directory that exists, then try again."
        ) from None
    settings = load_settings(env, cwd.resolve(), is_there)
    return load_settings(choices_of(settings).environment(env), cwd.resolve(), is_there)


def choices_of(settings: Settings) -> Choices:
    from .adapters.choices import Choices

    return Choices(settings.status_dir / "choices.json")


def choose_mode(settings: Settings, asked: str | None) -> Mode:
    """`--mode`, then JLAB_MCP_RUN_MODE, then slurm where sbatch is found, else local."""
    if asked:
        return Mode(asked)
    if settings.run_mode is not None:
        return settings.run_mode
    return Mode.SLURM if shutil.which("sbatch") else Mode.LOCAL


class HealthCheck:
    """Looks at `GET /api/status` over one kept connection."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._access: ServerAccess | None = None

    async def warm_up(self) -> None:
        await asyncio.to_thread(importlib.import_module, "jlab_tui.adapters.jupyter.access")

    async def __call__(self, record: ServerRecord, patience: float) -> Health | NoRoute:
        if self._access is None:
            self._access = make_access(self._settings)
        return await self._access.health(record, patience)

    async def close(self) -> None:
        if self._access is not None:
            await self._access.close()
            self._access = None


def make_access(settings: Settings, exit_grace_s: float | None = None) -> ServerAccess:
    from .adapters.jupyter.access import ServerAccess
    from .adapters.machine import this_machine

    return ServerAccess(this_machine(), allow_unproved=settings.allow_unproved, exit_grace_s=exit_grace_s)


class IntentOfLauncher:
    """The intent file in the words of the launcher."""

    def __init__(self, intent: Intent) -> None:
        self._intent = intent

    def take(self, verb: str, now: float) -> str | None:
        holder = self._intent.take(verb, now)
        return f"{holder.verb} by {holder.host}:{holder.pid}" if holder is not None else None

    def is_taken(self) -> bool:
        return self._intent.holder() is not None

    def release(self) -> None:
        self._intent.release()


def make_launcher(settings: Settings, env: Mapping[str, str]) -> Launcher:
    from .adapters.files import Intent, StatusFile, other_roots
    from .adapters.server.local_server import LocalServer
    from .adapters.slurm.clusters import Clusters
    from .adapters.slurm.job_server import SlurmServer
    from .adapters.trust import require_trusted
    from .core.server.state_machine import Limits
    from .services.server.launcher import Launcher

    return Launcher(
        str(settings.root),
        StatusFile(settings.status_file, lambda: require_trusted(settings)),
        IntentOfLauncher(Intent(settings.status_dir / "starting", socket.gethostname())),
        {
            Mode.LOCAL: LocalServer(settings, env),
            Mode.SLURM: SlurmServer(settings, env, Clusters(env, settings.home)),
        },
        HealthCheck(settings),
        Limits(local_start_s=settings.local_start_s, ready_s=settings.ready_timeout_s),
        time.time,
        lambda: other_roots(settings.home / "servers", settings.status_dir, settings.cwd),
    )


def open_link(
    api: Jupyter,
    kernel_id: str,
    *,
    session_id: str,
    lease: Lease | None,
    hold: Callable[[], Awaitable[str]] | None,
    since: int,
    on_message: Callable[[KernelMessage], None],
    on_change: Callable[[LinkChange], None],
) -> KernelLink:
    from .adapters.jupyter.kernel_link import KernelLink
    from .adapters.jupyter.rest import JupyterApi

    assert isinstance(api, JupyterApi)
    return KernelLink(
        api.dialer,
        api.authorization,
        kernel_id,
        session_id=session_id,
        lease=lease,
        hold=hold,
        since=since,
        on_message=on_message,
        on_change=on_change,
    )


class ServerGate:
    """The ready server's API, made anew when the status file names another one."""

    def __init__(self, launcher: Launcher, settings: Settings, exit_grace_s: float | None = None) -> None:
        self._launcher = launcher
        self._access = make_access(settings, exit_grace_s)

    async def server(self) -> Any:
        from .services.sessions.factory import Server

        record = await self._launcher.ready_record()
        return Server(record, self.api(record))

    def api(self, record: ServerRecord) -> JupyterApi:
        return self._access.api(record)

    async def close(self) -> None:
        await self._access.close()


async def make_app(settings: Settings, env: Mapping[str, str], reasons: CancelReasons) -> App:
    """Everything behind the MCP tools."""
    from .adapters.files import is_there, owner_alive, process_start
    from .adapters.grep import grep
    from .adapters.images import shrink
    from .adapters.journal.bell import usable_fifo_dir
    from .adapters.journal.store import JournalStore
    from .adapters.jupyter.spool_reader import Spool
    from .adapters.memory import give_back, return_large_blocks
    from .adapters.notebook import NotebookDirectory
    from .adapters.server.detached import DetachedStart, start_detached
    from .adapters.server.launch_files import probe_source
    from .adapters.slurm.commands import Slurm
    from .core.server.record import Owner
    from .core.server.resources import resources_json
    from .mcp_server.context import App
    from .services.server.client_start import ClientStart
    from .services.server.resource_sampler import ResourceSampler
    from .services.server.walltime_notice import WalltimeNotice
    from .services.session.cells import Cells
    from .services.session.reader import Reader
    from .services.session.replies import Replies
    from .services.session.variables import Inspector
    from .services.sessions.registry import Sessions

    return_large_blocks()
    host = socket.gethostname()
    launcher = make_launcher(settings, env)
    gate = ServerGate(launcher, settings, settings.exit_grace_s)
    journals = JournalStore(
        settings.sessions_dir,
        settings.actions_dir,
        lambda: usable_fifo_dir(settings.fifo_dir, os.getuid()),
        host,
    )
    notebooks = NotebookDirectory(
        settings.notebook_dir, settings.server_root_dir, settings.root, settings.cwd
    )
    conversation = env.get("CLAUDE_CODE_SESSION_ID", "")
    owner = Owner(uuid.uuid4().hex, host, os.getpid(), conversation, process_start(os.getpid()))
    sessions = Sessions(
        owner,
        gate.server,
        launcher.why_over,
        open_link,
        journals,
        notebooks,
        Spool(settings.spool_dir),
        time.time,
        settings.on_exit,
        owner_alive,
        launcher.why_silent,
    )

    def set_off(arguments: list[str], values: Mapping[str, str]) -> DetachedStart:
        start_env = {**env, **{PREFIX + name: value for name, value in values.items()}}
        return start_detached(arguments, log_dir=settings.log_dir, cwd=settings.cwd, env=start_env)

    starting = ClientStart(
        launcher,
        choices_of(settings),
        load_settings(env, settings.cwd, is_there).run_mode,
        lambda: shutil.which("sbatch", path=env.get("PATH")) is not None,
        Slurm(env).survey,
        set_off,
    )

    measuring = ResourceSampler(open_link, probe_source)

    async def resources(record: ServerRecord) -> dict[str, Any]:
        return resources_json(await measuring.sample(gate.api(record)))

    replies = Replies(
        sessions.find_run,
        sessions.outputs,
        journals,
        WalltimeNotice(launcher, time.time).take,
        settings.output_chars,
        time.time,
    )

    async def close() -> None:
        await replies.close()
        await sessions.release()
        await gate.close()
        await launcher.close()

    app = App(
        settings=settings,
        launcher=launcher,
        sessions=sessions,
        cells=Cells(notebooks),
        reader=Reader(journals, notebooks),
        replies=replies,
        inspector=Inspector(),
        starting=starting,
        server=gate.server,
        resources=resources,
        shrink=shrink,
        grep=grep,
        give_memory_back=give_back,
        now=time.time,
        reasons=reasons,
        close=close,
    )
    app.start_background(asyncio.to_thread(journals.clear_old, settings.keep_days))
    return app


class SessionRecords:
    """What is on record of sessions, and how much of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def heads(self) -> list[SessionHead]:
        from .adapters.journal.journal_file import journals
        from .adapters.journal.summaries import JournalHeads

        return JournalHeads().read(journals(self._settings.sessions_dir))

    def size(self) -> int:
        from .adapters.checkup import bytes_below

        return bytes_below(self._settings.sessions_dir, self._settings.spool_dir)


def preload() -> None:
    """Import what the first tool call needs (called in a thread, after the first reply)."""
    for name in _HEAVY:
        importlib.import_module(name)


def make_app_source(settings: Settings, env: Mapping[str, str], reasons: CancelReasons) -> AppSource:
    from .mcp_server.context_source import AppSource

    return AppSource(lambda: make_app(settings, env, reasons), preload, reasons)


def make_doctor(settings: Settings, env: Mapping[str, str]) -> Doctor:
    """Everything behind `jlab-mcp doctor`."""
    from .doctor import Doctor

    launcher = make_launcher(settings, env)
    gate = ServerGate(launcher, settings)

    async def clock_offset(record: ServerRecord) -> float | None:
        """The middle of the question is when the node looked at its clock."""
        try:
            asked = time.time()
            told = await gate.api(record).clock()
            return told - (asked + time.time()) / 2 if told else None
        finally:
            await gate.close()

    return Doctor(settings, env, choose_mode(settings, None), launcher, clock_offset)
