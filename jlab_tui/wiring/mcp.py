"""Builds what the MCP tools need.

Importing this module loads what the first tool call needs. The MCP server answers its first request earlier (see `cli`
and `mcp_server.context_source`).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import time
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from ..adapters.files import is_there, owner_alive, process_start
from ..adapters.grep import grep
from ..adapters.images import shrink
from ..adapters.journal.bell import usable_fifo_dir
from ..adapters.journal.store import JournalStore
from ..adapters.jupyter.access import ServerAccess
from ..adapters.jupyter.spool_reader import Spool
from ..adapters.machine import this_machine
from ..adapters.memory import give_back, return_large_blocks
from ..adapters.notebook import NotebookDirectory
from ..adapters.server.detached import start_detached
from ..adapters.server.launch_files import probe_source
from ..adapters.slurm.commands import Slurm
from ..core.server.record import Owner, ServerRecord
from ..core.server.resources import resources_json
from ..core.settings import Settings, load_settings
from ..mcp_server.context import App
from ..mcp_server.stdio import CancelReasons
from ..services.server.client_start import ClientStart
from ..services.server.resource_sampler import ResourceSampler
from ..services.server.vitals import Vitals
from ..services.server.walltime_notice import WalltimeNotice
from ..services.session.notebook_rerun import NotebookRerun
from ..services.session.reader import Reader
from ..services.session.replies import Replies
from ..services.sessions.factory import Server
from ..services.sessions.registry import Sessions
from .server import make_launcher
from .settings import choices_of


async def make_app(settings: Settings, env: Mapping[str, str], reasons: CancelReasons) -> App:
    """Build the application of one MCP server process."""
    return_large_blocks()
    host = socket.gethostname()
    launcher = make_launcher(settings, env)
    access = ServerAccess(
        this_machine(), allow_unproved=settings.allow_unproved, exit_grace_s=settings.exit_grace_s
    )
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

    async def server() -> Server:
        record = await launcher.ready_record()
        return Server(record, access.api(record))

    sessions = Sessions(
        Owner(uuid.uuid4().hex, host, os.getpid(), conversation, process_start(os.getpid())),
        server,
        launcher.why_over,
        journals,
        notebooks,
        Spool(settings.spool_dir),
        time.time,
        settings.on_exit,
        owner_alive,
        launcher.why_on_record,
        launcher.why_silent,
    )
    starting = ClientStart(
        launcher,
        choices_of(settings),
        load_settings(env, settings.cwd, is_there).run_mode,
        lambda: shutil.which("sbatch", path=env.get("PATH")) is not None,
        Slurm(env).survey,
        partial(start_detached, log_dir=settings.log_dir, cwd=settings.cwd, env=env),
    )

    sampler = ResourceSampler(probe_source)

    async def resources(record: ServerRecord) -> dict[str, Any]:
        return resources_json(await sampler.sample(access.api(record)))

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
        await access.close()
        await launcher.close()

    app = App(
        settings=settings,
        launcher=launcher,
        sessions=sessions,
        reader=Reader(journals, notebooks),
        replies=replies,
        rerun=NotebookRerun(sessions.outputs_of, settings.output_chars),
        starting=starting,
        server=server,
        resources=resources,
        vitals=Vitals(server, time.time).message,
        shrink=shrink,
        grep=grep,
        give_memory_back=give_back,
        now=time.time,
        reasons=reasons,
        close=close,
    )
    app.start_background(asyncio.to_thread(journals.clear_old, settings.keep_days))
    return app
