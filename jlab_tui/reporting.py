"""`jlab-mcp status`, `jlab-mcp logs` and `jlab-mcp events`."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
import os
import sys
import time
from collections.abc import Collection, Container
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from .adapters.pipes import has_reader
from .core.errors import JlabError, ServerNotReady
from .core.journal.summary import Heads
from .core.kernel.link import RecordedKernel
from .core.news_desk import News
from .core.server.record import KernelInfo, ServerRecord, ServerState
from .core.server.resources import Sample, hours_json
from .core.server.status import ServerStatus
from .core.server.status_json import kernel_json, status_json, trouble_json
from .core.settings import Settings
from .services.news_watch import NewsWatch
from .services.progress import patiently
from .services.server.launcher import Launcher

_LOG_EVERY_S = 0.5
_LOOK_S = 0.05
"""how long the sizes of records, and records that the server knows nothing of, are read"""


class Api(Protocol):
    async def kernels(self) -> tuple[KernelInfo, ...]: ...
    async def features(self) -> frozenset[str]: ...
    async def recorded_kernels(self) -> dict[str, RecordedKernel]: ...
    async def resources(self, history_s: float = 0) -> list[Sample]: ...


class Access(Protocol):
    def api(self, record: ServerRecord) -> Api: ...
    async def close(self) -> None: ...


class JournalSummaries(Protocol):
    """The records of sessions; every method blocks."""

    def heads(self, within_s: float) -> Heads:
        """Return the sessions that are not closed, as far as they are known after so many seconds."""
        ...

    def heads_of(self, sessions: Container[str]) -> Heads:
        """Return those of them that are not closed."""
        ...

    def size(self, within_s: float) -> tuple[int, bool]:
        """Return the bytes on disk that could be counted in that time, and whether they are all."""


async def run_status(
    launcher: Launcher, access: Access, records: JournalSummaries, settings: Settings, *, as_json: bool
) -> int:
    """Print what is running and what it uses. Returns exit code 0 if ready, 3 if starting, 1 otherwise."""
    status = await patiently(launcher.look(), lambda _: _tell("Asking the server..."))
    alive: Alive | None = None
    root = str(settings.root)
    if status is None:
        facts = trouble_json("none", launcher.no_server(), root)
    else:
        use, alive = await _use(status, access)
        facts = status_json(status, root, time.time()) | use
    facts |= await _record_facts(status, records, alive)
    await access.close()
    if as_json:
        print(json.dumps(facts, indent=1, ensure_ascii=False))
    elif status is None:
        raise launcher.no_server()
    else:
        _print_status(facts)
    if status is None:
        return 1
    if status.state is ServerState.READY:
        return 0 if status.reachable is not False else 1
    return ServerNotReady.exit_code if status.state.is_live and not status.is_elsewhere else 1


@dataclass(frozen=True, slots=True)
class Alive:
    """What the server has now."""

    kernels: Collection[str]
    sessions: Collection[str] | None
    """that these belong to; None where a server does not know"""


async def _use(status: ServerStatus, access: Access) -> tuple[dict[str, Any], Alive | None]:
    """Return kernels and resources as the server reports them now; None for an answer that is not understood."""
    facts: dict[str, Any] = {"kernels": [], "resources": None}
    alive: Alive | None = None
    if status.reachable is True:
        facts["kernels"] = None
        with contextlib.suppress(JlabError):
            api = access.api(status.record)
            kernels = await api.kernels()
            facts["kernels"] = [kernel_json(kernel) for kernel in kernels]
            alive = Alive({kernel.kernel_id for kernel in kernels}, None)
            alive = replace(alive, sessions=await _sessions_on(api, alive.kernels))
        with contextlib.suppress(JlabError):
            samples = await access.api(status.record).resources()
            facts["resources"] = _resource_facts(samples[-1]) if samples else None
    return facts, alive


async def _sessions_on(api: Api, kernels: Collection[str]) -> Collection[str] | None:
    recorded = await api.recorded_kernels()
    if kernels and not recorded and not await api.features():
        return None
    return {recorded[kernel].session for kernel in kernels if kernel in recorded}


async def _record_facts(
    status: ServerStatus | None, records: JournalSummaries, alive: Alive | None
) -> dict[str, Any]:
    """Return the current server's open sessions, and the size of the records on disk.

    It costs the same, however many sessions there are: what takes long is counted in part."""
    size, is_all = await asyncio.to_thread(records.size, _LOOK_S)
    found = Heads()
    if status is not None and status.state is ServerState.READY:
        if alive is not None and alive.sessions is not None:
            found = await asyncio.to_thread(records.heads_of, alive.sessions)
        else:
            found = await asyncio.to_thread(records.heads, _LOOK_S)
    heads = [
        head
        for head in found.known
        if status is not None
        and not head.is_closed
        and abs(head.opened.server_started - status.record.started) < 0.01
        and (alive is None or head.opened.kernel_id in alive.kernels)
    ]
    sessions = [
        {
            "session_id": head.session,
            "notebook": head.opened.notebook,
            "kernel_id": head.opened.kernel_id,
            "running": head.running,
        }
        for head in heads
    ]
    return {
        "sessions": sessions,
        "sessions_not_read": found.unread,
        "records_mb": round(size / 1e6, 1),
        "records_mb_is_partial": not is_all,
    }


def _resource_facts(sample: Sample) -> dict[str, Any]:
    return {
        "cpu_percent": sample.cpu_percent,
        "cpu_count": sample.cpu_count,
        "memory_used_mb": _rounded(sample.memory_used_mb),
        "memory_total_mb": _rounded(sample.memory_total_mb),
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
        "gpu_hours": hours_json(sample.gpu_hours) if sample.gpu_hours else None,
    }


def _rounded(mb: float | None) -> int | None:
    return None if mb is None else round(mb)


def _gib(mb: float | None) -> str:
    return "?" if mb is None else f"{mb / 1024:.1f}"


def _kernels_row(kernels: list[dict[str, Any]] | None) -> str:
    if kernels is None:
        return "unknown"
    states = [kernel["state"] for kernel in kernels]
    return f"{len(states)}, {states.count('busy')} busy" if states else "none"


def _print_status(facts: dict[str, Any]) -> None:
    print(facts["message"])
    for line in (*facts["details"], *facts["notices"], facts["hint"]):
        if line:
            print(f"  {line}")
    rows = [("mode", facts["mode"]), ("project", facts["root"])]
    if facts["job_id"]:
        rows.append(("job", facts["job_id"]))
    if facts["hostname"]:
        rows.append(("node", facts["hostname"]))
    if facts["link"]:
        rows.append(("link", facts["link"]))
    rows.append(("kernels", _kernels_row(facts["kernels"])))
    running = sum(1 for session in facts["sessions"] if session["running"])
    count = len(facts["sessions"])
    counted = f"{count}, {running} running a cell" if count else "none"
    if facts["sessions_not_read"]:
        counted += f"; {facts['sessions_not_read']:,} more were not read in time"
    rows.append(("sessions", counted))
    if use := facts["resources"]:
        cpu = f"{use['cpu_percent']:.0f} %" if use["cpu_percent"] is not None else "n/a"
        rows.append(("CPU", f"{cpu} of {use['cpu_count']}"))
        rows.append(("memory", f"{_gib(use['memory_used_mb'])} of {_gib(use['memory_total_mb'])} GiB"))
        for gpu in use["gpu"]:
            busy = f"{gpu['utilization_percent']:.0f} %" if gpu["utilization_percent"] is not None else "n/a"
            rows.append((f"GPU {gpu['index']}", f"{gpu['name']}, {busy}"))
        if hours := use["gpu_hours"]:
            rows.append(("GPU hours", f"{hours['held']:.1f}, of them {hours['used']:.1f} in use"))
    part = "; not all could be counted in time" if facts["records_mb_is_partial"] else ""
    rows.append(("records", f"{facts['records_mb']:,.1f} MB on disk{part}"))
    if facts["log"]:
        rows.append(("log", facts["log"]))
    for name, value in rows:
        print(f"  {name:<9} {value}")


async def run_logs(launcher: Launcher, *, follow: bool) -> int:
    """Print the log; with `follow`, continue until interrupted."""
    status = launcher.recall()
    if status is None or not status.record.log:
        raise launcher.no_server()
    path = Path(status.record.log)
    offset = 0
    while True:
        try:
            offset = _print_from(path, offset)
        except FileNotFoundError:
            if not follow:
                raise ServerNotReady(
                    f"There is no log yet: {status.sentence}", f"It will be at {path}."
                ) from None
        if not follow:
            return 0
        await asyncio.sleep(_LOG_EVERY_S)


async def run_events(watch: NewsWatch, *, as_json: bool) -> int:
    """Print news, a line each, until nobody reads it."""
    async for news in watch.follow():
        if news is not None:
            print(json.dumps(_event(news), ensure_ascii=False) if as_json else news.text, flush=True)
        elif not has_reader(sys.stdout.fileno()):
            return 0
    return 0


def _event(news: News) -> dict[str, Any]:
    facts = {
        "event": news.kind,
        "session_id": news.session,
        "run_id": news.run,
        "status": news.status,
        "message": news.text,
    }
    return {key: value for key, value in facts.items() if value}


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print_from(path: Path, offset: int) -> int:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < offset:
            offset = 0  # a requeued job starts a new log
        file.seek(offset)
        while chunk := file.read(1 << 16):
            offset += len(chunk)
            sys.stdout.write(decoder.decode(chunk))
    sys.stdout.write(decoder.decode(b"", final=True))
    sys.stdout.flush()
    return offset
