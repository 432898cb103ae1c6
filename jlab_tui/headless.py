"""The commands without a dashboard: the same facts as plain lines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar

from .core.errors import JlabError, LaunchFailed, NoServer, ServerNotReady, StatusFileDamaged
from .core.models import KernelInfo, ServerRecord, ServerState
from .core.resources import Sample
from .core.settings import Mode, Settings
from .core.startup import Situation
from .core.walltime import Notices
from .services.launcher import Launcher

_LOG_EVERY_S = 0.5
_REMIND_S = 60.0
"""a start that says nothing new for so long says that it still waits"""

T = TypeVar("T")


class Api(Protocol):
    async def kernels(self) -> tuple[KernelInfo, ...]: ...
    async def resources(self, history_s: float = 0) -> list[Sample]: ...


class Gate(Protocol):
    def api(self, record: ServerRecord) -> Api: ...
    async def close(self) -> None: ...


class _Lines:
    """Prints each new sentence once."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._last = ""
        self._notices = Notices()

    def show(self, situation: Situation) -> None:
        """Its sentence when that is new, with details and the log where something went wrong; notices once each."""
        is_new = situation.sentence != self._last
        self.say(situation.sentence)
        if is_new and situation.record.state is ServerState.PENDING:
            for line in situation.details:
                self._write(f"  {line}")
        if is_new and situation.log_tail and (situation.give_up or situation.is_over):
            self._write(f"--- the end of {situation.record.log}")
            for line in situation.log_tail:
                self._write(f"  {line}")
            self._write("---")
        self.show_notices(situation)

    def show_notices(self, situation: Situation) -> None:
        for notice in self._notices.due(situation.notices, situation.record.ends, time.time()):
            self._write(notice)

    def still(self) -> str:
        """What is being waited for."""
        return f"Still: {self._last.rstrip('.')}" if self._last else "Still starting"

    def say(self, text: str) -> None:
        if text and text != self._last:
            self._last = text
            self._write(text)


def _print(text: str) -> None:
    print(text, flush=True)


async def run_detached(launcher: Launcher, mode: Mode, settings: Settings) -> int:
    """Start and return when ready; a job that is still queued after the queue timeout stays queued."""
    lines = _Lines(_print)
    work = launcher.start_and_wait(mode, lines.say, lines.show, settings.queue_timeout_s)
    await patiently(work, lines.still, _REMIND_S, _REMIND_S)
    return 0


async def run_foreground(launcher: Launcher, mode: Mode, settings: Settings) -> int:
    """Start, print what happens, stay until the server ends or a signal comes.

    Ctrl+C stops a local server that this process launched; SIGHUP and SIGTERM only leave it.
    """
    lines = _Lines(_print)
    received: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, received.put_nowait, number)
    ours = [False]

    async def stay() -> int:
        work = launcher.start_and_wait(mode, lines.say, lines.show, settings.queue_timeout_s)
        started = await patiently(work, lines.still, _REMIND_S, _REMIND_S)
        ours[0] = not started.attached
        if started.situation.record.mode is Mode.SLURM:
            job = started.situation.record.job_id
            lines.say(f"Press Ctrl+C to leave; job {job} goes on until `jlab-mcp stop`.")
        else:
            lines.say(
                "Press Ctrl+C to stop." if ours[0] else "It was running already; Ctrl+C leaves it running."
            )
        async for situation in launcher.follow():
            if situation is None:
                lines.say("The server was stopped.")
                return 0
            if situation.record.state is ServerState.READY and situation.reachable is not False:
                lines.show_notices(situation)
                continue
            lines.show(situation)
            if not situation.record.state.is_live:
                return 0 if situation.record.state is ServerState.ENDED else 1
        return 0

    work = asyncio.create_task(stay())
    signalled = asyncio.create_task(received.get())
    await asyncio.wait([work, signalled], return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        signalled.cancel()
        return work.result()
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError, JlabError):
        await work
    return await _after_signal(launcher, signalled.result(), ours[0])


