"""Shared by the benchmarks: a project with a real server, a raw client on the same kernel, medians and process sizes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from queue import Empty

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from jupyter_client.asynchronous.client import AsyncKernelClient  # noqa: E402

from tests.project import Agent, Project, project_in  # noqa: E402

__all__ = [
    "Agent",
    "Project",
    "compare",
    "cpu_ms",
    "measure",
    "memory_mb",
    "process_of",
    "raw_client",
    "raw_execute",
    "reset_peak",
    "row",
    "server",
]


@contextlib.contextmanager
def server(**env: str) -> Iterator[Project]:
    """Run a project's server until the end of the block."""
    with tempfile.TemporaryDirectory() as directory, project_in(Path(directory), **env) as project:
        project.start()
        yield project


@asynccontextmanager
async def raw_client(project: Project, kernel_id: str) -> AsyncIterator[AsyncKernelClient]:
    """Connect jupyter_client to the kernel's own ZMQ ports: nothing is faster."""
    server_pid = int(project.status_file()["PID"])
    client = AsyncKernelClient(connection_file=str(_connection_file(project, kernel_id, server_pid)))
    client.load_connection_file()
    client.start_channels(hb=False, stdin=False)
    try:
        await client.kernel_info(reply=True, timeout=30)
        await _subscribed(client)
        yield client
    finally:
        client.stop_channels()


def _connection_file(project: Project, kernel_id: str, server_pid: int) -> Path:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            for argument in path.read_bytes().split(b"\0"):
                if argument.endswith(f"kernel-{kernel_id}.json".encode()):
                    return Path(argument.decode())
    raise FileNotFoundError(f"no process of kernel {kernel_id} (server {server_pid} of {project.root})")


async def _subscribed(client: AsyncKernelClient) -> None:
    """Ask until iopub answers: its subscription may reach the kernel after the first reply."""
    for _ in range(20):
        client.execute("", silent=True)
        await client.get_shell_msg(timeout=30)
        with contextlib.suppress(Empty):
            message = await client.get_iopub_msg(timeout=0.5)
            while message["content"].get("execution_state") != "idle":
                message = await client.get_iopub_msg(timeout=0.5)
            return
    raise TimeoutError("the kernel's iopub does not answer")


async def raw_execute(client: AsyncKernelClient, code: str) -> None:
    """Run code and wait for reply and idle, as a complete client must."""
    msg_id = client.execute(code, silent=not code)
    await client.get_shell_msg(timeout=30)
    while True:
        message = await client.get_iopub_msg(timeout=30)
        if (
            message["parent_header"].get("msg_id") == msg_id
            and message["msg_type"] == "status"
            and message["content"]["execution_state"] == "idle"
        ):
            return


async def measure(work: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1000


async def compare(
    count: int, *works: Callable[[], Awaitable[object]], warm_up: int = 3, pause: float = 0.0
) -> list[list[float]]:
    """Return the milliseconds of each, interleaved, so that a busy machine slows all of them alike."""
    times: list[list[float]] = [[] for _ in works]
    for turn in range(count + warm_up):
        for mine, work in zip(times, works, strict=True):
            took = await measure(work)
            if turn >= warm_up:
                mine.append(took)
            if pause:
                await asyncio.sleep(pause)
    return times


def row(name: str, values: list[float], against: list[float] | None = None, reach: str = "") -> None:
    """Print one line of a table: median, 95th percentile, ratio of the medians."""
    middle = statistics.median(values)
    high = sorted(values)[int(len(values) * 0.95)] if len(values) > 1 else values[0]
    ratio = f"  ratio {middle / statistics.median(against):5.2f}" if against else ""
    print(f"{name:<44} {middle:9.1f} ms (p95 {high:8.1f}){ratio}  {reach}", flush=True)


def memory_mb(pid: int, key: str = "VmRSS") -> float:
    """Return VmRSS now, or VmHWM, the highest so far (Linux)."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) / 1024


def cpu_ms(pid: int) -> float:
    """CPU time of a process's threads that live (Linux)."""
    spent = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            spent += int((task / "schedstat").read_text(encoding="utf-8").split()[0])
    return spent / 1e6


def reset_peak(pid: int) -> None:
    """Reset VmHWM to the current size."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="utf-8")


def process_of(project: Project, parent: int) -> int:
    """Return the PID of the MCP server process that `parent` launched in this project."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            stat = (path / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(stat[1]) == parent and (path / "cwd").resolve() == project.root.resolve():
                return int(path.name)
    raise ProcessLookupError("no MCP server process")


def read_json(path: Path) -> dict[str, object]:
    found = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found
