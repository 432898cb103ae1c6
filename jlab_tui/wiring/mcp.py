"""Builds what the MCP tools need.

Importing this module loads what the first tool call needs. The MCP server answers its first request earlier (see `cli`
and `mcp_server.context_source`).
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

from ..adapters.files import is_there, owner_alive, process_start
from ..adapters.grep import grep
from ..adapters.images import shrink
from ..adapters.intents import OpeningIntents
from ..adapters.journal.bell import usable_fifo_dir
from ..adapters.journal.store import JournalStore
from ..adapters.journal.tidying import Tidying
from ..adapters.jupyter import rest  # noqa: F401 - the HTTP client
from ..adapters.jupyter.spool_reader import Spool
from ..adapters.memory import give_back, return_large_blocks
from ..adapters.notebook import NotebookDirectory
from ..adapters.parent import wake_at_its_end
from ..adapters.server.detached import start_detached
from ..adapters.server.launch_files import probe_source
from ..adapters.slurm.commands import Slurm
from ..core.notebook.output_items import CellLimits
from ..core.server.record import Owner
from ..core.settings import OnExit, Settings, load_settings
from ..core.slurm.allocation import allocation_here, offer
from ..core.ssh.line import GRACE_S
from ..mcp_server.context import App
from ..mcp_server.stdio import CancelReasons
from ..services.progress import in_turn
from ..services.server.client_start import ClientStart
from ..services.server.gpu_idle_notice import GpuIdleNotice
from ..services.server.launcher import Launcher
from ..services.server.ready import ReadyServer, Server
from ..services.server.resource_sampler import ResourceSampler
from ..services.server.vitals import Vitals
from ..services.server.walltime_notice import WalltimeNotice
from ..services.session.notebook_rerun import NotebookRerun
from ..services.session.reader import Reader
from ..services.session.replies import Replies
from ..services.sessions.once import Once
from ..services.sessions.registry import Sessions
from .server import make_access, make_launcher
from .settings import choices_of

SWITCH_S: Final = 0.0005
"""how long the event loop waits for a thread that computes; Python's 5 ms are half of a short call"""
TIDYING_S: Final = 0.1
"""how long an exit waits for a step of tidying that removes what it has half done"""


async def make_app(
    settings: Settings,
    env: Mapping[str, str],
    reasons: CancelReasons,
    relay: str = "",
    generation: int = 0,
) -> App:
    """Build the application of one MCP server process, the `generation`-th that its relay has started."""
    return_large_blocks()
    sys.setswitchinterval(SWITCH_S)
    wake_at_its_end()
    launcher = make_launcher(settings, env)
    access = make_access(settings, env, is_client=True)
    server = ReadyServer(launcher, access).get
    journals = _journals(settings)
    notebooks = NotebookDirectory(
        settings.notebook_dir,
        settings.server_root_dir,
        settings.root,
        settings.cwd,
        CellLimits.of_cell(settings.cell_mb),
    )
    owner = _owner(env, relay, generation, GRACE_S if reasons.is_behind_line else None)
    sessions = _sessions(settings, owner, launcher, server, journals, notebooks, lambda: reasons.lost_line)
    walltime = WalltimeNotice(launcher, time.time)
    replies = Replies(
        sessions.find_run,
        sessions.outputs,
        journals,
        walltime.take,
        settings.output_chars,
        time.time,
        idle_notice=GpuIdleNotice(server, settings.gpu_idle_warn_min, time.time).take,
    )
    most_bytes = settings.records_mb * 1_000_000
    tidying = Tidying(partial(journals.clear_old, settings.keep_days, most_bytes=most_bytes))
    return App(
        settings=settings,
        launcher=launcher,
        sessions=sessions,
        once=Once(sessions, journals),
        reader=Reader(journals, notebooks),
        replies=replies,
        rerun=NotebookRerun(sessions.outputs_of, settings.output_chars),
        starting=_client_start(settings, env, launcher),
        server=server,
        resources=ResourceSampler(probe_source).sample,
        vitals=Vitals(server, time.time).message,
        shrink=shrink,
        grep=grep,
        give_memory_back=give_back,
        clear_up=tidying.start,
        now=time.time,
        reasons=reasons,
        close=partial(_close, tidying, (replies.close, sessions.release, access.close, launcher.close)),
    )


async def _close(tidying: Tidying, steps: Sequence[Callable[[], Awaitable[object]]]) -> None:
    tidying.stop()
    try:
        await in_turn(*steps)
    finally:
        tidying.wait(TIDYING_S)


def _journals(settings: Settings) -> JournalStore:
    return JournalStore(
        settings.sessions_dir,
        settings.actions_dir,
        lambda: usable_fifo_dir(settings.fifo_dir, os.getuid()),
        socket.gethostname(),
    )


def _owner(env: Mapping[str, str], relay: str, generation: int, line_grace_s: float | None) -> Owner:
    pid, conversation = os.getpid(), env.get("CLAUDE_CODE_SESSION_ID", "")
    started = process_start(pid)
    return Owner(
        uuid.uuid4().hex,
        socket.gethostname(),
        pid,
        conversation,
        started,
        relay,
        generation,
        line_grace_s,
    )


def _sessions(
    settings: Settings,
    owner: Owner,
    launcher: Launcher,
    server: Callable[[], Awaitable[Server]],
    journals: JournalStore,
    notebooks: NotebookDirectory,
    comes_back: Callable[[], bool],
) -> Sessions:
    return Sessions(
        owner=owner,
        server=server,
        diagnosis=launcher,
        journals=journals,
        notebooks=notebooks,
        intents=OpeningIntents(settings.status_dir / "intents"),
        spool=Spool(settings.spool_dir),
        now=time.time,
        on_exit=settings.on_exit or OnExit.SHUTDOWN,
        owner_alive=owner_alive,
        hold_limit_s=settings.hold_limit_s,
        comes_back=comes_back,
    )


def _client_start(settings: Settings, env: Mapping[str, str], launcher: Launcher) -> ClientStart:
    return ClientStart(
        launcher,
        choices_of(settings),
        load_settings(env, settings.cwd, is_there).run_mode,
        settings,
        lambda: shutil.which("sbatch", path=env.get("PATH")) is not None,
        Slurm(env).survey,
        partial(start_detached, log_dir=settings.log_dir, cwd=settings.cwd, env=env),
        offer(allocation_here(env, socket.gethostname())),
    )
