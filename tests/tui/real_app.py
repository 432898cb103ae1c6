"""The dashboard on real files and a real FIFO, as a program: python -m tests.tui.real_app STATUS_DIR [--readonly] [--ascii] [--day] [--bell] [--crash] [--kernels N]

Node and actions are played; everything else is what `jlab-mcp start` uses.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from jlab_tui.adapters.files import owner_alive
from jlab_tui.adapters.journal.bell import BellReader
from jlab_tui.adapters.journal.directory import DirectoryRecords
from jlab_tui.adapters.journal.journal_file import JournalWriter
from jlab_tui.adapters.log_file import LogFile, logging_to
from jlab_tui.adapters.new_files import NewFiles
from jlab_tui.adapters.server.status_file import StatusFile
from jlab_tui.core.errors import JlabError
from jlab_tui.core.journal.events import Entry
from jlab_tui.core.kernel.leaving import KernelFates
from jlab_tui.core.server.record import KernelInfo, ServerRecord
from jlab_tui.core.server.resources import Measured, Sample
from jlab_tui.core.server.status import ServerStatus
from jlab_tui.services.dashboard.actions import RecordedActions, Target
from jlab_tui.services.dashboard.exports import Exports
from jlab_tui.services.dashboard.looks import NoLooks
from jlab_tui.services.dashboard.monitor import Monitor
from jlab_tui.tui.options import DashboardOptions
from jlab_tui.tui.program import run

HOST = "testhost"


class FileObserver:
    """The state as the status file has it."""

    def __init__(self, path: Path, *, crashes: bool = False) -> None:
        self._file = StatusFile(path)
        self._crashes = crashes

    async def look(self) -> ServerStatus | None:
        record = self._file.read()
        if record is None:
            return None
        if self._crashes:
            asyncio.get_running_loop().call_soon(_crash, record.token)
        return ServerStatus(record, "", "", reachable=True)


def _crash(token: str) -> None:
    print(len(token) / 0)


class PlayedNode:
    """A node with steady work, a new sample every second."""

    def __init__(self, kernels: int) -> None:
        names = ["k-1", *(f"k-s{number}" for number in range(2, kernels + 1))]
        self._kernels = tuple(KernelInfo(name, "python3", "idle", 1) for name in names)

    async def fates(self, record: ServerRecord) -> KernelFates:
        return KernelFates()

    async def measured(self, record: ServerRecord, history_s: float, *, kernels: bool) -> Measured:
        now = int(time.time())
        samples = [
            Sample(float(at), 16, 30 + at % 41, 3.5, 40_000 + at % 900, 128_000)
            for at in range(now - int(history_s) + 1, now + 1)
        ]
        return Measured(samples, self._kernels if kernels else None)


class PlayedActions:
    async def interrupt(self, target: Target) -> str:
        return f"The kernel of {target.name} is idle."

    async def restart(self, target: Target) -> str:
        raise JlabError("The kernel does not restart.", "Try it in JupyterLab.")

    async def shutdown(self, target: Target) -> str:
        return "The session is closed."

    async def stop_server(self) -> str:
        return "Stopped."

    async def cancel_job(self) -> str:
        return "Cancelled."

    async def be_owner(self, target: Target) -> None: ...

    async def hand_on(self, target: Target, act: Entry) -> bool:
        return True


def main(arguments: list[str]) -> int:
    status_dir = Path(arguments[0])
    kernels = int(arguments[arguments.index("--kernels") + 1]) if "--kernels" in arguments else 1
    log = JournalWriter(status_dir / "actions" / f"{HOST}-{os.getpid()}.jsonl")
    monitor = Monitor(
        FileObserver(status_dir / "server-status", crashes="--crash" in arguments),
        PlayedNode(kernels),
        DirectoryRecords(status_dir / "sessions", status_dir / "actions"),
        lambda on_news: BellReader(status_dir / "fifos", HOST, on_news),
        owner_alive,
    )
    log_file = LogFile(status_dir / "logs" / f"dashboard-{HOST}-{os.getpid()}.log")
    actions = RecordedActions(PlayedActions(), log, by="ben@login1", dashboard=HOST, clock=time.time)
    options = DashboardOptions(
        readonly="--readonly" in arguments,
        ascii="--ascii" in arguments,
        bell="--bell" in arguments,
        theme="day" if "--day" in arguments else "night",
        details=log_file.where,
    )
    try:
        with logging_to(log_file):
            return run(monitor, actions, NoLooks(), Exports(NewFiles(status_dir)), options)
    finally:
        log.close().result(30)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
