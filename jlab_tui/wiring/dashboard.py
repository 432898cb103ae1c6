"""Builds a dashboard for the live server or a recorded journal."""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.cli.picture_choice import Pictures
from ..core.errors import UsageError

if TYPE_CHECKING:
    from ..adapters.jupyter.access import ServerAccess
    from ..adapters.jupyter.rest import JupyterApi
    from ..adapters.log_file import LogFile
    from ..core.kernel.leaving import KernelFates
    from ..core.kernel.variable_table import Variables
    from ..core.server.record import ServerRecord
    from ..core.server.resources import Measured
    from ..core.settings import Mode, Settings
    from ..services.dashboard.actions import Target
    from ..services.dashboard.kernel_looks import KernelLooks
    from ..services.server.launcher import Launcher
    from ..tui.options import DashboardOptions, Story


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """Options of the command line."""

    readonly: bool = False
    ascii: bool = False
    pictures: Pictures = Pictures.AUTO
    theme: str = "night"
    bell: bool = False
    """ring the terminal's bell when a long run ends"""
    hold: bool = False
    """hold all code before it runs"""
    debug: bool = False
    """log everything, and name the log at the end"""
    called: str = ""
    """how a laptop names this host, if the user came from one with --ssh"""
    says_farewell: bool = True
    """print at the end what is still running"""
    story: Story | None = None
    """plays beside the dashboard, with captions"""


_PICTURE = 64 * 1024
"""bytes from which a block is returned to the system when it is freed"""


class Outside:
    """The server's launcher and API. Their modules load here only, after the first frame."""

    def __init__(self, settings: Settings, env: Mapping[str, str]) -> None:
        self._settings = settings
        self._env = env

    @cached_property
    def launcher(self) -> Launcher:
        from .server import make_launcher

        return make_launcher(self._settings, self._env)

    @cached_property
    def _access(self) -> ServerAccess:
        from .server import make_access

        return make_access(self._settings, self._env)

    def api(self, record: ServerRecord) -> JupyterApi:
        return self._access.api(record)

    async def measured(self, record: ServerRecord, history_s: float, *, kernels: bool) -> Measured:
        return await self.api(record).measured(history_s, kernels=kernels)

    async def fates(self, record: ServerRecord) -> KernelFates:
        from ..core.kernel.leaving import KernelFates

        api = self.api(record)
        recorded = await api.recorded_kernels()
        left = {kernel_id: one.left for kernel_id, one in recorded.items() if one.left is not None}
        return KernelFates(left, await api.ended_kernels())