async def _after_signal(launcher: Launcher, number: int, ours: bool) -> int:
    situation = None
    with contextlib.suppress(StatusFileDamaged):
        situation = launcher.recall()
    if situation is not None and situation.record.state.is_live:
        record = situation.record
        starting = record.state is ServerState.STARTING
        if number == signal.SIGINT and record.mode is Mode.LOCAL and (ours or starting):
            print(await _stop(launcher))
            return 0 if ours else 130
        if record.mode is Mode.SLURM:
            stays = "stays in the queue" if record.state is ServerState.PENDING else "goes on"
            job = f"Job {record.job_id}" if record.job_id else "The job"
            print(f"{job} {stays}. Resume with: jlab-mcp start   Cancel it with: jlab-mcp stop")
        else:
            print(
                f"JupyterLab (PID {record.pid}) goes on. "
                "See it again with `jlab-mcp start`, end it with `jlab-mcp stop`."
            )
    return 130 if number == signal.SIGINT else 128 + number


async def run_stop(launcher: Launcher) -> int:
    """End the server and say how; says on stderr what it waits for when that takes long."""
    print(await _stop(launcher))
    return 0


async def _stop(launcher: Launcher) -> str:
    what = "the server"
    with contextlib.suppress(StatusFileDamaged):
        situation = launcher.recall()
        if situation is not None:
            record = situation.record
            what = f"job {record.job_id}" if record.job_id else f"JupyterLab (PID {record.pid})"
    return await patiently(launcher.stop(), lambda: f"Waiting for {what} to end")