class LateLooks:
    """The user's looks into kernels. Their modules load at the first one."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    @cached_property
    def _looks(self) -> KernelLooks:
        from ..services.dashboard.kernel_looks import KernelLooks

        return KernelLooks(lambda: self._outside.launcher, self._outside.api)

    async def variables(self, target: Target) -> Variables:
        return await self._looks.variables(target)

    async def value(self, target: Target, expression: str) -> str:
        return await self._looks.value(target, expression)

    async def stacks(self, target: Target) -> str:
        return await self._looks.stacks(target)


def run_dashboard(settings: Settings, env: Mapping[str, str], mode: Mode, looks: Looks) -> int:
    """Start the server or attach to it, and show the dashboard until the user leaves. Returns the exit code."""
    outside = Outside(settings, env)
    options, log_file = _options(settings, looks, preload=lambda: outside.launcher)
    from ..adapters.files import owner_alive
    from ..adapters.journal.bell import BellReader, usable_fifo_dir
    from ..adapters.journal.directory import DirectoryRecords
    from ..adapters.journal.journal_file import JournalWriter
    from ..adapters.journal.retention import actions_name
    from ..adapters.link.forwards import Forwards
    from ..adapters.new_files import NewFiles
    from ..adapters.server.detached import start_owner
    from ..core.cli.browser_access import login_here
    from ..services.dashboard.actions import NoActions, RecordedActions
    from ..services.dashboard.browser_way import JupyterLabWay
    from ..services.dashboard.exports import Exports
    from ..services.dashboard.kernel_actions import KernelActions
    from ..services.dashboard.monitor import Monitor
    from ..services.dashboard.server_source import ServerSource
    from ..tui.program import run

    host = socket.gethostname()
    file_name = actions_name(host, str(os.getpid()))
    log = JournalWriter(settings.actions_dir / file_name)
    by = f"{env.get('USER') or env.get('LOGNAME') or 'user'}@{host}"
    source = ServerSource(lambda: outside.launcher, mode)
    monitor = Monitor(
        source,
        outside,
        DirectoryRecords(settings.sessions_dir, settings.actions_dir),
        lambda on_news: BellReader(usable_fifo_dir(settings.fifo_dir, os.getuid()), host, on_news),
        owner_alive,
        details=log_file.where,
        bring_up=source.bring_up,
    )
    actions = (
        NoActions("This dashboard is read-only (--readonly).")
        if looks.readonly
        else RecordedActions(
            KernelActions(
                lambda: outside.launcher,
                outside.api,
                partial(start_owner, log_dir=settings.log_dir, cwd=settings.cwd, env=env),
            ),
            log,
            by=by,
            dashboard=file_name.removesuffix(".jsonl"),
            clock=time.time,
        )
    )
    way = JupyterLabWay(
        lambda: outside.launcher,
        Forwards(settings.status_dir, settings.cwd, env).open,
        login_here(host, env, looks.called),
        str(settings.server_root_dir),
        through_ssh=bool(env.get("SSH_CONNECTION")),
    )
    options = replace(options, way=way)
    try:
        with _logging(log_file, looks):
            return run(monitor, actions, LateLooks(outside), Exports(NewFiles(settings.root)), options)
    finally:
        log.close().result(5)


def run_replay(settings: Settings, file: Path, speed: float, looks: Looks) -> int:
    """Play a recorded journal in the dashboard. Raises UsageError if it is empty."""
    options, log_file = _options(settings, looks, is_replay=True)
    from ..adapters.journal.journal_reader import read_entries
    from ..adapters.new_files import NewFiles
    from ..services.dashboard.actions import NoActions
    from ..services.dashboard.exports import Exports
    from ..services.dashboard.looks import NoLooks
    from ..tui.program import run
    from ..tui.recording import Recording

    entries = [entry for _, entry in read_entries(file)]
    if not entries:
        raise UsageError(
            f"{file} contains no journal.", "Give a file such as <status directory>/sessions/<id>.1.jsonl."
        )
    session = file.name.partition(".")[0]
    recording = Recording(session, entries, speed=speed)
    options = replace(options, clock=recording.clock, recording=recording)
    with _logging(log_file, looks):
        actions = NoActions("This is a recording, which you cannot change.")
        return run(recording, actions, NoLooks(), Exports(NewFiles(settings.root)), options)


@contextmanager
def _logging(file: LogFile, looks: Looks) -> Iterator[None]:
    from ..adapters.log_file import logging_to

    with logging_to(file, logging.DEBUG if looks.debug else logging.WARNING):
        yield
    if looks.debug:
        sys.stderr.write(f"{file.where()}\n")


def _options(
    settings: Settings,
    looks: Looks,
    *,
    is_replay: bool = False,
    preload: Callable[[], object] = lambda: None,
) -> tuple[DashboardOptions, LogFile]:
    from ..tui.terminal import prepare

    gc.disable()  # until all is loaded: saves a tenth of the time to the first frame
    prepare(os.environ)  # before the import of Textual, which reads the environment once
    from ..adapters import user_programs
    from ..adapters.log_file import LogFile, dashboard_log
    from ..tui.options import DashboardOptions
    from ..tui.themes import known_themes

    if looks.theme not in known_themes():
        raise UsageError(f"There is no theme {looks.theme!r}.", f"Use one of: {', '.join(known_themes())}.")
    log_file = LogFile(settings.log_dir / dashboard_log(socket.gethostname(), str(os.getpid())))

    def load_rest() -> None:
        from ..adapters.memory import return_large_blocks, use_one_heap

        use_one_heap()  # records are read in threads, and a picture is a line of 100 kB and more
        return_large_blocks(_PICTURE)
        preload()
        gc.freeze()  # imports are permanent; collecting among them would delay keys
        gc.enable()

    options = DashboardOptions(
        readonly=looks.readonly or is_replay,
        ascii=looks.ascii,
        pictures=looks.pictures,
        theme=looks.theme,
        bell=looks.bell,
        hold=looks.hold and not looks.readonly and not is_replay,
        edit=lambda text: user_programs.edit(text, os.environ),
        open_at=lambda file, line: user_programs.open_at(file, line, os.environ),
        page=lambda coloured, plain: user_programs.page(coloured, plain, os.environ),
        find_file=user_programs.existing_file,
        gpu_idle_warn_min=settings.gpu_idle_warn_min,
        says_farewell=looks.says_farewell and not is_replay,
        story=looks.story,
        details=log_file.where,
        preload=load_rest,
    )
    return options, log_file