async def patiently(
    work: Coroutine[Any, Any, T], what: Callable[[], str], first_s: float = 1.0, then_s: float = 10.0
) -> T:
    """Wait for something; after `first_s`, and then every `then_s`, say on stderr what it waits for and since when."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    pause = first_s
    try:
        while not (await asyncio.wait([task], timeout=pause))[0]:
            waited = loop.time() - begun
            since = f" ({waited:.0f} s so far)" if waited >= 2 else ""
            print(f"{what()}{since}...", file=sys.stderr, flush=True)
            pause = then_s
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task])  # what it must bring to its end is brought there first
        raise
    return await task


async def run_wait(launcher: Launcher, timeout: float | None, queue_timeout: float) -> int:
    """Print state changes until ready (0), failed (1) or timed out (3); without `timeout` only the queue has a limit."""
    lines = _Lines(_print)
    limit = queue_timeout if timeout is None else None
    situation = await patiently(
        launcher.until_ready(lines.show, timeout, queue_timeout=limit), lines.still, _REMIND_S, _REMIND_S
    )
    if situation.record.state is not ServerState.READY:
        raise LaunchFailed(situation.sentence, situation.hint)
    return 0


async def run_status(launcher: Launcher, gate: Gate, settings: Settings, *, as_json: bool) -> int:
    """Print what runs and what it uses. Exit code 0 when ready, 3 on its way, 1 otherwise."""
    situation = await launcher.look()
    facts = (
        await _facts(situation, gate, settings)
        if situation is not None
        else {"state": "none", "root": str(settings.root)}
    )
    await gate.close()
    if as_json:
        print(json.dumps(facts, indent=1, ensure_ascii=False))
    elif situation is None:
        raise NoServer(str(settings.root))
    else:
        _print_status(facts)
    if situation is None:
        return 1
    if situation.record.state is ServerState.READY:
        return 0 if situation.reachable is not False else 1
    return ServerNotReady.exit_code if situation.record.state.is_live else 1


async def _facts(situation: Situation, gate: Gate, settings: Settings) -> dict[str, Any]:
    record = situation.record
    facts: dict[str, Any] = {
        "state": str(record.state),
        "phase": situation.phase,
        "sentence": situation.sentence,
        "hint": situation.hint,
        "details": list(situation.details),
        "notices": list(situation.notices),
        "mode": str(record.mode),
        "root": str(settings.root),
        "hostname": record.hostname,
        "url": record.url,
        "job_id": record.job_id,
        "pid": record.pid,
        "started": record.started,
        "walltime_left_s": _walltime_left(record),
        "log": record.log,
        "healthy": situation.reachable is True,
        "kernels": [],
        "resources": None,
    }
    if situation.reachable is True:
        with contextlib.suppress(JlabError, ValueError):
            api = gate.api(record)
            facts["kernels"] = [
                {"kernel_id": k.kernel_id, "state": k.execution_state, "notebook": k.path}
                for k in await api.kernels()
            ]
            samples = await api.resources()
            facts["resources"] = _resource_facts(samples[-1]) if samples else None
    return facts


def _walltime_left(record: ServerRecord) -> int | None:
    return max(0, round(record.ends - time.time())) if record.ends and record.state.is_live else None


def _resource_facts(sample: Sample) -> dict[str, Any]:
    return {
        "cpu_percent": sample.cpu_percent,
        "cpu_count": sample.cpu_count,
        "memory_used_mb": round(sample.memory_used_mb),
        "memory_total_mb": round(sample.memory_total_mb),
        "gpu": [
            {
                "index": g.index,
                "name": g.name,
                "utilization_percent": g.utilization_percent,
                "memory_used_mb": g.memory_used_mb,
                "memory_total_mb": g.memory_total_mb,
            }
            for g in sample.gpus
        ],
    }


def _print_status(facts: dict[str, Any]) -> None:
    print(facts["sentence"])
    for line in (*facts["details"], *facts["notices"], facts["hint"]):
        if line:
            print(f"  {line}")
    rows = [("mode", facts["mode"]), ("project", facts["root"])]
    if facts["job_id"]:
        rows.append(("job", facts["job_id"]))
    if facts["hostname"]:
        rows.append(("node", facts["hostname"]))
    if facts["walltime_left_s"] is not None:
        left = facts["walltime_left_s"]
        rows.append(("walltime", f"{left // 3600}:{left % 3600 // 60:02}:{left % 60:02} left"))
    states = [k["state"] for k in facts["kernels"]]
    rows.append(("kernels", f"{len(states)}, {states.count('busy')} busy" if states else "none"))
    if use := facts["resources"]:
        cpu = f"{use['cpu_percent']:.0f} %" if use["cpu_percent"] is not None else "n/a"
        rows.append(("CPU", f"{cpu} of {use['cpu_count']}"))
        rows.append(
            ("memory", f"{use['memory_used_mb'] / 1024:.1f} of {use['memory_total_mb'] / 1024:.1f} GiB")
        )
        for gpu in use["gpu"]:
            busy = f"{gpu['utilization_percent']:.0f} %" if gpu["utilization_percent"] is not None else "n/a"
            rows.append((f"GPU {gpu['index']}", f"{gpu['name']}, {busy}"))
    if facts["log"]:
        rows.append(("log", facts["log"]))
    for name, value in rows:
        print(f"  {name:<9} {value}")


async def run_logs(launcher: Launcher, *, follow: bool) -> int:
    """Print the log; with `follow` go on until interrupted."""
    situation = launcher.recall()
    if situation is None or not situation.record.log:
        raise NoServer(launcher.root)
    path = Path(situation.record.log)
    offset = 0
    while True:
        try:
            offset = _print_from(path, offset)
        except FileNotFoundError:
            if not follow:
                raise ServerNotReady(
                    f"There is no log yet: {situation.sentence}", f"It will be {path}."
                ) from None
        if not follow:
            return 0
        await asyncio.sleep(_LOG_EVERY_S)


def _print_from(path: Path, offset: int) -> int:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < offset:
            offset = 0  # a requeued job starts its log anew
        file.seek(offset)
        while chunk := file.read(1 << 16):
            offset += len(chunk)
            sys.stdout.buffer.write(chunk)
    sys.stdout.flush()
    return offset
